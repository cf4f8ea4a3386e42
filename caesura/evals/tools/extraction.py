"""Records out of a short text: as JSON that keeps to a schema in the prompt, or as the call of a tool."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from caesura.evals.tools.exchange import Call, Exchange, Kit, Parameter, make_tool
from caesura.evals.tools.words import COLOURS, DAYS, ITEMS, PEOPLE, PLACES, Words, identifier


class _Field(NamedTuple):
    """One fact: its key, its schema, its value, and a clause that states it."""

    key: str
    schema: Mapping[str, Any]
    value: Any
    clause: str


_STRING: Mapping[str, Any] = {"type": "string"}
_INTEGER: Mapping[str, Any] = {"type": "integer"}
_STRINGS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}


def extraction(rng: Random, words: Words) -> Kit:
    """No tool: the answer itself is the record."""
    return Kit(tools=(), ask=lambda rng: _as_json(rng, words))


def recorders(rng: Random, words: Words) -> Kit:
    """A tool that takes the record; the request demands that it is called."""
    fields = _fields(rng, words)
    name = identifier(rng, [rng.choice(("save", "record", "store", "extract", words.made_up(rng))), "person"])
    description = rng.choice(("Stores facts about a person.", "Records what is known about a person."))
    tool = make_tool(rng, name, description, [Parameter(each.key, each.schema) for each in fields])
    keys = [each.key for each in fields]

    def ask(rng: Random) -> Exchange:
        drawn = _with_keys(rng, words, keys, fields)
        call = Call(tool.name, {each.key: each.value for each in drawn}, "ok")
        question = _text(rng, drawn)
        if rng.random() < 0.3:
            question = f"{rng.choice(('Save this:', 'Record this:', 'Note:'))} {question}"
        return Exchange(
            question=question,
            steps=((call,),),
            reply="It is recorded.",
            thoughts=(f"I pass it to {tool.name}.", "It is done."),
            is_forced=True,
        )

    return Kit(tools=(tool,), ask=ask)


def _fields(rng: Random, words: Words) -> list[_Field]:
    """Some facts about a person, the name among them, in any order."""
    made_up, count_key = words.made_up(rng), words.made_up(rng)
    drawn = [_fact(rng, words, kind) for kind in rng.sample(tuple(_KINDS), rng.randint(1, 3))]
    if rng.random() < 0.3:
        value = words.made_up(rng)
        drawn.append(_Field(made_up, _STRING, value, f"has the {made_up} {value}"))
    if rng.random() < 0.2:
        number = rng.randint(2, 99)
        drawn.append(_Field(count_key, _INTEGER, number, f"has {number} {count_key}s"))
    drawn.append(_Field("name", _STRING, words.pick(rng, PEOPLE), ""))
    rng.shuffle(drawn)
    return drawn


_KINDS = ("age", "city", "likes", "colour", "day", "height")


def _fact(rng: Random, words: Words, kind: str) -> _Field:
    number = rng.randint(5, 99)
    match kind:
        case "age":
            return _Field("age", _INTEGER, number, f"is {number} years old")
        case "city":
            city = words.pick(rng, PLACES)
            return _Field("city", _STRING, city, f"lives in {city}")
        case "likes":
            items = words.several(rng, ITEMS, rng.choice((1, 2, 2, 3)))
            listed = items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
            return _Field("likes", _STRINGS, items, f"likes {listed}")
        case "colour":
            colour = words.pick(rng, COLOURS)
            return _Field("colour", _STRING, colour, f"wears {colour}")
        case "day":
            day = rng.choice(DAYS)
            return _Field("day", _STRING, day, f"comes on {day}")
        case _:
            return _Field("height", _INTEGER, number + 100, f"is {number + 100} cm tall")


def _with_keys(rng: Random, words: Words, keys: Sequence[str], fields: Sequence[_Field]) -> list[_Field]:
    """The same fields with values drawn anew."""
    drawn: list[_Field] = []
    for key, field in zip(keys, fields, strict=True):
        if key == "name":
            drawn.append(field._replace(value=words.pick(rng, PEOPLE)))
        elif key in _KINDS:
            drawn.append(_fact(rng, words, key))
        elif field.schema is _INTEGER:
            number = rng.randint(2, 99)
            drawn.append(field._replace(value=number, clause=f"has {number} {key}s"))
        else:
            value = words.made_up(rng)
            drawn.append(field._replace(value=value, clause=f"has the {key} {value}"))
    return drawn


def _text(rng: Random, fields: Sequence[_Field]) -> str:
    """All facts in one sentence or two, in an order of their own."""
    name = next(each.value for each in fields if each.key == "name")
    clauses = [each.clause for each in fields if each.clause]
    rng.shuffle(clauses)
    if len(clauses) > 2 and rng.random() < 0.4:
        return f"{name} {clauses[0]}. {name} {' and '.join(clauses[1:])}."
    joined = ", ".join(clauses[:-1])
    return f"{name} {joined} and {clauses[-1]}." if joined else f"{name} {clauses[-1]}."


def _as_json(rng: Random, words: Words) -> Exchange:
    fields = _fields(rng, words)
    record = {each.key: each.value for each in fields}
    schema = {
        "type": "object",
        "properties": {each.key: dict(each.schema) for each in fields},
        "required": list(record),
    }
    form = json.dumps(schema, separators=(",", ":"))
    if rng.random() < 0.35:
        form = ", ".join(record)
    text = _text(rng, fields)
    question = rng.choice(
        (
            f"{text}\nGive that as JSON: {form}",
            f"Answer with JSON only: {form}\n{text}",
            f"Text: {text}\nSchema: {form}",
            f"Extract JSON of the form {form} from this text: {text}",
        )
    )
    return Exchange(
        question=question,
        reply=json.dumps(record),
        answer=json.dumps(record),
        thoughts=(f"The keys are {', '.join(record)}.",),
        record=record,
    )
