"""Schemas that are small to send and large to enforce.

Enters: nothing. Leaves: schemas, and where each should be refused. Read next: `test_bombs.py`.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from bench.schema_walks import Walker
from caesura.engine.grammar import GrammarCompiler
from caesura.messages.errors import InvalidRequestError
from tests.engine.schemas.texts import PIECES, source


class Bomb(NamedTuple):
    """schema: makes it. place: the end of the place that is refused; None: it is compiled."""

    schema: Callable[[], Any]
    place: str | None


def nested(depth: int, leaf: Any, wrap: Callable[[Any], Any]) -> Any:
    """A schema around a schema around a schema."""
    for _ in range(depth):
        leaf = wrap(leaf)
    return leaf


def chain(length: int, link: Callable[[str], Any]) -> Any:
    """References that lead from one definition to the next."""
    definitions = {f"a{at}": link(f"#/$defs/a{at + 1}") for at in range(length)}
    return {"$ref": "#/$defs/a0", "$defs": {**definitions, f"a{length}": {"type": "string"}}}


def _either(left: str, right: str) -> Any:
    return {"anyOf": [{"properties": {left: {"const": 1}}}, {"properties": {right: {"const": 2}}}]}


def _text(**keywords: Any) -> Any:
    return {"type": "string", **keywords}


STRING = {"type": "string"}
BOMBS: dict[str, Bomb] = {
    "a chain of references": Bomb(lambda: chain(5000, lambda to: {"$ref": to}), "$defs.a63"),
    "references that double": Bomb(lambda: chain(40, lambda to: {"allOf": [{"$ref": to}] * 2}), "allOf.0"),
    "a chain of properties": Bomb(
        lambda: chain(3000, lambda to: {"type": "object", "properties": {"x": {"$ref": to}}}), None
    ),
    "a reference to itself": Bomb(lambda: {"$ref": "#"}, "$ref"),
    "references in a ring": Bomb(
        lambda: {
            "allOf": [{"$ref": "#/$defs/a"}],
            "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}},
        },
        "$ref",
    ),
    "a product of choices": Bomb(lambda: {"allOf": [_either(f"a{n}", f"b{n}") for n in range(24)]}, "allOf"),
    "a chain of conditions": Bomb(
        lambda: {
            "allOf": [
                {"if": {"properties": {f"a{n}": {"const": 1}}}, "then": {"required": [f"b{n}"]}}
                for n in range(20)
            ]
        },
        "allOf",
    ),
    "many dependencies": Bomb(lambda: {"dependentRequired": {f"a{n}": [f"b{n}"] for n in range(25)}}, "a11"),
    "oneOf within oneOf": Bomb(
        lambda: nested(
            13, STRING, lambda each: {"oneOf": [each, {"type": "object", "properties": {"x": each}}]}
        ),
        "x",
    ),
    "not within not": Bomb(lambda: nested(200, STRING, lambda each: {"not": each}), "not"),
    "anyOf within anyOf": Bomb(lambda: nested(200, STRING, lambda each: {"anyOf": [each]}), "anyOf.0"),
    "400 alternatives that may overlap": Bomb(
        lambda: {
            "oneOf": [
                {"type": "object", "properties": {"k": {"const": n}}, "required": ["k"]} for n in range(400)
            ]
        },
        "k",
    ),
    "100,000 listed values": Bomb(lambda: {"enum": [f"value {n}" for n in range(100_001)]}, "enum"),
    "20,000 listed objects": Bomb(lambda: {"enum": [{"a": n, "b": [n]} for n in range(20_000)]}, "enum"),
    "a list of a billion": Bomb(lambda: {"type": "array", "minItems": 10**9}, "minItems"),
    "a text of a billion": Bomb(lambda: _text(minLength=10**9), "minLength"),
    "counted properties": Bomb(
        lambda: {
            "type": "object",
            "maxProperties": 500,
            "properties": {f"p{n}": STRING for n in range(1000)},
        },
        "maxProperties",
    ),
    "10,000 properties": Bomb(
        lambda: {"type": "object", "properties": {f"p{n}": STRING for n in range(10_000)}}, "properties"
    ),
    "patterns of names": Bomb(
        lambda: {"type": "object", "patternProperties": {f"a{n}": _text(minLength=n) for n in range(12)}},
        "a11",
    ),
    "repetitions of repetitions": Bomb(lambda: _text(pattern="((a{100}){100}){100}"), "pattern"),
    "groups within groups": Bomb(lambda: _text(pattern="(" * 500 + "a" + ")" * 500), "pattern"),
    "counted items": Bomb(
        lambda: {"type": "array", "contains": {"const": 1}, "minContains": 300, "maxItems": 1000}, "contains"
    ),
    "lists within lists": Bomb(
        lambda: nested(
            6, STRING, lambda each: {"type": "array", "items": each, "minItems": 1000, "maxItems": 2000}
        ),
        None,
    ),
    "a long text": Bomb(lambda: _text(minLength=100_000), None),
    "a pattern that backtracks": Bomb(lambda: _text(pattern="^(a+)+$"), None),
    "a deep object": Bomb(
        lambda: nested(300, STRING, lambda each: {"type": "object", "properties": {"a": each}}), None
    ),
    "5,000 values left out": Bomb(lambda: _text(**{"not": {"enum": [f"v{n}" for n in range(5000)]}}), None),
    "a deep constant": Bomb(
        lambda: {"type": "array", "items": {"const": nested(8, 1, lambda each: [each] * 2)}}, None
    ),
    "20,000 anchors": Bomb(
        lambda: {"type": "null", "$defs": {f"a{n}": {"$anchor": f"x{n}"} for n in range(20_000)}}, None
    ),
}

# Small enough for the reader; whether they can be followed turns out when they are tried.
TRIED: dict[str, Any] = {
    "words between blanks": _text(pattern=r"^(\S+\s+){0,99}\S+$", maxLength=5000),
    "patterns that multiply": _text(allOf=[{"pattern": f"{each}.{{60}}{each}"} for each in "abcdefgh"]),
    "a counted guess": _text(pattern="a.{500}"),
    "a class of thousands": _text(pattern=f"[{''.join(chr(0x100 + 2 * n) for n in range(5000))}]{{100}}"),
}


def main() -> None:
    """Compile each in each form and write from it; a line for each: its name, a tab, what came of it."""
    compiler, walker = GrammarCompiler(PIECES), Walker(PIECES)
    everything = {**{name: bomb.schema() for name, bomb in BOMBS.items()}, **TRIED}
    for name, schema in everything.items():
        for kind in ("json_schema", "xml", "yaml"):
            try:
                walker.write(compiler.compile(source(kind, schema)), random.Random(0), max_tokens=50)
                answer = "compiled"
            except InvalidRequestError as refused:
                answer = refused.message
            sys.stdout.write(f"{kind} {name}\t{' '.join(answer.split())}\n")
    compiler.close()
