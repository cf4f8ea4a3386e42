"""From a source to the text of a grammar in llguidance's dialect of Lark.

Enters: a source, and how much work it may cause. Leaves: a `GrammarText`. Read next: `schemas/compiling.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import llguidance

from caesura.engine.citation_grammar import citation_grammar
from caesura.engine.grammar_sources import GrammarSource
from caesura.engine.schemas.compiling import (
    Call,
    Compiled,
    calls_grammar,
    json_grammar,
    xml_grammar,
    yaml_grammar,
)
from caesura.engine.schemas.refusal import Effort, SchemaRefusedError
from caesura.messages.errors import InvalidRequestError

# Every way to cut a text into tokens is allowed: which one is usual, the model knows best.
_SETTINGS = '\n%llguidance {"no_forcing": true}\n'

# What a user's grammar may not do: change our settings, name tokens, ask for what no sampler here heeds, or
# bring schemas that nobody checked.
_FORBIDDEN = {
    r"%\s*llguidance": "`%llguidance` settings are the server's",
    "<": "tokens cannot be named; quote the texts that are meant",
    r"\b(?:temperature|max_tokens|stop|stop_capture)\s*=": (
        "`temperature`, `max_tokens` and `stop` of a rule are not supported"
    ),
    r"%\s*json": "a schema within a grammar is not supported; ask for the form `json_schema`",
}
# Texts, regular expressions and comments, which may spell anything.
_SPELLED = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|#[^\n]*|/(?:\\.|[^/\\])+/', re.DOTALL)

_WHOLE = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """A terminal that could turn out to be too much work: its name, and what to name in a refusal.

    `start` is the grammar as a whole.
    """

    terminal: str
    path: str

    def grammar(self, text: str) -> str:
        """The grammar of the terminal alone. text: the grammar that it is from."""
        if self.terminal == _WHOLE:
            return text
        kept = (line for line in text.split("\n") if line.startswith(("T", "%")))
        return "\n".join([f"start: {self.terminal}", *kept])


@dataclass(frozen=True, slots=True, kw_only=True)
class GrammarText:
    """text: the grammar. risks: what to try before it is used."""

    text: str
    risks: tuple[Risk, ...] = ()


def grammar_text(source: GrammarSource, effort: Effort) -> GrammarText:
    """Raises InvalidRequestError naming what cannot be enforced."""
    match source.kind:
        case "lark":
            return _lark(source)
        case "regex":
            return _regex(source)
        case "calls":
            return _calls(source, effort)
        case "citations":
            return GrammarText(text=citation_grammar(json.loads(source.text)) + _SETTINGS)
        case "json_schema":
            return _schema(source, effort, json_grammar)
        case "xml":
            return _schema(source, effort, xml_grammar)
        case "yaml":
            return _schema(source, effort, yaml_grammar)


def _lark(source: GrammarSource) -> GrammarText:
    bare = _SPELLED.sub(" ", source.text)
    for pattern, why in _FORBIDDEN.items():
        if re.search(pattern, bare):
            raise InvalidRequestError(f"{source.path[0]}: {why}")
    return GrammarText(text=source.text + _SETTINGS, risks=(Risk(terminal=_WHOLE, path=source.path[0]),))


def _regex(source: GrammarSource) -> GrammarText:
    text = f"start: T\nT: /{llguidance.regex_to_lark(source.text, '')}/\n{_SETTINGS}"
    return GrammarText(text=text, risks=(Risk(terminal=_WHOLE, path=source.path[0]),))


def _schema(
    source: GrammarSource, effort: Effort, compile_schema: Callable[[Any, Effort], Compiled]
) -> GrammarText:
    with _named(source.path[0]):
        return _text(compile_schema(json.loads(source.text), effort), source.path)


def _calls(source: GrammarSource, effort: Effort) -> GrammarText:
    calls = [Call(each["name"], each["schema"]) for each in json.loads(source.text)]
    try:
        return _text(calls_grammar(calls, effort, source.writing), source.path)
    except SchemaRefusedError as refused:
        raise refusal(source.path[refused.document], refused) from refused


def _text(compiled: Compiled, paths: tuple[str, ...]) -> GrammarText:
    risks = (
        Risk(terminal=risk.terminal, path=".".join([paths[risk.document], *risk.pointer]))
        for risk in compiled.risks
    )
    return GrammarText(text=compiled.text + _SETTINGS, risks=tuple(risks))


@contextmanager
def _named(path: str) -> Generator[None]:
    try:
        yield
    except SchemaRefusedError as refused:
        raise refusal(path, refused) from refused


def refusal(path: str, refused: SchemaRefusedError) -> InvalidRequestError:
    """The error that a caller sees: the place, the keyword, the reason."""
    return InvalidRequestError(f"{'.'.join([path, *refused.pointer])}: {refused.reason}")
