"""Prompts that begin alike: streams that share a long prefix, and samples of one prompt.

The peers' own prompt caches are on. Enters: a folder. Leaves: figures. Read next: `fairness.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.contest import BEST, Contest, OurEngine, beside, hold, output_rate, random_prompt, words
from bench.measure import Figure
from bench.model_folder import llama_folder
from bench.peers.protocol import Batch, Job
from bench.settings import Settings

_PEERS = ("llama.cpp", "vLLM")
_NUM_STREAMS = 8
_NUM_SAMPLES = 16
_NUM_QUESTION = 32

_Jobs = Callable[[random.Random], Batch]


def measure_streams(folder: Path, settings: Settings) -> list[Figure]:
    """Eight questions about one text that everyone has seen: written tokens a second, all together."""
    num_prefix, num_new = (96, 8) if settings.is_quick else (2000, 64)
    return _compare(
        f"{_NUM_STREAMS} streams of {num_new} that share {num_prefix:,} tokens",
        folder,
        settings,
        jobs=lambda vocabulary: partial(
            _questions, random_prompt(random.Random(-1), vocabulary, num_prefix), vocabulary, num_new
        ),
        context=num_prefix + _NUM_QUESTION + num_new + 32,
        streams=_NUM_STREAMS,
        at_least=1.0,
    )


def measure_samples(folder: Path, settings: Settings) -> list[Figure]:
    """Sixteen samples of a new prompt each round, at temperature 1; for peers, sixteen requests."""
    num_prompt, num_new = (96, 8) if settings.is_quick else (2000, 64)
    return _compare(
        f"{_NUM_SAMPLES} samples of {num_new} after one prompt of {num_prompt:,}",
        folder,
        settings,
        jobs=lambda vocabulary: partial(_samples, vocabulary, num_prompt, num_new),
        context=num_prompt + num_new + 32,
        streams=_NUM_SAMPLES,
        at_least=2.0,
    )


def _questions(prefix: tuple[int, ...], vocabulary: range, num_new: int, rng: random.Random) -> Batch:
    prompts = [prefix + random_prompt(rng, vocabulary, _NUM_QUESTION) for _ in range(_NUM_STREAMS)]
    return Batch(jobs=tuple(Job(prompt=prompt, num_new=num_new) for prompt in prompts))


def _samples(vocabulary: range, num_prompt: int, num_new: int, rng: random.Random) -> Batch:
    job = Job(prompt=random_prompt(rng, vocabulary, num_prompt), num_new=num_new)
    return Batch(jobs=(job,) * _NUM_SAMPLES, temperature=1.0)


def _compare(
    name: str,
    folder: Path,
    settings: Settings,
    *,
    jobs: Callable[[range], _Jobs],
    context: int,
    streams: int,
    at_least: float,
) -> list[Figure]:
    """nano, and the Llama shape at which the peers are at their best."""
    shape = "5M" if settings.is_quick else "27M"
    folders = {
        "nano": folder,
        shape: llama_folder(shape, folder.with_name(shape), is_quick=settings.is_quick),
    }
    figures: list[Figure] = []
    for model, each in folders.items():
        contest = Contest(
            folder=each,
            peers=_PEERS,
            context=context,
            streams=streams,
            keeps_prefixes=True,
            jobs=jobs(words(each)),
            settings=settings,
        )
        ours = OurEngine(each, settings)
        [standing] = hold(contest, ours, output_rate)
        ours.close()
        figures += beside(standing, name=f"{name}, {model}", unit="tokens/s", at_least={BEST: at_least})
    return figures
