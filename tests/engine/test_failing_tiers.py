"""Tiers that fail, and a backlog: nobody waits for ever and nothing leaks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence as Items

import pytest

from caesura.engine import EngineConfig, LoadedModel, SequenceRequest, build_engine
from caesura.engine.core import Finished
from caesura.engine.fairness import FairQueue, Waiting
from caesura.engine.phases import PhaseState
from caesura.engine.sequence import Sequence
from caesura.messages.errors import ApiError
from caesura.messages.request import Sampling
from tests.engine.fake_model import FakeTiers

PROMPT = tuple(range(20, 120))


class BrokenTiers(FakeTiers):
    """They cannot be asked while `is_broken`."""

    is_broken = True

    def count(self, keys: Items[bytes]) -> int:
        if self.is_broken:
            raise OSError("the disk is gone")
        return super().count(keys)


def ask(prompt: tuple[int, ...]) -> SequenceRequest:
    return SequenceRequest(prompt=prompt, max_tokens=4, sampling=Sampling(temperature=0.0))


async def test_a_sequence_whose_start_fails_is_told_and_the_engine_goes_on(loaded: LoadedModel) -> None:
    tiers = BrokenTiers()
    engine = build_engine(loaded, EngineConfig(num_pages=64, num_threads=1, tiers=tiers))
    stream = engine.submit(ask(PROMPT))
    async with asyncio.timeout(20):
        with pytest.raises(ApiError):
            await anext(stream)
    stream.close()
    assert engine.stats().num_used_pages == 0
    tiers.is_broken = False
    async with asyncio.timeout(20):
        news = [each async for each in engine.submit(ask(PROMPT))]
    assert isinstance(news[-1], Finished)
    engine.close()


def test_a_backlog_does_not_age_as_a_whole() -> None:
    queue = FairQueue(quantum=2048, max_wait_s=10.0)

    def push(number: int, tenant: str) -> None:
        request = SequenceRequest(prompt=(1,) * 100, max_tokens=1, tenant=tenant)
        sequence = Sequence(
            id=number, request=request, seed=0, ids=[1] * 100, phase=PhaseState("start"), page_size=32
        )
        queue.push(Waiting(sequence=sequence, cost=100))

    for number in range(300):
        push(number, "flood")
    started: list[str] = []
    for second in range(80):
        if second == 12:
            push(300, "small")
        waiting = queue.pick(lambda _: "ready", float(second))
        assert waiting is not None
        started.append(waiting.sequence.request.tenant)
    assert "small" in started[:50]
