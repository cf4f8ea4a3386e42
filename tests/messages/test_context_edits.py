"""Clearing: what goes, what stays, what is counted."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.content import (
    CacheControl,
    Conversation,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from caesura.messages.context_edits import CLEARED_RESULT, apply_edits, clear_thinking, clear_tool_uses
from caesura.messages.context_management import (
    AppliedEdit,
    ContextEdit,
    ThinkingClearing,
    ToolUseClearing,
    Trigger,
)
from caesura.messages.request import MessagesRequest
from caesura.messages.scripted import prompt_length

WINDOW = 200_000
LONG = "word " * 30


def user(*blocks: Any) -> Turn:
    return Turn(role="user", content=tuple(TextBlock(text=b) if isinstance(b, str) else b for b in blocks))


def assistant(*blocks: Any) -> Turn:
    return Turn(role="assistant", content=user(*blocks).content)


def call(number: int, name: str = "look") -> ToolUseBlock:
    return ToolUseBlock(id=f"c{number}", name=name, input={"q": number})


def result(number: int, text: str = LONG) -> ToolResultBlock:
    return ToolResultBlock(tool_use_id=f"c{number}", content=(TextBlock(text=text),) if text else ())


def thought(text: str) -> ThinkingBlock:
    return ThinkingBlock(thinking=text, signature="s")


def loop(num_calls: int, names: str = "look") -> Conversation:
    """A question, then one call after the other."""
    turns = [user("Do it.")]
    for number in range(num_calls):
        name = names.split()[number % len(names.split())]
        turns += [assistant(thought(f"t{number}"), call(number, name)), user(result(number))]
    return Conversation(turns=tuple(turns))


async def count(conversation: Conversation) -> int:
    return prompt_length(MessagesRequest(model="m", conversation=conversation, max_tokens=1))


def cleared_ids(conversation: Conversation) -> list[str]:
    blocks = [block for turn in conversation.turns for block in turn.content]
    return [
        block.tool_use_id
        for block in blocks
        if isinstance(block, ToolResultBlock) and block.content == (TextBlock(text=CLEARED_RESULT),)
    ]


def test_all_but_the_latest_results_are_cleared() -> None:
    cleared = clear_tool_uses(loop(5), ToolUseClearing(num_kept=3))
    assert cleared.num_cleared == 2
    assert cleared_ids(cleared.conversation) == ["c0", "c1"]


def test_tools_that_are_excluded_keep_their_results() -> None:
    edit = ToolUseClearing(num_kept=1, excluded_tools=("find",))
    cleared = clear_tool_uses(loop(5, "look find"), edit)
    assert cleared_ids(cleared.conversation) == ["c0", "c2"]


def test_inputs_stay_unless_they_are_to_go() -> None:
    kept = clear_tool_uses(loop(2), ToolUseClearing(num_kept=0)).conversation
    assert kept.turns[1] == loop(2).turns[1]
    all_gone = clear_tool_uses(loop(2, "look find"), ToolUseClearing(num_kept=0, clears_inputs=True))
    some = ToolUseClearing(num_kept=0, clears_inputs=("find",))
    some_gone = clear_tool_uses(loop(2, "look find"), some)
    inputs = [
        [dict(block.input) for turn in each.conversation.turns for block in turn.content
         if isinstance(block, ToolUseBlock)]
        for each in (all_gone, some_gone)
    ]  # fmt: skip
    assert inputs == [[{}, {}], [{"q": 0}, {}]]
    assert all_gone.num_cleared == some_gone.num_cleared == 2


def test_breakpoints_survive_the_clearing() -> None:
    marked = ToolResultBlock(
        tool_use_id="c0", content=(TextBlock(text=LONG),), cache_control=CacheControl(), is_error=True
    )
    conversation = Conversation(turns=(user("Hi"), assistant(call(0)), user(marked)))
    (block,) = clear_tool_uses(conversation, ToolUseClearing(num_kept=0)).conversation.turns[2].content
    assert isinstance(block, ToolResultBlock)
    assert (block.cache_control, block.is_error) == (CacheControl(), True)


def test_a_loop_of_calls_keeps_its_thoughts_together() -> None:
    turns = (
        *loop(2).turns,
        assistant(thought("t2"), "Done."),
        user("More."),
        assistant(thought("t3"), "Ok."),
    )
    cleared = clear_thinking(Conversation(turns=(*turns, user("And?"))), ThinkingClearing(num_kept_turns=1))
    left = [
        block.thinking
        for turn in cleared.conversation.turns
        for block in turn.content
        if isinstance(block, ThinkingBlock)
    ]
    assert (left, cleared.num_cleared) == (["t3"], 1)
    both = clear_thinking(Conversation(turns=(*turns, user("And?"))), ThinkingClearing(num_kept_turns=2))
    assert both.num_cleared == 0


def test_the_loop_that_goes_on_keeps_its_thoughts() -> None:
    assert clear_thinking(loop(3), ThinkingClearing(num_kept_turns=1)).num_cleared == 0


def test_a_message_that_was_nothing_but_thought_goes() -> None:
    turns = (user("a"), assistant(thought("t")), user("b"), assistant(thought("u"), "x"), user("c"))
    cleared = clear_thinking(Conversation(turns=turns), ThinkingClearing(num_kept_turns=1))
    assert [turn.role for turn in cleared.conversation.turns] == ["user", "assistant", "user"]
    assert cleared.num_cleared == 1


async def applied(conversation: Conversation, *edits: ContextEdit, window: int = WINDOW) -> tuple[Any, ...]:
    return (await apply_edits(conversation, edits, count, window=window)).applied


async def test_what_was_cleared_is_counted_exactly() -> None:
    edit = ToolUseClearing(num_kept=3, trigger=Trigger(kind="tool_uses", value=4))
    edited = await apply_edits(loop(5), [edit], count, window=WINDOW)
    before, after = await count(loop(5)), await count(edited.conversation)
    assert edited.applied == (
        AppliedEdit(type="clear_tool_uses_20250919", num_cleared=2, num_cleared_tokens=before - after),
    )
    assert edited.num_tokens == after
    assert before - after == 2 * (30 - len(CLEARED_RESULT.split()))


async def test_nothing_is_cleared_below_the_trigger() -> None:
    uses = ToolUseClearing(num_kept=1, trigger=Trigger(kind="tool_uses", value=5))
    assert not await applied(loop(5), uses)
    assert await applied(loop(6), uses)
    length = await count(loop(5))
    assert not await applied(
        loop(5), ToolUseClearing(num_kept=1, trigger=Trigger(kind="input_tokens", value=length))
    )
    assert await applied(
        loop(5), ToolUseClearing(num_kept=1, trigger=Trigger(kind="input_tokens", value=length - 1))
    )


async def test_without_a_trigger_half_a_small_window_is_one() -> None:
    length = await count(loop(5))
    assert not await applied(loop(5), ToolUseClearing(num_kept=1), window=2 * length)
    assert await applied(loop(5), ToolUseClearing(num_kept=1), window=2 * length - 2)


async def test_less_than_asked_for_is_not_cleared_at_all() -> None:
    trigger = Trigger(kind="tool_uses", value=1)
    saved = 4 * (30 - len(CLEARED_RESULT.split()))
    least = ToolUseClearing(num_kept=1, trigger=trigger, min_cleared_tokens=saved)
    assert await applied(loop(5), least)
    more = ToolUseClearing(num_kept=1, trigger=trigger, min_cleared_tokens=saved + 1)
    edited = await apply_edits(loop(5), [more], count, window=WINDOW)
    assert (edited.conversation, edited.applied) == (loop(5), ())


async def test_results_that_are_shorter_than_the_placeholder_stay() -> None:
    turns = (user("Hi"), assistant(call(0)), user(result(0, "4")), assistant("4."), user("Ok"))
    edit = ToolUseClearing(num_kept=0, trigger=Trigger(kind="input_tokens", value=1))
    assert not await applied(Conversation(turns=turns), edit)


async def test_edits_are_applied_in_their_order() -> None:
    turns = (*loop(4).turns, assistant("Done."), user("More."), assistant(thought("u"), "Ok."), user("And?"))
    edits = (
        ThinkingClearing(num_kept_turns=1),
        ToolUseClearing(num_kept=1, trigger=Trigger(kind="tool_uses", value=1)),
    )
    edited = await apply_edits(Conversation(turns=turns), edits, count, window=WINDOW)
    assert [each.type for each in edited.applied] == ["clear_thinking_20251015", "clear_tool_uses_20250919"]
    saved = sum(each.num_cleared_tokens for each in edited.applied)
    assert saved == await count(Conversation(turns=turns)) - await count(edited.conversation)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Questions, thoughts, answers, calls and their results, as the rules of requests allow."""
    turns: list[Turn] = []
    number = 0
    for _ in range(draw(st.integers(1, 5))):
        turns.append(user("Do it."))
        for _ in range(draw(st.integers(0, 3))):
            blocks: list[Any] = [thought("hm")] if draw(st.booleans()) else []
            calls = [
                call(number + at, draw(st.sampled_from(["look", "find"])))
                for at in range(draw(st.integers(1, 2)))
            ]
            number += len(calls)
            turns.append(assistant(*blocks, *calls))
            sizes = [draw(st.sampled_from(["", "short", LONG])) for _ in calls]
            turns.append(
                user(*(result(int(each.id[1:]), size) for each, size in zip(calls, sizes, strict=True)))
            )
        answer: list[Any] = [thought("ha")] if draw(st.booleans()) else []
        turns.append(assistant(*answer, *(["Done."] if not answer or draw(st.booleans()) else [])))
    turns.append(user("And now?"))
    return Conversation(turns=tuple(turns))


