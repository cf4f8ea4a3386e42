"""Rows: the memory that the server keeps. Enters: nothing. Leaves: `Row`s. Read next: `page.py`."""

from __future__ import annotations

from typing import Any

from caesura.messages.content import ToolResultBlock, ToolUseBlock
from caesura.server.backing import Backing
from tests.compatibility.probe import BODY, Answer, Check, Probe, Row, asking_another, field, verdict

Json = dict[str, Any]

CLIENTS_OWN: Json = {"type": "memory_20250818", "name": "memory"}
MEMORY: Json = {**CLIENTS_OWN, "executed_by": "server"}
NOTE = '{"command": "create", "path": "/memories/%s.md", "file_text": "tea"}'
LOOK = '{"command": "view", "path": "/memories"}'
ROUND = ["mcp_tool_use", "mcp_tool_result"]


def _asked(direction: str, **fields: Any) -> Json:
    """The request whose reply calls the memory."""
    return {"messages": [{"role": "user", "content": f"[[{direction}]]"}], "tools": [MEMORY], **fields}


def _is_noted(answer: Answer) -> bool:
    if answer.kinds != [*ROUND, "text"]:
        return False
    call, result, _ = answer.body["content"]
    return call["server_name"] == "caesura" and not result["is_error"] and "created" in str(result["content"])


async def _without_a_folder(probe: Probe) -> str:
    async with asking_another(Backing()) as other:
        return verdict(await other.message(_asked(f"call memory {NOTE % 'none'}")), lambda each: True)


def _tells_each_round(answer: Answer) -> bool:
    rounds = answer.usage["iterations"]
    return len(rounds) == 2 and answer.usage["input_tokens"] == sum(each["input_tokens"] for each in rounds)


def _is_the_clients(answer: Answer) -> bool:
    return answer.kinds == ["tool_use"] and answer.body["stop_reason"] == "tool_use"


async def _goes_on_after_a_pause(probe: Probe) -> str:
    direction = f"keep_calling memory {LOOK}"
    paused = await probe.message(_asked(direction))
    said = [*_asked(direction)["messages"], {"role": "assistant", "content": paused.body["content"]}]
    resumed = await probe.message(_asked(direction, messages=said))
    return verdict(resumed, lambda each: each.kinds == ROUND * 10 and not _is_prefilled(each))


def _is_prefilled(answer: Answer) -> bool:
    assert answer.request is not None
    return answer.request.conversation.is_prefilled


async def _keeps_a_prefill(probe: Probe) -> str:
    """The next round goes on with one text, in which the reply stands right behind the prefill."""
    direction = f"call memory {NOTE % 'prefill'}"
    said = {"role": "assistant", "content": "Well,"}
    answer = await probe.message(_asked(direction, messages=[*_asked(direction)["messages"], said]))
    return verdict(answer, lambda each: _is_noted(each) and not _is_prefilled(each))


PAUSED: Json = _asked(f"keep_calling memory {LOOK}")


def replayed(**call: Any) -> Check:
    """A call that a server carried out, and its result, come back."""
    use = {
        "type": "mcp_tool_use",
        "id": "mcptoolu_1",
        "input": {"command": "view", "path": "/memories"},
        **call,
    }
    result = {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": "empty"}
    said = {"role": "assistant", "content": [use, result, {"type": "text", "text": "So."}]}

    def honoured(answer: Answer) -> bool:
        assert answer.request is not None
        _, calls, results, *_ = answer.request.conversation.turns
        return isinstance(calls.content[0], ToolUseBlock) and isinstance(results.content[0], ToolResultBlock)

    return field({"messages": [*BODY["messages"], said, *BODY["messages"]]}, honoured)


REPLAYED = [
    Row(
        "`mcp_tool_use` with `mcp_tool_result`, of this server",
        replayed(name="memory", server_name="caesura"),
    ),
    Row("`mcp_tool_use` with `mcp_tool_result`, of other servers", replayed(name="find", server_name="x")),
]
MEMORIES = [
    Row(
        "`memory_20250818`, carried out by the client",
        field(_asked(f"call memory {NOTE % 'own'}", tools=[CLIENTS_OWN]), _is_the_clients),
        "as in the API",
    ),
    Row(
        '`"executed_by": "server"` on it',
        field(_asked(f"call memory {NOTE % 'field'}"), _is_noted),
        "with `caesura serve --memory-folder`; beyond the API",
    ),
    Row(
        "header `caesura-memory: on`",
        field(
            {"messages": _asked(f"call memory {NOTE % 'header'}")["messages"]},
            _is_noted,
            {"caesura-memory": "on"},
        ),
        "the same, for clients that have no tools",
    ),
    Row("either, on a server without a folder", _without_a_folder),
    Row("`usage.iterations` of the rounds", field(_asked(f"call memory {LOOK}"), _tells_each_round)),
    Row(
        "a prefill",
        _keeps_a_prefill,
        "the first round goes on with it; every later one's prompt extends the one before",
    ),
    Row("`pause_turn`, sent back, goes on", _goes_on_after_a_pause, "after 10 rounds"),
]
