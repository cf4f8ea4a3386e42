"""A request is told where it parts from an earlier one, and from nobody else's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caesura.messages.content import (
    Block,
    CacheControl,
    Conversation,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    conversation,
    text_turn,
)
from caesura.messages.fingerprints import Fingerprints
from caesura.messages.request import Diagnostics, MessagesRequest, Thinking
from caesura.messages.response import CacheMiss

SYSTEM = "x" * 500
ASKED = conversation(("user", "a" * 300), ("assistant", "b" * 100), ("user", "c" * 100), system=SYSTEM)
IDS = tuple(range(1000))
NOT_FOUND = CacheMiss(reason="previous_message_not_found")


def request(
    talk: Conversation = ASKED, previous: str | None = None, *, model: str = "m", tenant: str = ""
) -> MessagesRequest:
    return MessagesRequest(
        model=model,
        conversation=talk,
        max_tokens=9,
        diagnostics=Diagnostics(previous_message_id=previous),
        tenant=tenant,
    )


def after(
    later: MessagesRequest, earlier: MessagesRequest | None = None, ids: tuple[int, ...] = IDS
) -> CacheMiss | None:
    """What a request is told that names an earlier one."""
    prints = Fingerprints()
    assert prints.diagnose(earlier or request(), IDS, "first") is None
    return prints.diagnose(replace(later, diagnostics=Diagnostics(previous_message_id="first")), ids, "then")


def grown(*more: Turn, talk: Conversation = ASKED) -> Conversation:
    return replace(talk, turns=(*talk.turns, *more))


def test_a_conversation_that_goes_on_has_not_parted() -> None:
    talk = grown(text_turn("assistant", "d"), text_turn("user", "e"))
    assert after(request(talk), ids=(*IDS, 7, 8)) is None
    assert after(request()) is None


def test_a_conversation_that_goes_back_has_not_parted_either() -> None:
    assert after(request(replace(ASKED, turns=ASKED.turns[:1])), ids=IDS[:800]) is None


def test_marks_are_no_change() -> None:
    marked = TextBlock(text=SYSTEM, cache_control=CacheControl(ttl="1h"))
    assert after(request(replace(ASKED, system=(marked,)))) is None


def test_another_model_misses_everything() -> None:
    assert after(request(model="n")) == CacheMiss(reason="model_changed", num_missed_tokens=1000)


@pytest.mark.parametrize("system", [(), (TextBlock(text="y"),), (TextBlock(text="y" * 500),)])
def test_another_system_prompt_misses_all_that_comes_after(system: tuple[TextBlock, ...]) -> None:
    missed = after(request(replace(ASKED, system=system)))
    assert missed == CacheMiss(reason="system_changed", num_missed_tokens=1000)


def test_a_longer_system_prompt_keeps_its_beginning() -> None:
    system = (TextBlock(text=SYSTEM), TextBlock(text="more"))
    missed = after(request(replace(ASKED, system=system)))
    assert missed == CacheMiss(reason="system_changed", num_missed_tokens=500)


TOOL = Tool(name="add", input_schema={"type": "object"}, description="x" * 470)


@pytest.mark.parametrize(
    "tools",
    [
        (),
        (TOOL, TOOL),
        (replace(TOOL, name="sub"),),
        (replace(TOOL, description="y"),),
        (replace(TOOL, input_schema={"type": "object", "required": ["a"]}),),
    ],
)
def test_other_tools_are_told_before_all_else(tools: tuple[Tool, ...]) -> None:
    earlier = request(replace(ASKED, tools=(TOOL,)))
    missed = after(request(conversation(("user", "other"), system="other")), earlier)
    assert missed == CacheMiss(reason="tools_changed", num_missed_tokens=1000)
    missed = after(request(replace(ASKED, tools=tools)), earlier)
    assert missed is not None
    assert missed.reason == "tools_changed"
    assert missed.num_missed_tokens == (667 if len(tools) == 2 else 1000)


def test_marks_on_tools_are_no_change() -> None:
    marked = replace(TOOL, cache_control=CacheControl())
    assert after(request(replace(ASKED, tools=(marked,))), request(replace(ASKED, tools=(TOOL,)))) is None


CALL = ToolUseBlock(id="a", name="add", input={"a": 1})
RESULT = ToolResultBlock(tool_use_id="a", content=(TextBlock(text="2"),))
PICTURE = ImageBlock(media_type="image/png", data=b"one")


@pytest.mark.parametrize(
    ("block", "other"),
    [
        (CALL, replace(CALL, name="sub")),
        (CALL, replace(CALL, input={"a": 2})),
        (RESULT, replace(RESULT, is_error=True)),
        (RESULT, replace(RESULT, content=())),
        (RESULT, replace(RESULT, content=(TextBlock(text="3"),))),
        (RESULT, replace(RESULT, content=(PICTURE,))),
        (PICTURE, replace(PICTURE, data=b"two")),
    ],
)
def test_a_call_a_result_or_a_picture_that_differs_is_a_change(block: Block, other: Block) -> None:
    def ending(last: Block) -> MessagesRequest:
        return request(grown(Turn(role="user", content=(last,))))

    assert after(ending(block), ending(block)) is None
    missed = after(ending(other), ending(block))
    assert missed is not None
    assert missed.reason == "messages_changed"


def test_the_first_message_that_differs_counts() -> None:
    turns = (ASKED.turns[0], text_turn("assistant", "other"), ASKED.turns[2])
    missed = after(request(replace(ASKED, turns=turns)))
    assert missed == CacheMiss(reason="messages_changed", num_missed_tokens=200)


def test_a_role_that_differs_is_a_change() -> None:
    turns = (*ASKED.turns[:2], text_turn("system", "c" * 100))
    missed = after(request(replace(ASKED, turns=turns)))
    assert missed == CacheMiss(reason="messages_changed", num_missed_tokens=100)


def test_a_thought_that_is_left_out_is_a_change() -> None:
    thought = Turn(role="assistant", content=(ThinkingBlock(thinking="hm"), TextBlock(text="b")))
    earlier = request(grown(thought, text_turn("user", "d")))
    bare = grown(Turn(role="assistant", content=thought.content[1:]), text_turn("user", "d"))
    missed = after(request(bare), earlier)
    assert missed is not None
    assert missed.reason == "messages_changed"


def test_the_earliest_change_is_told() -> None:
    talk = conversation(("user", "other"), system="other")
    missed = after(request(talk))
    assert missed is not None
    assert missed.reason == "system_changed"


def test_a_prompt_that_is_written_otherwise_for_another_reason_cannot_be_explained() -> None:
    later = replace(request(), thinking=Thinking(mode="adaptive"))
    assert after(later, ids=(7, *IDS)) == CacheMiss(reason="unavailable")
    assert after(later, ids=(*IDS[:950], 7)) is None, "how the reply opens is no change"


def test_nothing_is_told_to_those_who_do_not_ask() -> None:
    prints = Fingerprints()
    silent = replace(request(), diagnostics=None)
    assert prints.diagnose(silent, IDS, "first") is None
    assert prints.diagnose(request(previous="first"), IDS, "then") == NOT_FOUND


def test_a_tenant_cannot_ask_about_another_ones_prompt() -> None:
    prints = Fingerprints()
    prints.diagnose(request(tenant="a"), IDS, "first")
    assert prints.diagnose(request(previous="first", tenant="b"), IDS, "then") == NOT_FOUND
    assert prints.diagnose(request(previous="first", tenant="a"), IDS, "then") is None


def test_old_fingerprints_are_forgotten() -> None:
    prints = Fingerprints(max_bytes=10_000)
    for number in range(40):
        prints.diagnose(request(), IDS, f"msg_{number}")
    assert prints.diagnose(request(previous="msg_0"), IDS, "then") == NOT_FOUND
    assert prints.diagnose(request(previous="msg_39"), IDS, "then") is None