EDITS = st.one_of(
    st.builds(ThinkingClearing, num_kept_turns=st.one_of(st.none(), st.integers(1, 4))),
    st.builds(
        ToolUseClearing,
        trigger=st.one_of(
            st.none(),
            st.builds(Trigger, kind=st.sampled_from(["input_tokens", "tool_uses"]), value=st.integers(1, 60)),
        ),
        num_kept=st.integers(0, 5),
        min_cleared_tokens=st.integers(0, 80),
        excluded_tools=st.sampled_from([(), ("look",)]),
        clears_inputs=st.sampled_from([False, True, ("find",)]),
    ),
)


def skeleton(conversation: Conversation) -> list[tuple[str, str]]:
    """Calls, results and texts in their order, without what calls and results hold."""
    found: list[tuple[str, str]] = []
    for turn in conversation.turns:
        for block in turn.content:
            match block:
                case ToolUseBlock():
                    found.append(("call", block.id))
                case ToolResultBlock():
                    found.append(("result", block.tool_use_id))
                case TextBlock():
                    found.append((turn.role, block.text))
                case _:
                    pass
    return found


def is_paired(conversation: Conversation) -> bool:
    """Whether each turn's calls are answered first in the next turn, one by one."""
    turns = conversation.turns
    for at, turn in enumerate(turns):
        asked = [block.id for block in turn.content if isinstance(block, ToolUseBlock)]
        after = turns[at + 1].content if at + 1 < len(turns) else ()
        answered = [block.tool_use_id for block in after[: len(asked)] if isinstance(block, ToolResultBlock)]
        if asked != answered:
            return False
    return True


@given(conversations(), st.lists(EDITS, max_size=3))
@settings(max_examples=150, deadline=None)
async def test_edits_keep_pairs_and_order_and_count_what_they_do(
    conversation: Conversation, edits: list[ContextEdit]
) -> None:
    edited = await apply_edits(conversation, edits, count, window=120)
    assert is_paired(edited.conversation)
    assert skeleton(edited.conversation) == skeleton(conversation)
    roles = [turn.role for turn in edited.conversation.turns]
    assert all(one != other for one, other in pairwise(roles))
    saved = sum(each.num_cleared_tokens for each in edited.applied)
    before, after = await count(conversation), await count(edited.conversation)
    assert edited.num_tokens in (None, after)
    assert saved == before - after
    assert bool(edited.applied) == (edited.conversation != conversation)


@given(conversations(), EDITS)
@settings(max_examples=150, deadline=None)
async def test_what_is_cleared_is_not_cleared_again(conversation: Conversation, edit: ContextEdit) -> None:
    once = await apply_edits(conversation, [edit], count, window=120)
    if not once.applied:
        return
    twice = await apply_edits(once.conversation, [edit], count, window=120)
    assert twice.conversation == once.conversation
    assert not twice.applied
