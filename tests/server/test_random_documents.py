"""Whatever documents a request has, it is answered or refused, and never fails."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings

from caesura.messages.scripted import ScriptedReply
from tests.server.test_random_bodies import TEXT, changed, statuses

ON = {"enabled": True}
PLAIN: dict[str, Any] = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "One. Two."},
    "title": "t",
    "context": "c",
    "citations": ON,
    "cache_control": {"type": "ephemeral"},
}
PARTS: dict[str, Any] = {
    "type": "document",
    "source": {"type": "content", "content": [TEXT, TEXT]},
    "citations": ON,
}
FOUND: dict[str, Any] = {
    "type": "search_result",
    "source": "s",
    "title": "t",
    "content": [TEXT, TEXT],
    "citations": ON,
}
CITATION: dict[str, Any] = {
    "type": "char_location",
    "cited_text": "One.",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 4,
}
CALL: dict[str, Any] = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
BODY: dict[str, Any] = {
    "model": "scripted",
    "max_tokens": 50,
    "messages": [
        {"role": "user", "content": [PLAIN, PARTS, FOUND, TEXT]},
        {"role": "assistant", "content": [TEXT, {**TEXT, "citations": [CITATION]}, CALL]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [PLAIN, FOUND]}],
        },
    ],
}
REPLY = ScriptedReply(text="so <cite 0:0,2:1>it</cite> is <cite 9:9>x</cite> <cite 1:0>so")


async def test_the_body_that_is_changed_is_good() -> None:
    assert await statuses(BODY, REPLY) == [200, 200, 200]


@settings(max_examples=150, deadline=None)
@given(changed(BODY))
def test_whatever_is_sent_is_answered_or_refused(body: dict[str, Any]) -> None:
    assert set(asyncio.run(statuses(body, REPLY))) <= {200, 400, 404}
