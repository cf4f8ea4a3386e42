"""Grammars of schemas over a small vocabulary, the bytes and a few pieces: written from, and recognised.

Enters: schemas. Leaves: grammars, texts, verdicts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

from bench.schema_walks import Walker
from caesura.engine.grammar import GrammarCompiler
from caesura.engine.grammar_sources import GrammarSource, Kind
from caesura.engine.token_grammar import TokenGrammar
from caesura.messages.errors import InvalidRequestError

PIECES = [
    *(bytes([byte]) for byte in range(256)),
    *(
        b'": "',
        b'", "',
        b"}}",
        b'"}',
        b'"]',
        b"  ",
        b"ab",
        b"12",
        b"\n  ",
        b"</",
        "é".encode(),
        "😀".encode(),
    ),
]
walker = Walker(PIECES)


@cache
def compiler() -> GrammarCompiler:
    """One for all tests: what it keeps changes nothing."""
    return GrammarCompiler(PIECES)


def source(kind: Kind, held: Any) -> GrammarSource:
    """A source with a short path; for "calls" one for each tool."""
    text = held if kind in ("lark", "regex") else json.dumps(held)
    paths = tuple(f"tools.{at}" for at in range(len(held))) if kind == "calls" else ("schema",)
    return GrammarSource(kind=kind, text=text, path=paths)


def grammar(kind: Kind, held: Any) -> TokenGrammar:
    """Raises InvalidRequestError."""
    return compiler().compile(source(kind, held))


def grammar_or_refusal(kind: Kind, held: Any) -> TokenGrammar | InvalidRequestError:
    """What comes of it."""
    try:
        return grammar(kind, held)
    except InvalidRequestError as refused:
        return refused


def accepts(wanted: TokenGrammar, text: str) -> bool:
    """Whether a text is one of the grammar's."""
    return walker.accepts(wanted, text)


def written(wanted: TokenGrammar, count: int = 5, *, seed: int = 0) -> Iterator[str]:
    """Random texts that came to their end; at least one of `count`."""
    dice = random.Random(seed)
    texts = [walker.write(wanted, dice) for _ in range(count)]
    ended = [text for text in texts if text is not None]
    assert ended, "no text came to its end"
    return iter(ended)
