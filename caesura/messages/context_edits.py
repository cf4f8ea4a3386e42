"""Old results and old thoughts cleared out of a conversation.

Everything here is decided anew from the whole conversation at each request, so nothing is remembered between
requests, and clearing what is cleared changes nothing. Calls and results stay paired and in their order: only
what they hold gives way to a placeholder. The first description of each tool that was searched for stays,
since the model must have read of what it may call, and sources leave their places (`cleared_sources.py`). A
cleared place is read in other words than before, so what the prompt cache has of the prompt ends there;
`min_cleared_tokens` makes that worth while.

Enters: a Conversation, edits, and something that counts a prompt's tokens. Leaves: a Conversation and what
was done to it. Read next: `context_client.py`, which asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from caesura.messages.cleared_sources import places_in
from caesura.messages.content import (
    Block,
    Conversation,
    RedactedThinkingBlock,
    ResultPart,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    merge_turns,
)
from caesura.messages.context_management import (
    AppliedEdit,
    ContextEdit,
    ThinkingClearing,
    ToolUseClearing,
    Trigger,
    clear_trigger_tokens,
)
from caesura.messages.tool_lines import FoundTools

CLEARED_RESULT = "[An old result of this tool was cleared to save room.]"
_CLEARED_CONTENT = (TextBlock(text=CLEARED_RESULT),)

Count = Callable[[Conversation], Awaitable[int]]


class Cleared(NamedTuple):
    """A conversation after an edit, and how many calls, or turns with thoughts, were cleared in it."""

    conversation: Conversation
    num_cleared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A conversation after all edits.

    conversation: what the model reads.
    applied: what was done, in the order of the edits.
    num_tokens: of the prompt; None where it did not have to be counted.
    """

    conversation: Conversation
    applied: tuple[AppliedEdit, ...]
    num_tokens: int | None


async def apply_edits(
    conversation: Conversation, edits: Sequence[ContextEdit], count: Count, *, window: int
) -> Edited:
    """Clear what the edits ask for; summaries are not written here. window: of the model, in tokens."""
    edited = Edited(conversation=conversation, applied=(), num_tokens=None)
    for edit in edits:
        match edit:
            case ThinkingClearing():
                edited = await _with_thoughts_cleared(edited, edit, count)
            case ToolUseClearing():
                edited = await _with_results_cleared(edited, edit, count, window)
            case _:
                pass
    return edited


async def _with_thoughts_cleared(edited: Edited, edit: ThinkingClearing, count: Count) -> Edited:
    cleared = clear_thinking(edited.conversation, edit)
    if not cleared.num_cleared:
        return edited
    before = await _counted(edited, count)
    after = await count(cleared.conversation)
    applied = AppliedEdit(
        type="clear_thinking_20251015",
        num_cleared=cleared.num_cleared,
        num_cleared_tokens=max(0, before - after),
    )
    return Edited(conversation=cleared.conversation, applied=(*edited.applied, applied), num_tokens=after)


async def _with_results_cleared(edited: Edited, edit: ToolUseClearing, count: Count, window: int) -> Edited:
    cleared = clear_tool_uses(edited.conversation, edit)
    trigger = edit.trigger or Trigger(kind="input_tokens", value=clear_trigger_tokens(window))
    if not cleared.num_cleared:
        return edited
    if trigger.kind == "tool_uses" and len(_calls(edited.conversation)) <= trigger.value:
        return edited
    before = await _counted(edited, count)
    edited = replace(edited, num_tokens=before)
    if trigger.kind == "input_tokens" and before <= trigger.value:
        return edited
    after = await count(cleared.conversation)
    # A placeholder may be longer than the result, and then nothing is gained.
    if before - after < max(1, edit.min_cleared_tokens):
        return edited
    applied = AppliedEdit(
        type="clear_tool_uses_20250919",
        num_cleared=cleared.num_cleared,
        num_cleared_tokens=before - after,
    )
    return Edited(conversation=cleared.conversation, applied=(*edited.applied, applied), num_tokens=after)


