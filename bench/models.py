"""Decoding with one stream, model by model, beside peers.

Enters: a folder. Leaves: figures. Reading all weights once a token is the limit here, and llama.cpp comes
near it. Read next: `sharing.py`.
"""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

from bench.contest import Contest, OurEngine, beside, hold, output_rate, random_prompt, words
from bench.measure import Figure
from bench.peers.protocol import Batch, Job
from bench.prefill import models
from bench.settings import Settings

_PEERS = ("transformers", "llama.cpp", "vLLM")


def measure_models(folder: Path, settings: Settings) -> list[Figure]:
    """Tokens a second of prompt and output together: what one user waits for."""
    num_prompt, num_new = (16, 8) if settings.is_quick else (128, 128)
    figures: list[Figure] = []
    for name, each in models(folder, settings).items():
        contest = Contest(
            folder=each,
            peers=_PEERS,
            context=num_prompt + num_new + 32,
            streams=1,
            keeps_prefixes=False,
            jobs=partial(_one_stream, words(each), num_prompt, num_new),
            settings=settings,
        )
        ours = OurEngine(each, settings)
        [standing] = hold(contest, ours, output_rate)
        ours.close()
        figures += beside(
            standing, name=f"1 stream of {num_prompt} + {num_new}, {name}, bfloat16", unit="tokens/s"
        )
    return figures


def _one_stream(vocabulary: range, num_prompt: int, num_new: int, rng: random.Random) -> Batch:
    return Batch(jobs=(Job(prompt=random_prompt(rng, vocabulary, num_prompt), num_new=num_new),))
