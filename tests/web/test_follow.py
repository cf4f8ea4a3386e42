from __future__ import annotations

import asyncio

import pytest

from caesura.messages.content import conversation, text_of, thinking_of
from caesura.messages.errors import AuthenticationError, InvalidRequestError, OverloadedError
from caesura.messages.request import MessagesRequest, Thinking
from caesura.messages.scripted import ScriptedClient, ScriptedReply
from caesura.web.follow import follow
from caesura.web.reply import Reply

REQUEST = MessagesRequest(
    model="scripted",
    conversation=conversation(("user", "Start with 7.")),
    max_tokens=1000,
    thinking=Thinking(mode="enabled", budget_tokens=50),
)
SLOW = ScriptedReply(thinking="one two three four five", text="six seven eight", delay_s=0.03)


async def replies_to(client: ScriptedClient, stop: asyncio.Event | None = None) -> list[Reply]:
    return [reply async for reply in follow(client, REQUEST, stop or asyncio.Event())]


async def test_a_reply_grows_and_ends_done() -> None:
    client = ScriptedClient([SLOW])
    replies = await replies_to(client)
    assert {reply.outcome for reply in replies[:-1]} == {"running"}
    assert any(reply.is_thinking and 0 < reply.thinking_tokens < 5 for reply in replies)
    lengths = [len(thinking_of(reply.blocks)) + len(text_of(reply.blocks)) for reply in replies]
    assert lengths == sorted(lengths)
    last = replies[-1]
    assert last.outcome == "done"
    assert (thinking_of(last.blocks), text_of(last.blocks)) == (SLOW.thinking, SLOW.text)
    assert (last.thinking_tokens, last.answer_tokens, last.budget_tokens) == (5, 3, 50)
    assert last.tokens_per_s is not None
    assert client.num_closed_early == 0


async def test_a_stop_ends_the_reply_at_once_and_keeps_what_was_said() -> None:
    client, stop = ScriptedClient([ScriptedReply(text="word " * 1000, delay_s=0.02)]), asyncio.Event()
    reply = Reply()
    async with asyncio.timeout(5):
        async for reply in follow(client, REQUEST, stop):
            if text_of(reply.blocks):
                stop.set()
    assert reply.outcome == "stopped"
    assert text_of(reply.blocks).startswith("word ")
    assert client.num_closed_early == 1


async def test_a_stop_need_not_wait_for_the_next_event() -> None:
    client, stop = ScriptedClient([ScriptedReply(text="never", pause=asyncio.Event())]), asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stop.set)
    async with asyncio.timeout(5):
        replies = await replies_to(client, stop)
    assert replies[-1].outcome == "stopped"
    assert client.num_closed_early == 1


async def test_what_came_last_is_shown_while_nothing_follows() -> None:
    client, stop = ScriptedClient([ScriptedReply(thinking="one two", text="x", delay_s=0.2)]), asyncio.Event()
    replies = await replies_to(client, stop)
    assert any(reply.outcome == "running" and reply.thinking_tokens == 1 for reply in replies)


async def test_leaving_the_replies_cancels_the_generation() -> None:
    client = ScriptedClient([SLOW])
    replies = follow(client, REQUEST, asyncio.Event())
    await anext(replies)
    await replies.aclose()
    assert client.num_closed_early == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InvalidRequestError("prompt is too long: 9 tokens > 8 maximum"), "prompt is too long"),
        (AuthenticationError("invalid x-api-key"), "wants an API key"),
        (OverloadedError("Overloaded"), "try again"),
        (RuntimeError("a bug"), "RuntimeError"),
    ],
)
async def test_an_error_becomes_the_last_reply(error: Exception, words: str) -> None:
    (reply,) = await replies_to(ScriptedClient([error]))
    assert reply.outcome == "failed"
    assert words in reply.error


async def test_an_error_on_the_way_keeps_what_was_said() -> None:
    client = ScriptedClient([ScriptedReply(text="half of", error=OverloadedError("Overloaded"))])
    reply = (await replies_to(client))[-1]
    assert (reply.outcome, text_of(reply.blocks)) == ("failed", "half of")
