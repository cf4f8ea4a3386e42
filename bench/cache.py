"""Time to the first token through HTTP: a long prompt that nobody has seen, and one that was seen.

The long text is a system block with a cache breakpoint; the question after it differs each time. Seen
means: a moment ago, and after a restart, from disk, with the files pushed out of the system's own cache.
The floor is what no cache can beat: reading the prefix's keys and values once, and one decode step.
Enters: a folder. Leaves: figures. Read next: `long_text.py`, `serving.py`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench.long_text import long_body, words_for
from bench.measure import Figure
from bench.serving import NAME, Reply, Server, running
from bench.settings import Settings
from caesura.model import ModelConfig, read_config

# Longer ones take minutes to read and are read once.
_ONCE_FROM = 50_000
_WANTED = {10_000: 50.0, 100_000: 500.0, 199_000: 1000.0}
_WANTED_RESTARTED = {100_000: 200.0}
_WANTED_FLOOR = {100_000: 3.0}
# The last page, and the question, are computed anew.
_MIN_SHARE_READ = 0.9
# Tokens that come within a few hundredths of a second are sent together, so a few tell nothing.
_MIN_STORY_TOKENS = 40
_BANDWIDTH_BYTES = 512_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What was measured for one length, in seconds.

    length: tokens that were wanted. num_prompt: tokens there were.
    uncached, cached, restarted: to the first token, one a repeat.
    """

    length: int
    num_prompt: int
    uncached: list[float]
    cached: list[float]
    restarted: list[float]

    def figures(self, floor_s: float) -> list[Figure]:
        """Cached and restarted beside uncached, and cached beside its floor."""
        prompt = f"a prompt of {self.num_prompt:,} tokens through HTTP"
        once = "uncached was measured once" if len(self.uncached) < len(self.cached) else ""
        uncached = self.uncached
        if len(self.cached) != len(uncached):
            uncached = uncached[:1]
        beside_unseen = partial(Figure, unit="s", peer="not seen", peers=uncached, is_inverse=True, note=once)
        return [
            beside_unseen(
                name=f"first token of {prompt}, seen before",
                ours=self.cached,
                at_least=_WANTED.get(self.length),
            ),
            beside_unseen(
                name=f"the same after a restart, from disk, {self.num_prompt:,} tokens",
                ours=self.restarted,
                at_least=_WANTED_RESTARTED.get(self.length),
            ),
            Figure(
                name=f"first token of {prompt}, seen before, over its floor",
                unit="s",
                ours=self.cached,
                peer="the floor",
                peers=[floor_s],
                at_most=_WANTED_FLOOR.get(self.length),
            ),
        ]


def measure_cache(folder: Path, settings: Settings) -> list[Figure]:
    """Every length, on a server and a cache folder of its own."""
    config, bandwidth = read_config(folder), read_bandwidth()
    figures: list[Figure] = []
    for length in _lengths(settings):
        with running(folder, folder.with_name(f"state-{length}"), settings) as server:
            step_s = _decode_step(server)
            times = _measure(server, length, settings)
        num_bytes = kv_bytes(config, times.num_prompt)
        floor_s = num_bytes / bandwidth + step_s
        floor = Figure(
            name=f"the floor: {num_bytes / 1e6:,.0f} MB of keys and values, and a step",
            unit="s",
            ours=[floor_s],
            note=f"{bandwidth / 1e9:.1f} GB/s read; a step of {step_s * 1e3:.2f} ms",
        )
        figures += [*times.figures(floor_s), floor]
    return figures


def _lengths(settings: Settings) -> list[int]:
    if settings.is_quick:
        return [400]
    return [10_000, 100_000, 199_000] if settings.is_long else [10_000]


def _measure(server: Server, length: int, settings: Settings) -> Times:
    num_words = words_for(server, length)
    num_texts = settings.repeats if length < _ONCE_FROM else 1
    rounds = [long_body(seed, num_words) for seed in range(num_texts)]
    uncached: list[Reply] = []
    for body in rounds:
        uncached.append(_ask(server, body, 0))
        if uncached[-1].num_read > uncached[-1].num_prompt // 2:
            raise RuntimeError("a prompt that nobody has seen was read from the cache; the figure is void")
    # A text's second question is asked at once; with one text, several.
    bodies = rounds if len(rounds) == settings.repeats else rounds * settings.repeats
    cached = [_ask_seen(server, body, 1 + number) for number, body in enumerate(bodies)]
    restarted = [_restarted(server, body, 101 + number) for number, body in enumerate(bodies)]
    return Times(
        length=length,
        num_prompt=uncached[0].num_prompt,
        uncached=[reply.first_s for reply in uncached],
        cached=[reply.first_s for reply in cached],
        restarted=[reply.first_s for reply in restarted],
    )


def _ask(server: Server, body: dict[str, Any], number: int) -> Reply:
    question = {"role": "user", "content": f"Question {number}: what did the hare say?"}
    return server.ask({**body, "messages": [question]})


def _ask_seen(server: Server, body: dict[str, Any], number: int) -> Reply:
    """Raises RuntimeError if the prefix was not there."""
    reply = _ask(server, body, number)
    if reply.num_read < _MIN_SHARE_READ * reply.num_prompt:
        raise RuntimeError(
            f"of {reply.num_prompt:,} tokens only {reply.num_read:,} were read from the cache; "
            "the comparison is void"
        )
    return reply


def _restarted(server: Server, body: dict[str, Any], number: int) -> Reply:
    """Stop, forget what the system has cached of the files, start, warm up with something else, ask."""
    _wait_until_written(server.cache)
    server.stop()
    _forget(server.cache)
    server.start()
    _decode_step(server)
    return _ask_seen(server, body, number)


def _decode_step(server: Server) -> float:
    """Seconds of a decode step with a short prompt. Raises RuntimeError if the reply is too short to tell."""
    question = {"role": "user", "content": "Tell me a long story about a hare and a tortoise."}
    body = {"model": NAME, "max_tokens": 256, "temperature": 0.0, "stream": True, "messages": [question]}
    replies = [server.ask(body) for _ in range(3)]
    if replies[0].num_written < _MIN_STORY_TOKENS:
        raise RuntimeError(f"a story of {replies[0].num_written} tokens is too short to time a step by")
    return min(reply.step_s for reply in replies)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _wait_until_written(folder: Path, *, still_s: float = 1.0) -> None:
    """Until the cache folder has not grown for a while."""
    size, since_s = -1, time.monotonic()
    while time.monotonic() - since_s < still_s:
        now = sum(path.stat().st_size for path in _files(folder))
        if now != size:
            size, since_s = now, time.monotonic()
        time.sleep(0.05)


def _forget(folder: Path) -> None:
    """Push the files out of the system's cache, so that they really come from disk."""
    for path in _files(folder):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def kv_bytes(config: ModelConfig, num_tokens: int) -> int:
    """Keys and values of that many tokens, 16 bits each."""
    return num_tokens * config.num_layers * 2 * config.num_kv_heads * config.head_dim * 2


def read_bandwidth() -> float:
    """Bytes a second that this machine sums, best of five, all processors."""
    values = torch.ones(_BANDWIDTH_BYTES // 4)
    seconds: list[float] = []
    for _ in range(5):
        start_s = time.perf_counter()
        values.sum()
        seconds.append(time.perf_counter() - start_s)
    return _BANDWIDTH_BYTES / min(seconds)
