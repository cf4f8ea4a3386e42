"""Rows: content blocks. Enters: nothing. Leaves: `Row`s. Read next: `page.py`."""

from __future__ import annotations

from typing import Any

from tests.compatibility.documents import DOCUMENTS, IMAGES, PLAIN, SEARCH_RESULT, document
from tests.compatibility.memory import REPLAYED
from tests.compatibility.parameters import CALL, EPHEMERAL, NEWEST, RESULTS, TEXT, TOOL
from tests.compatibility.probe import BODY, Answer, Check, Row, block, field
from tests.messages.pictures import PICTURES, image

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE: dict[str, Any] = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PNG},
}


def _taken(part: dict[str, Any]) -> Check:
    """A block with a field that is read by nobody: there is no telling from what reaches the model."""
    return field({"messages": [{"role": "user", "content": [part]}]}, lambda each: False)


FOREIGN: dict[str, Any] = {"type": "thinking", "thinking": "hm", "signature": "x"}
REDACTED: dict[str, Any] = {"type": "redacted_thinking", "data": "x"}
LATER: list[Any] = [{"role": "assistant", "content": "So."}, *BODY["messages"]]


def _thought(block: dict[str, Any], *later: Any) -> Check:
    said = {"role": "assistant", "content": [block, TEXT]}
    messages = [*BODY["messages"], said, *BODY["messages"], *later]
    return field({"messages": messages}, lambda each: each.body["input_transformations"])


def _result(*content: Any) -> list[Any]:
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": list(content)}
    return [
        *BODY["messages"],
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [result]},
    ]


def _in_result(name: str, *content: Any, remark: str = "", **fields: Any) -> Row:
    def reaches(answer: Answer) -> bool:
        assert answer.request is not None
        (got,) = answer.request.conversation.turns[-1].content
        return len(getattr(got, "content", ())) >= len(content)

    messages = _result(*content)
    return Row(name, field({"messages": messages, "tools": [TOOL], **fields}, reaches), remark)


def _replayed(kind: str, **fields: Any) -> Row:
    """What a server's own tools have left in a conversation."""
    use = {
        "type": "server_tool_use",
        "id": "srvtoolu_1",
        "name": kind.removesuffix("_tool_result"),
        "input": {},
    }
    result = {"type": kind, "tool_use_id": "srvtoolu_1", "content": fields.get("content", [])}
    name = f"`server_tool_use` with `{kind}`"
    return Row(name, block(use, result, role="assistant"), "of other servers; none is carried out here")


BLOCKS = [
    Row("`text`", block(TEXT)),
    Row("`text`: blank", block({"type": "text", "text": " "}), "as in the API"),
    Row(
        "`text`: a user's `citations`, version 2023-06-01",
        _taken({**TEXT, "citations": [{"type": "char_location"}]}),
    ),
    Row(
        "`text`: a user's `citations`, version 2026-10-21",
        block({**TEXT, "citations": [{"type": "char_location"}]}, headers=NEWEST),
        "as in the API",
    ),
    Row("`image`: `base64` PNG", block(IMAGE), "for models that see; nano does not"),
    *[
        Row(f"`image`: `base64` {kind}", block(image(PICTURES[name][1](2, 2), PICTURES[name][0])))
        for kind, name in (("JPEG", "jpeg"), ("GIF", "gif"), ("WebP", "webp_lossy"))
    ],
    *IMAGES,
    Row(
        "`image`: `transformations`",
        _taken({**IMAGE, "transformations": {"oversized_image": "downsize"}}),
    ),
    *DOCUMENTS,
    Row("`thinking` that this server did not sign, in the latest turn", _thought(FOREIGN), "as in the API"),
    Row(
        "`thinking` that this server did not sign, in an older turn",
        _thought(FOREIGN, *LATER),
        "is dropped, and `input_transformations` says so",
    ),
    Row(
        "`redacted_thinking` that this server did not seal, in the latest turn",
        _thought(REDACTED),
        "as in the API",
    ),
    Row(
        "`redacted_thinking` that this server did not seal, in an older turn",
        _thought(REDACTED, *LATER),
        "is dropped, and `input_transformations` says so",
    ),
    _in_result("`tool_use` and `tool_result`: text", TEXT),
    Row(
        "`tool_use`: `caller`, `toolset_name`",
        field(
            {
                "messages": [
                    *BODY["messages"],
                    {
                        "role": "assistant",
                        "content": [{**CALL, "caller": {"type": "direct"}, "toolset_name": "x"}],
                    },
                    RESULTS,
                ],
                "tools": [TOOL],
            },
            lambda each: False,
        ),
    ),
    _in_result("`tool_result`: `image`", IMAGE),
    _in_result("`tool_result`: `document`", document(PLAIN)),
    _in_result("`tool_result`: `search_result`", SEARCH_RESULT),
    _in_result(
        "`tool_result`: `tool_reference`",
        {"type": "tool_reference", "tool_name": "hidden"},
        tools=[TOOL, {"name": "hidden", "input_schema": {"type": "object"}, "defer_loading": True}],
        remark="replaced with the description of the tool",
    ),
    _in_result("`tool_result`: `browser_state`", {"type": "browser_state"}),
    *[
        _replayed(f"{name}_tool_result")
        for name in (
            "web_search",
            "web_fetch",
            "code_execution",
            "bash_code_execution",
            "text_editor_code_execution",
            "tool_search",
        )
    ],
    Row("`container_upload`", block({"type": "container_upload", "file_id": "file_1"})),
    *[
        Row(f"`{kind}`", block({"type": kind}, role="assistant"))
        for kind in ("mcp_tool_listing", "fallback", "advisor_tool_result", "connector_text")
    ],
    *REPLAYED,
    *[
        Row(
            f"`{kind}` in a system message",
            field({"messages": [*BODY["messages"], {"role": "system", "content": [{"type": kind}]}]}),
        )
        for kind in ("tool_addition", "tool_removal")
    ],
    Row("a block that is not known", block({"type": "of_tomorrow"})),
    Row("`cache_control` on a block", block({**TEXT, "cache_control": EPHEMERAL})),
]
