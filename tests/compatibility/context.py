"""Rows: edits of long conversations, summaries. Enters: nothing. Leaves: `Row`s. Read next:
`page.py`.
"""

from __future__ import annotations

from typing import Any

from caesura.messages.content import text_of
from tests.compatibility.parameters import HI, TOOL
from tests.compatibility.probe import (
    BODY,
    Answer,
    Check,
    Judge,
    Probe,
    Row,
    field,
    verdict,
)

Json = dict[str, Any]
RESULT = "word " * 30


def _looks(num_calls: int) -> list[Any]:
    """A conversation in which the model has called its tool."""
    turns: list[Any] = [HI]
    for number in range(num_calls):
        use = {"type": "tool_use", "id": f"toolu_{number}", "name": "look", "input": {"far": "word " * 9}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": RESULT}
        turns += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    return turns


def _edits(*edits: Json) -> Json:
    return {"context_management": {"edits": list(edits)}}


CLEAR: Json = {
    "type": "clear_tool_uses_20250919",
    "trigger": {"type": "tool_uses", "value": 3},
    "keep": {"type": "tool_uses", "value": 1},
}
LOOKED: Json = {"messages": _looks(5), "tools": [TOOL]}


def _applied(answer: Answer) -> Json:
    """What the one edit has done; nothing where none did anything."""
    applied = (answer.body.get("context_management") or {}).get("applied_edits") or [{}]
    return applied[0] if len(applied) == 1 else {}


def _clears(num_cleared: int, **more: Any) -> Check:
    """Calls are cleared, the reply says how many, and by how much exactly its prompt became shorter."""

    async def check(probe: Probe) -> str:
        plain = await probe.message(LOOKED)
        answer = await probe.message({**LOOKED, **_edits({**CLEAR, **more})})

        def honoured(each: Answer) -> bool:
            saved = plain.usage["input_tokens"] - each.usage["input_tokens"]
            if not num_cleared:
                return each.body["context_management"] == {"applied_edits": []} and saved == 0
            told = {"type": CLEAR["type"], "cleared_tool_uses": num_cleared, "cleared_input_tokens": saved}
            return saved > 0 and _applied(each) == told

        return verdict(answer, honoured)

    return check


async def _inputs_are_cleared(probe: Probe) -> str:
    kept = await probe.message({**LOOKED, **_edits(CLEAR)})
    cleared = await probe.message({**LOOKED, **_edits({**CLEAR, "clear_tool_inputs": True})})
    return verdict(cleared, lambda each: each.usage["input_tokens"] < kept.usage["input_tokens"])


THINKS: Json = {"thinking": {"type": "adaptive"}}


async def _thoughtful(probe: Probe) -> Json:
    """A conversation in whose older turn the model has thought."""
    first = (await probe.message(THINKS)).body["content"]
    turns = [HI, {"role": "assistant", "content": first}, HI, {"role": "assistant", "content": "Two."}, HI]
    return {**THINKS, "messages": turns}


def _clear_thinking(**fields: Any) -> Json:
    return _edits({"type": "clear_thinking_20251015", **fields})


async def _thoughts_are_cleared(probe: Probe) -> str:
    asked = await _thoughtful(probe)
    plain = await probe.message(asked)
    edits = _clear_thinking(keep={"type": "thinking_turns", "value": 1})
    answer = await probe.message({**asked, **edits})
    saved = plain.usage["input_tokens"] - answer.usage["input_tokens"]
    told = {"type": "clear_thinking_20251015", "cleared_thinking_turns": 1, "cleared_input_tokens": saved}
    return verdict(answer, lambda each: saved > 0 and _applied(each) == told)


async def _thoughts_are_kept(probe: Probe) -> str:
    asked = await _thoughtful(probe)
    plain = await probe.message(asked)
    answer = await probe.message({**asked, **_clear_thinking(keep="all")})
    return verdict(
        answer,
        lambda each: (
            each.body["context_management"] == {"applied_edits": []}
            and each.usage["input_tokens"] == plain.usage["input_tokens"]
        ),
    )


COMPACT: Json = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}}
# As long as the trigger, which cannot be lower in a window of 200,000.
LONG: Json = {"messages": [{"role": "user", "content": "word " * 50_001}, {**HI, "role": "assistant"}, HI]}


SUMMARISED = _edits(COMPACT)
PAUSES = _edits({**COMPACT, "pause_after_compaction": True})


def _compacts(honoured: Judge, **fields: Any) -> Check:
    return field({**LONG, **_edits({**COMPACT, **fields})}, honoured)