async def _counted(edited: Edited, count: Count) -> int:
    return await count(edited.conversation) if edited.num_tokens is None else edited.num_tokens


def _calls(conversation: Conversation) -> list[ToolUseBlock]:
    blocks = [block for turn in conversation.turns for block in turn.content]
    return [block for block in blocks if isinstance(block, ToolUseBlock)]


def clear_tool_uses(conversation: Conversation, edit: ToolUseClearing) -> Cleared:
    """The conversation without what all calls but the latest gave back, whatever the trigger says."""
    calls = _calls(conversation)
    old = calls[: max(0, len(calls) - edit.num_kept)]
    names = {call.id: call.name for call in old if call.name not in edit.excluded_tools}
    found = FoundTools(conversation.tools)
    changed: set[str] = set()
    turns: list[Turn] = []
    for turn in conversation.turns:
        content = tuple(_cleared(block, names, edit, found) for block in turn.content)
        changed.update(
            _call_id(before) for before, after in zip(turn.content, content, strict=True) if before != after
        )
        turns.append(replace(turn, content=content))
    return Cleared(replace(conversation, turns=tuple(turns)), len(changed))


def _cleared(block: Block, names: dict[str, str], edit: ToolUseClearing, found: FoundTools) -> Block:
    """names: of the calls to clear, by id. found: the tools that results before this block have described."""
    match block:
        case ToolResultBlock():
            described = found.described_in(block.content)
            return _without_result(block, described) if block.tool_use_id in names else block
        case ToolUseBlock() if block.id in names and _clears_input(block.name, edit):
            return replace(block, input={})
        case _:
            return block


def _without_result(block: ToolResultBlock, kept: Sequence[TextBlock]) -> ToolResultBlock:
    """kept: those of its parts that stay."""
    # An empty result has nothing to clear, and the placeholder would be longer.
    if len(kept) == len(block.content):
        return block
    content: tuple[ResultPart, ...] = (*kept, *_CLEARED_CONTENT, *places_in(block.content))
    return replace(block, content=content)


def _clears_input(name: str, edit: ToolUseClearing) -> bool:
    return edit.clears_inputs if isinstance(edit.clears_inputs, bool) else name in edit.clears_inputs


def _call_id(block: Block) -> str:
    match block:
        case ToolUseBlock():
            return block.id
        case ToolResultBlock():
            return block.tool_use_id
        case _:
            raise AssertionError("only calls and results are cleared")


def clear_thinking(conversation: Conversation, edit: ThinkingClearing) -> Cleared:
    """The conversation without the thoughts of all but the latest turns.

    A turn begins where the user says something, so a loop of calls is one, and its thoughts stay together.
    A message that was nothing but thought goes, and its neighbours become one.
    """
    if edit.num_kept_turns is None:
        return Cleared(conversation, 0)
    numbers = list(_turn_numbers(conversation.turns))
    spoken = {number for number, turn in zip(numbers, conversation.turns, strict=True) if _speaks(turn)}
    old = set(sorted(spoken)[: -edit.num_kept_turns])
    turns: list[Turn] = []
    cleared: set[int] = set()
    for number, turn in zip(numbers, conversation.turns, strict=True):
        if number not in old or not _thinks(turn):
            turns.append(turn)
            continue
        cleared.add(number)
        turns.append(replace(turn, content=tuple(block for block in turn.content if not _is_thought(block))))
    kept = merge_turns(turn for turn in turns if turn.content)
    return Cleared(replace(conversation, turns=kept), len(cleared))


def _turn_numbers(turns: Sequence[Turn]) -> Iterator[int]:
    """Of which turn each message is a part."""
    number = 0
    for turn in turns:
        number += turn.role == "user" and not _is_results(turn)
        yield number


def _is_results(turn: Turn) -> bool:
    return all(isinstance(block, ToolResultBlock) for block in turn.content)


def _is_thought(block: Block) -> bool:
    return isinstance(block, ThinkingBlock | RedactedThinkingBlock)


def _thinks(turn: Turn) -> bool:
    return any(map(_is_thought, turn.content))


def _speaks(turn: Turn) -> bool:
    return turn.role == "assistant"
