"""Reading a prompt: 4,000 tokens beside peers, and the time against the prompt's length.

Enters: a folder. Leaves: figures, and a picture with a fitted curve. No prompt is read twice, and the
peers' prompt caches are off. Read next: `length_plot.py`.
"""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

from bench.contest import Contest, OurEngine, beside, hold, prompt_rate, random_prompt, words
from bench.length_plot import fit, plot
from bench.measure import Figure
from bench.model_folder import LLAMAS, llama_folder
from bench.peer_process import ROOT
from bench.peers.protocol import Batch, Job
from bench.settings import Settings

_PICTURE = ROOT / "docs" / "images" / "prefill.png"
_WANTED = {"transformers": 1.0, "llama.cpp": 2.5}
# From here on a prompt takes minutes and is read once.
_ONCE_FROM = 50_000


def models(folder: Path, settings: Settings) -> dict[str, Path]:
    """nano, then the random Llama shapes, by name."""
    names = list(LLAMAS)[:1] if settings.is_quick else list(LLAMAS)
    random_ones = {
        name: llama_folder(name, folder.with_name(name), is_quick=settings.is_quick) for name in names
    }
    return {"nano": folder, **random_ones}


def measure_prefill(folder: Path, settings: Settings) -> list[Figure]:
    """Both parts."""
    figures = [
        figure
        for name, each in models(folder, settings).items()
        for figure in _beside_peers(name, each, settings)
    ]
    return figures + _against_length(folder, settings)


def _beside_peers(name: str, folder: Path, settings: Settings) -> list[Figure]:
    length = 64 if settings.is_quick else 4000
    contest = Contest(
        folder=folder,
        peers=("transformers", "llama.cpp"),
        context=length + 32,
        streams=1,
        keeps_prefixes=False,
        jobs=partial(_one_prompt, words(folder), length),
        settings=settings,
    )
    ours = OurEngine(folder, settings)
    [standing] = hold(contest, ours, prompt_rate)
    ours.close()
    return beside(standing, name=f"prefill of {length:,} tokens, {name}", unit="tokens/s", at_least=_WANTED)


def _one_prompt(vocabulary: range, length: int, rng: random.Random) -> Batch:
    return Batch(jobs=(Job(prompt=random_prompt(rng, vocabulary, length), num_new=1),))


def _lengths(settings: Settings) -> list[int]:
    if settings.is_quick:
        return [64, 128, 256, 512]
    short = [1000, 2000, 4000, 8000, 16_000, 32_000]
    return short + ([64_000, 100_000, 199_000] if settings.is_long else [])


def _against_length(folder: Path, settings: Settings) -> list[Figure]:
    """Seconds to the first token, one figure a length; and the picture."""
    vocabulary, ours, rng = words(folder), OurEngine(folder, settings), random.Random(0)
    times_s: dict[int, list[float]] = {}
    ours.run(_one_prompt(vocabulary, 512, rng))
    for length in _lengths(settings):
        repeats = settings.repeats if length < _ONCE_FROM else 1
        batches = [_one_prompt(vocabulary, length, rng) for _ in range(repeats)]
        times_s[length] = [ours.run(batch).wall_s for batch in batches]
    ours.close()
    curve = fit(times_s)
    plot(folder.with_name("prefill.png") if settings.is_quick else _PICTURE, times_s, curve)
    return [
        Figure(
            name=f"prefill of {length:,} tokens, nano, alone",
            unit="s",
            ours=seconds,
            note=f"fitted: {curve.words}" if number == 0 else "",
        )
        for number, (length, seconds) in enumerate(times_s.items())
    ]