def _goes_on(answer: Answer) -> bool:
    """From a summary that the model has written, and from nothing else."""
    assert answer.request is not None
    summary = answer.body["content"][0].get("content") or ""
    (read,) = answer.request.conversation.turns
    return (
        answer.kinds == ["compaction", "text"] and "forty two" in summary and summary in text_of(read.content)
    )


def _tells_both_passes(answer: Answer) -> bool:
    passes = answer.usage["iterations"]
    return [each["type"] for each in passes] == ["compaction", "message"] and all(
        each["input_tokens"] and each["output_tokens"] for each in passes
    )


async def _asks_in_other_words(probe: Probe) -> str:
    edit = {**COMPACT, "instructions": "[[say a summary]]"}
    answer = await probe.message({**LONG, **_edits(edit)})
    return verdict(answer, lambda each: each.body["content"][0]["content"].startswith("a summary"))


SUMMARY: Json = {"type": "compaction", "content": "Hares were spoken of."}


def _stands_for_all_before(answer: Answer) -> bool:
    assert answer.request is not None
    first, *rest = [text_of(turn.content) for turn in answer.request.conversation.turns]
    return SUMMARY["content"] in first and rest == ["So.", BODY["messages"][0]["content"]]


def _replayed(**fields: Any) -> Check:
    said = {"role": "assistant", "content": [{**SUMMARY, **fields}, {"type": "text", "text": "So."}]}
    return field({"messages": [HI, said, *BODY["messages"]]}, _stands_for_all_before)


async def _count_is_told_twice(probe: Probe) -> str:
    """The count before clearing, and after: each is what such a request is billed."""
    path = "/v1/messages/count_tokens"
    counted = await probe.ask("POST", path, json={**BODY, **LOOKED, **_edits(CLEAR)})
    whole = await probe.message(LOOKED)
    cleared = await probe.message({**LOOKED, **_edits(CLEAR)})
    told = {
        "input_tokens": cleared.usage["input_tokens"],
        "context_management": {"original_input_tokens": whole.usage["input_tokens"]},
    }
    return verdict(
        counted, lambda each: each.body == told and told["input_tokens"] < whole.usage["input_tokens"]
    )


COUNT = Row("`count_tokens`: `context_management.original_input_tokens`", _count_is_told_twice)


CONTEXT = [
    Row("`clear_tool_uses_20250919`: `trigger`, `keep`", _clears(4)),
    Row(
        "`clear_tool_uses_20250919`: below its trigger", _clears(0, trigger={"type": "tool_uses", "value": 5})
    ),
    Row(
        "`clear_tool_uses_20250919`: `clear_at_least` that is not reached",
        _clears(0, clear_at_least={"type": "input_tokens", "value": 10_000}),
    ),
    Row("`clear_tool_uses_20250919`: `exclude_tools`", _clears(0, exclude_tools=["look"])),
    Row("`clear_tool_uses_20250919`: `clear_tool_inputs`", _inputs_are_cleared),
    Row("`clear_thinking_20251015`", _thoughts_are_cleared),
    Row("`clear_thinking_20251015`: `keep` `all`", _thoughts_are_kept),
    Row("`clear_thinking_20251015` without thinking", field(_clear_thinking()), "as in the API"),
    Row(
        "`clear_thinking_20251015` behind another edit",
        field({**THINKS, **_edits(CLEAR, {"type": "clear_thinking_20251015"})}),
        "as in the API",
    ),
    Row("`compact_20260112`", _compacts(_goes_on), "the model writes the summary itself"),
    Row(
        "`compact_20260112`: a trigger below 50,000",
        field(_edits({**COMPACT, "trigger": {"type": "input_tokens", "value": 49_999}})),
        "as in the API; in smaller windows a quarter of them will do",
    ),
    Row("`compact_20260112`: `instructions`", _asks_in_other_words),
    Row(
        "`compact_20260112`: `pause_after_compaction`",
        _compacts(lambda each: each.kinds == ["compaction"], pause_after_compaction=True),
    ),
    Row("`usage.iterations` of a summary", _compacts(_tells_both_passes)),
    Row("`compaction` that comes back", _replayed(), "stands for all before it"),
    Row(
        "`compaction` of another server",
        _replayed(encrypted_content="x", signature="x"),
        "its `content` is read; `signature` and `encrypted_content` are ignored",
    ),
    Row("an edit that is not known", field(_edits({"type": "of_tomorrow"}))),
]
