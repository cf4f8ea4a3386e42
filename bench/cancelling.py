"""How many steps pass from a cancellation until the pages are free.

Enters: a folder. Leaves: one figure. That the pages are really free is proved from outside: the next
prompt needs all pages of the pool, and runs without pushing anyone out. Read next: `cache.py`.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from bench.contest import random_prompt, words
from bench.measure import Figure
from bench.settings import Settings
from caesura.engine import Engine, EngineConfig, SequenceRequest, build_engine, load
from caesura.messages.request import Sampling

_NUM_PAGES = 64
_GIVE_UP_S = 60.0
_GREEDY = Sampling(temperature=0.0)


async def _cancel_one(engine: Engine, prompt: tuple[int, ...]) -> int:
    """Steps that were taken after a running stream was closed."""
    room = engine.max_positions - len(prompt)
    stream = engine.submit(SequenceRequest(prompt=prompt, max_tokens=room, sampling=_GREEDY))
    await anext(stream)
    stream.close()
    steps_before = engine.stats().num_steps
    give_up_at_s = time.monotonic() + _GIVE_UP_S
    while engine.stats().num_used_pages:
        if time.monotonic() > give_up_at_s:
            raise RuntimeError(f"a cancelled stream still held pages after {_GIVE_UP_S:.0f} s")
        await asyncio.sleep(0)
    return engine.stats().num_steps - steps_before


def _fill(engine: Engine, prompt: tuple[int, ...]) -> None:
    """Raises RuntimeError if a prompt as long as the pool cannot run at once."""
    num_spills = engine.stats().num_spills
    [completion] = engine.generate([SequenceRequest(prompt=prompt, max_tokens=1, sampling=_GREEDY)])
    if completion.finished.reason != "max_tokens" or engine.stats().num_spills != num_spills:
        raise RuntimeError(f"after a cancellation a prompt of {len(prompt)} tokens found no room")


def measure_cancelling(folder: Path, settings: Settings) -> list[Figure]:
    """Cancel in the middle of decoding, several times."""
    engine = build_engine(load(folder), EngineConfig(num_pages=_NUM_PAGES, num_threads=settings.threads))
    vocabulary, rng = words(folder), random.Random(0)
    steps: list[float] = []
    for _ in range(settings.repeats):
        steps.append(asyncio.run(_cancel_one(engine, random_prompt(rng, vocabulary, 200))))
        _fill(engine, random_prompt(rng, vocabulary, engine.max_positions - 1))
    engine.close()
    limit = Figure(
        name="from a cancellation to free pages",
        unit="steps",
        ours=steps,
        peer="one step",
        peers=[1.0],
        at_most=1.0,
        note="then a prompt as long as the pool ran at once",
    )
    return [limit]
