"""Decoding and prefill: the engine beside `generate` of transformers, same folder, same dtype, greedy.

Enters: a folder. Leaves: figures. Read next: `server.py`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoModelForCausalLM

from bench.contest import native_build
from bench.measure import Figure, interleaved, rate
from caesura.engine import Engine, EngineConfig, SequenceRequest, build_engine, load
from caesura.messages.request import Sampling
from caesura.tokens.markers import MARKERS

PEER = "transformers generate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured.

    repeats: counted rounds. num_prompt, num_new: tokens of each stream. streams: how many at once.
    num_prefill: tokens of the long prompt.
    """

    repeats: int = 5
    num_prompt: int = 128
    num_new: int = 128
    streams: tuple[int, ...] = (1, 8)
    num_prefill: int = 2048


QUICK = Sizes(repeats=1, num_prompt=16, num_new=8, streams=(1, 2), num_prefill=64)


class Contest:
    """One dtype: the engine and the peer, both loaded."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        loaded = load(folder, dtype=dtype)
        self._engine: Engine = build_engine(loaded, EngineConfig(native=native_build()))
        # The peer has a dozen classes for this; none of them is typed.
        self._peer = cast(Any, AutoModelForCausalLM).from_pretrained(folder, dtype=dtype).eval()
        self._peer.generation_config.eos_token_id = None
        self._words = range(len(MARKERS), loaded.tokenizer.vocab_size)
        self.dtype = str(dtype).removeprefix("torch.")

    def close(self) -> None:
        self._engine.close()

    def figure(self, what: str, *, num_prompt: int, num_new: int, streams: int, repeats: int) -> Figure:
        """Tokens a second of both; `what` says which tokens are counted."""
        counted = num_prompt if what == "prefill" else num_new
        ours, peers = interleaved(
            repeats,
            partial(rate, partial(self._run_ours, self._prompts(streams, num_prompt), num_new, counted)),
            partial(rate, partial(self._run_peer, self._prompts(streams, num_prompt), num_new, counted)),
        )
        name = (
            f"{what}, {streams} stream{'s' if streams > 1 else ''} of {num_prompt} + {num_new}, {self.dtype}"
        )
        return Figure(name=name, unit="tokens/s", ours=ours, peer=PEER, peers=peers)

    def _prompts(self, streams: int, num_prompt: int) -> Iterator[list[tuple[int, ...]]]:
        """The prompts of each round: the same for both sides, and new ones, which no cache has seen."""
        rng = random.Random(streams)
        while True:
            yield [tuple(rng.choices(self._words, k=num_prompt)) for _ in range(streams)]

    def _run_ours(self, rounds: Iterator[list[tuple[int, ...]]], num_new: int, counted: int) -> int:
        prompts = next(rounds)
        greedy = Sampling(temperature=0.0)
        requests = [SequenceRequest(prompt=each, max_tokens=num_new, sampling=greedy) for each in prompts]
        for completion in self._engine.generate(requests):
            check_length(len(completion.finished.output), num_new)
        return counted * len(prompts)

    @torch.inference_mode()
    def _run_peer(self, rounds: Iterator[list[tuple[int, ...]]], num_new: int, counted: int) -> int:
        prompts = next(rounds)
        ids = torch.tensor(prompts)
        mask = torch.ones_like(ids)
        written = self._peer.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=num_new)
        check_length(written.shape[1] - ids.shape[1], num_new)
        return counted * len(prompts)


def check_length(written: int, wanted: int) -> None:
    """Both sides must do the same work."""
    if written != wanted:
        raise RuntimeError(f"{written} tokens were written instead of {wanted}; the comparison is void")


def measure_decode(folder: Path, *, is_quick: bool) -> list[Figure]:
    """Decoding in bfloat16 and in the engine's own dtype, where that differs; and prefill."""
    sizes = QUICK if is_quick else Sizes()
    own_dtype = load(folder).model.embed_tokens.weight.dtype
    figures: list[Figure] = []
    for dtype in dict.fromkeys((torch.bfloat16, own_dtype)):
        contest = Contest(folder, dtype)
        for streams in sizes.streams:
            figures.append(
                contest.figure(
                    "decode",
                    num_prompt=sizes.num_prompt,
                    num_new=sizes.num_new,
                    streams=streams,
                    repeats=sizes.repeats,
                )
            )
        figures.append(
            contest.figure(
                "prefill", num_prompt=sizes.num_prefill, num_new=1, streams=1, repeats=sizes.repeats
            )
        )
        contest.close()
    return figures
