"""Rows: thinking. Enters: nothing. Leaves: `Row`s. Read next: `page.py`."""

from __future__ import annotations

from typing import Any

from caesura.messages.content import ThinkingBlock
from caesura.messages.signing import REDACTION_TRIGGER
from tests.clients.directions import THOUGHT
from tests.compatibility.parameters import CALL, PREFILL, TOOL
from tests.compatibility.probe import BODY, Answer, Check, Probe, Row, field, verdict

LONG_ENOUGH = 3000


def _enabled(budget_tokens: int = 1024, **fields: Any) -> dict[str, Any]:
    return {
        "max_tokens": LONG_ENOUGH,
        "thinking": {"type": "enabled", "budget_tokens": budget_tokens, **fields},
    }


def _adaptive(**fields: Any) -> dict[str, Any]:
    return {"thinking": {"type": "adaptive", **fields}}


def _thinks(answer: Answer) -> bool:
    return answer.kinds == ["thinking", "text"]


def _is_hidden(answer: Answer) -> bool:
    return (
        _thinks(answer)
        and not answer.body["content"][0]["thinking"]
        and answer.body["content"][0]["signature"]
    )


def _refused(name: str, **fields: Any) -> Row:
    return Row(name, field({**_enabled(), **fields}), "as in the API")


def _again(change: Any, said: str = "", **fields: Any) -> Check:
    """A loop of calls goes on, with the thought before it as it was or changed.

    said: with what is asked. fields: of `thinking`.
    """

    async def check(probe: Probe) -> str:
        asked = {**_enabled(**fields), "tools": [TOOL]}
        direction = {"role": "user", "content": f"{said}[[call look {{}}]]"}
        first = await probe.message({**asked, "messages": [direction]})
        content = change(first.body["content"])
        calls = [each for each in content if each["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": each["id"], "content": "it"} for each in calls]
        messages = [
            direction,
            {"role": "assistant", "content": content},
            {"role": "user", "content": results},
        ]
        return verdict(await probe.message({**asked, "messages": messages}), _has_thought)

    return check


def _has_thought(answer: Answer) -> bool:
    """The thought before the call reached the model as the model had written it."""
    assert answer.request is not None
    (thought, *_) = answer.request.conversation.turns[1].content
    return isinstance(thought, ThinkingBlock) and thought.thinking == THOUGHT


def _marked(content: list[Any]) -> list[Any]:
    return [{**content[0], "cache_control": {"type": "ephemeral"}}, *content[1:]]


def _forged(content: list[Any]) -> list[Any]:
    return [{**content[0], "thinking": "something else"}, *content[1:]]


THINKING = [
    Row("`enabled`, `budget_tokens`", field(_enabled(), _thinks)),
    Row("`enabled`: a budget below 1,024", field(_enabled(3), _thinks), "beyond the API"),
    Row("`enabled`: a budget of `max_tokens` or more", field(_enabled(LONG_ENOUGH)), "as in the API"),
    Row(
        "the same with tools and `interleaved-thinking-2025-05-14`",
        field(
            {**_enabled(LONG_ENOUGH), "tools": [TOOL]},
            _thinks,
            {"anthropic-beta": "interleaved-thinking-2025-05-14"},
        ),
    ),
    Row("`disabled`", field({"thinking": {"type": "disabled"}}, lambda each: each.kinds == ["text"])),
    Row(
        "`disabled` with `display`",
        field({"thinking": {"type": "disabled", "display": "omitted"}}),
        "as in the API",
    ),
    Row("`adaptive`", field(_adaptive(), _thinks)),
    Row(
        "`between_tools`",
        field({"thinking": {"type": "between_tools"}}),
        "no model here was trained to; `disabled` is what comes nearest",
    ),
    Row("`display`: `summarized`", field(_adaptive(display="summarized"), _thinks), "the thought itself"),
    Row("`display`: `omitted`", field(_adaptive(display="omitted"), _is_hidden)),
    Row("`display`: `updates`", field(_adaptive(display="updates"), _thinks), "the thought itself"),
    Row(
        "`usage.output_tokens_details.thinking_tokens`",
        field(_enabled(), lambda each: each.usage["output_tokens_details"]["thinking_tokens"] == 5),
        "exact",
    ),
    _refused("with `temperature` other than 1", temperature=0.5),
    _refused("with `top_k`", top_k=5),
    _refused("with `top_p` below 0.95", top_p=0.5),
    _refused("with a prefill", messages=PREFILL),
    _refused("with `tool_choice` `any` or `tool`", tools=[TOOL], tool_choice={"type": "any"}),
    Row(
        "adaptive with `tool_choice` `any`",
        field(
            {
                **_adaptive(),
                "tools": [TOOL],
                "tool_choice": {"type": "any"},
                "messages": [{"role": "user", "content": "[[call look {}]]"}],
            },
            lambda each: each.kinds == ["thinking", "tool_use"],
        ),
    ),
    Row("a loop of calls goes on with its thought", _again(list)),
    Row("the same with the thought omitted", _again(list, display="omitted")),
    Row("the same with a `redacted_thinking`", _again(list, said=REDACTION_TRIGGER), "of this server"),
    Row("the same with `cache_control` on the thought", _again(_marked), "as in the API"),
    Row("the same with the thought changed", _again(_forged), "as in the API"),
    Row("the same without the thought", _again(lambda content: content[1:]), "as in the API"),
    Row(
        "older thoughts",
        field(
            {
                **_adaptive(),
                "messages": [
                    *BODY["messages"],
                    {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}, CALL]},
                    {
                        "role": "user",
                        "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "it"}],
                    },
                    {"role": "assistant", "content": "So."},
                    *BODY["messages"],
                ],
                "tools": [TOOL],
            },
            _thinks,
        ),
        "one that this server did not sign is dropped",
    ),
]
