"""What grammars are made of: the form that a request wants, as plain text.

Enters: a request's output format, tools and choice. Leaves: a `GrammarSource`, equal for equal wishes. Read
next: `grammar.py`, which compiles it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from caesura.engine.citation_grammar import counts_text
from caesura.messages.chunks import Source
from caesura.messages.content import Tool
from caesura.messages.errors import InvalidRequestError
from caesura.messages.request import OutputFormat, ToolChoice
from caesura.tokens.call_writing import CallWriting

Kind = Literal["json_schema", "xml", "yaml", "lark", "regex", "calls", "citations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrammarSource:
    """A grammar before it is compiled.

    kind: how `text` is to be read.
    text: the schema as JSON, the Lark grammar, the regular expression, or a list of tools as JSON; for
        citations a list of how many chunks each source has.
    path: where the request holds it, for errors; for calls the places of the tools, in order.
    writing: how calls read, for calls.
    tenant: whose wish it is: what was compiled for one makes no request of another noticeably faster.
    """

    kind: Kind
    text: str
    path: tuple[str, ...]
    writing: CallWriting = CallWriting()  # noqa: RUF009 (immutable)
    tenant: str = ""


def format_source(output_format: OutputFormat) -> GrammarSource:
    """The grammar of an answer."""
    kind, path = output_format.kind, f"output_config.format.{output_format.kind}"
    if kind == "lark":
        return _source(kind, output_format.text or "", (f"{path}.grammar",))
    if kind == "regex":
        return _source(kind, output_format.text or "", (f"{path}.pattern",))
    return _source(kind, _json(output_format.schema or {}, path), (f"{path}.schema",))


def citations_source(sources: Sequence[Source]) -> GrammarSource:
    """The grammar of an answer that may cite these."""
    return GrammarSource(kind="citations", text=counts_text(sources), path=("messages",))


def calls_source(
    tools: Sequence[Tool],
    choice: ToolChoice,
    writing: CallWriting = CallWriting(),  # noqa: B008 (immutable)
) -> GrammarSource | None:
    """The grammar of one call, or one list of them: of any of the tools, or of the one that is chosen; None
    where none may be.
    """
    if choice.mode == "none" or not tools:
        return None
    held = [
        (f"tools.{at}.{tool.kind}.input_schema", {"name": tool.name, "schema": dict(tool.input_schema)})
        for at, tool in enumerate(tools)
        if tool.shown != "nowhere" and (choice.mode != "tool" or tool.name == choice.name)
    ]
    source = _source("calls", _json([call for _, call in held], "tools"), tuple(path for path, _ in held))
    return replace(source, writing=writing)


def _source(kind: Kind, text: str, path: tuple[str, ...]) -> GrammarSource:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        where = "tools" if kind == "calls" else path[0]
        raise InvalidRequestError(f"{where}: it holds half of a character, {text[error.start]!a}") from error
    return GrammarSource(kind=kind, text=text, path=path)


def _json(value: Mapping[str, Any] | list[dict[str, Any]], path: str) -> str:
    # The order of keys is the order in which properties are written.
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError as error:
        raise InvalidRequestError(f"{path}: the schema is nested too deep") from error
