"""Tails on a running engine, and what a conversation gains by them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import pytest
import torch
from torch import Tensor

from caesura.engine import (
    Engine,
    EngineConfig,
    Finished,
    LoadedModel,
    LocalClient,
    SequenceRequest,
)
from caesura.engine.loading import build_core
from caesura.engine.tails import Tail
from caesura.messages.content import Conversation, Turn, conversation, text_of, text_turn, thinking_of
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest, Sampling, Thinking
from caesura.messages.response import Message
from caesura.model import Transformer
from caesura.model.attention import Attend
from caesura.tokens.foreign_format import ForeignFormat
from tests.engine.conftest import SMALL
from tests.tokens.foreign_folders import write_tokenizer

PAGE = 32
GREEDY = Sampling(temperature=0.0)
# The tokenizer has no such id, so no reply holds it.
TAIL_ID = 319
TAIL = (TAIL_ID,) * (PAGE * 4)


class WatchedModel(Transformer):
    """Notes what each step computes, and can be held up in a step that computes a tail."""

    def __init__(self, model: Transformer) -> None:
        super().__init__(model.config)
        self.load_state_dict(model.state_dict())
        self.steps: list[set[bool]] = []
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()

    def forward(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        self.steps.append({token == TAIL_ID for token in tokens.tolist()})
        if True in self.steps[-1]:
            self.has_begun.set()
            assert self.may_go_on.wait(20)
        return super().forward(tokens, positions, attend)


def tail_of(*ids: int) -> Tail:
    return Tail(ids=ids, num_known=0, tenant="")


@dataclass
class Watched:
    """An engine and the model that it runs."""

    engine: Engine
    model: WatchedModel

    def groups(self) -> list[tuple[bool, int]]:
        """How many steps in a row computed a tail (True) or replies."""
        kinds = [kind for (kind,) in self.model.steps]
        return [(kind, len(list(run))) for kind, run in groupby(kinds)]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.001)


async def warmed(engine: Engine, num_tokens: int) -> None:
    await until(lambda: engine.stats().num_warmed_tokens == num_tokens)


@pytest.fixture
def watched(loaded: LoadedModel) -> Iterator[Watched]:
    model = WatchedModel(loaded.model).eval()
    core = build_core(replace(loaded, model=model), EngineConfig(num_pages=64))
    engine = Engine(core, num_threads=1, calm_s=0.0)
    yield Watched(engine, model)
    model.may_go_on.set()
    engine.close()


async def replied(engine: Engine, prompt: tuple[int, ...]) -> Finished:
    request = SequenceRequest(prompt=prompt, max_tokens=5, sampling=GREEDY)
    async with asyncio.timeout(20):
        news = [each async for each in engine.submit(request)]
    assert isinstance(news[-1], Finished)
    return news[-1]


async def test_a_request_comes_before_the_rest_of_a_tail_and_never_beside_it(watched: Watched) -> None:
    engine, model = watched.engine, watched.model
    await replied(engine, (20, 21))
    engine.warm(lambda: tail_of(*TAIL))
    assert await asyncio.to_thread(model.has_begun.wait, 20)
    reply = asyncio.create_task(replied(engine, (30, 31)))
    await until(lambda: bool(engine._submissions))
    model.may_go_on.set()
    await reply
    await warmed(watched.engine, len(TAIL))
    assert watched.groups() == [(False, 5), (True, 1), (False, 5), (True, 3)]


async def test_a_tail_waits_until_no_reply_is_left(watched: Watched) -> None:
    model = watched.model
    model.may_go_on.set()
    request = SequenceRequest(prompt=(20, 21), max_tokens=60, sampling=GREEDY)
    stream = watched.engine.submit(request)
    await anext(stream)
    watched.engine.warm(lambda: tail_of(*TAIL))
    assert [each async for each in stream]
    await warmed(watched.engine, len(TAIL))
    assert watched.groups()[1:] == [(True, 4)]


async def test_what_is_computed_ahead_is_counted_apart(watched: Watched) -> None:
    watched.model.may_go_on.set()
    await replied(watched.engine, (20, 21))
    before = watched.engine.stats()
    watched.engine.warm(lambda: tail_of(*TAIL, 5, 5, 5))
    await warmed(watched.engine, len(TAIL))
    await until(lambda: watched.engine.stats().num_used_pages == 0)
    stats = watched.engine.stats()
    assert stats == replace(
        before, num_warmed_tokens=128, num_kept_pages=4, num_free_pages=before.num_free_pages - 4
    )
    finished = await replied(watched.engine, (*TAIL, 40))
    assert finished.usage.cache_read_input_tokens == len(TAIL)
    assert watched.engine.stats().num_prompt_tokens == 2 + len(TAIL) + 1


async def test_closing_ends_a_tail_after_its_page(watched: Watched) -> None:
    engine, model = watched.engine, watched.model
    await replied(engine, (20, 21))
    engine.warm(lambda: tail_of(*TAIL))
    assert await asyncio.to_thread(model.has_begun.wait, 20)
    closing = asyncio.create_task(asyncio.to_thread(engine.close))
    await until(lambda: engine._is_closing)
    model.may_go_on.set()
    await closing
    assert watched.groups() == [(False, 5), (True, 1)]
    assert engine.stats().num_used_pages == 0


async def test_a_tail_that_cannot_be_computed_harms_nobody(
    watched: Watched, loaded: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    beyond_the_embedding = (loaded.model.config.vocab_size + 5,) * PAGE
    watched.model.may_go_on.set()
    await replied(watched.engine, (20, 21))
    watched.engine.warm(lambda: tail_of(*beyond_the_embedding))
    await until(lambda: "could not be computed ahead" in caplog.text)
    await replied(watched.engine, (30, 31))
    stats = watched.engine.stats()
    assert (stats.num_used_pages, stats.num_warmed_tokens) == (0, 0)


# --- a conversation


TALK = conversation(("user", "The answer is what? " * 3), system="Be kind. " * 6)


@pytest.fixture(scope="module")
def qwen(loaded: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A random model with Qwen3's words and template, which leaves former thoughts out."""
    folder = tmp_path_factory.mktemp("qwen3")
    write_tokenizer("qwen3", folder)
    chat_format = ForeignFormat.load(folder)
    model = Transformer(replace(SMALL, vocab_size=-(-chat_format.tokenizer.vocab_size // 64) * 64))
    model.initialise(torch.Generator().manual_seed(7))
    with torch.no_grad():
        model.embed_tokens.weight.mul_(8.0)
    return replace(loaded, model=model.eval(), tokenizer=chat_format.tokenizer, chat_format=chat_format)


@pytest.fixture
async def clients(qwen: LoadedModel, loaded: LoadedModel) -> AsyncIterator[dict[bool, LocalClient]]:
    """One that computes tails, and one that does not."""
    clients = {
        warms: LocalClient(
            {"qwen": qwen, "ours": loaded}, EngineConfig(num_pages=64, num_threads=1, warms_tails=warms)
        )
        for warms in (True, False)
    }
    yield clients
    for client in clients.values():
        client.close()


def request(talk: Conversation, model: str = "qwen") -> MessagesRequest:
    return MessagesRequest(
        model=model,
        conversation=talk,
        max_tokens=150,
        sampling=GREEDY,
        thinking=Thinking(mode="enabled", budget_tokens=30),
        tenant="me",
    )


async def ask(client: LocalClient, talk: Conversation, model: str = "qwen") -> Message:
    return await collect(client.stream(request(talk, model)))


def continued(talk: Conversation, reply: Message, text: str) -> Conversation:
    turns = (*talk.turns, Turn(role="assistant", content=reply.content), text_turn("user", text))
    return replace(talk, turns=turns)


def rendered(qwen: LoadedModel, talk: Conversation) -> tuple[int, ...]:
    return qwen.chat_format.render(talk, opening="think").ids


def num_common(ids: tuple[int, ...], others: tuple[int, ...]) -> int:
    return next(number for number, pair in enumerate(zip(ids, others, strict=False)) if pair[0] != pair[1])


async def test_the_next_turn_finds_the_former_answer(
    qwen: LoadedModel, clients: dict[bool, LocalClient]
) -> None:
    texts: dict[bool, list[str]] = {}
    for warms, client in clients.items():
        stats = client.engine("qwen").stats
        first = await ask(client, TALK)
        assert thinking_of(first.content)
        talk = continued(TALK, first, "And then?")
        num_known = num_common(rendered(qwen, TALK), rendered(qwen, talk))
        num_certain = num_common(rendered(qwen, talk), rendered(qwen, continued(TALK, first, "Why?")))
        assert num_certain - num_known > 2 * PAGE
        num_warmed = (num_certain // PAGE - num_known // PAGE) * PAGE if warms else 0
        await warmed(client.engine("qwen"), num_warmed)
        second = await ask(client, talk)
        at_hand = num_certain if warms else num_known
        assert second.usage.cache_read_input_tokens == at_hand // PAGE * PAGE
        assert stats().num_prompt_tokens == len(rendered(qwen, TALK)) + len(rendered(qwen, talk))
        assert stats().num_cached_tokens == second.usage.cache_read_input_tokens
        texts[warms] = [text_of(each.content) for each in (first, second)]
    assert texts[True] == texts[False]


async def test_a_format_that_only_appends_has_nothing_to_be_computed_ahead(
    clients: dict[bool, LocalClient],
) -> None:
    warms = {
        on: {name: served.warms_tails for name, served in client._served.items()}
        for on, client in clients.items()
    }
    assert warms == {True: {"qwen": True, "ours": False}, False: {"qwen": False, "ours": False}}
    assert (await ask(clients[True], TALK, model="ours")).content
    assert not clients[True].engine("ours")._core.warmer.has_work


async def test_a_reply_that_was_left_is_not_gone_on_with(clients: dict[bool, LocalClient]) -> None:
    stream = clients[True].stream(request(TALK))
    await anext(stream)
    await anext(stream)
    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    assert not clients[True].engine("qwen")._core.warmer.has_work


async def test_closing_the_client_ends_what_is_computed_ahead(clients: dict[bool, LocalClient]) -> None:
    await ask(clients[True], TALK)
    engine = clients[True].engine("qwen")
    await asyncio.to_thread(clients[True].close)
    assert engine._thread is not None
    assert not engine._thread.is_alive()
    assert engine.stats().num_used_pages == 0
