"""Look-ups: a tool that tells one quality of a thing, alone, several at once, or one behind the other."""

from __future__ import annotations

import json
from random import Random

from caesura.evals.tools.exchange import (
    TEXT,
    Call,
    Exchange,
    Kit,
    Parameter,
    asked,
    described,
    failed,
    make_tool,
)
from caesura.evals.tools.words import QUALITIES, THINGS, Words, article, identifier
from caesura.messages.content import Tool

_VERBS = ("get", "find", "look up", "fetch", "read", "query", "show", "tell", "check")
_DESCRIPTIONS = (
    "Returns the {quality} of {a_thing}.",
    "Looks up the {quality} of {a_thing}.",
    "Finds the {quality} of {a_thing} by its name.",
    "The {quality} of {a_thing}.",
    "Use this to find the {quality} of any {thing}.",
    "Tells which {quality} {a_thing} has.",
    "Gives the {quality} of the {thing} that is named.",
)
_QUESTIONS = (
    "What is the {quality} of {entity}?",
    "Tell me the {quality} of {entity}.",
    "Look up the {quality} of {entity}.",
    "I need the {quality} of {entity}.",
    "Which {quality} does {entity} have?",
    "Find the {quality} of {entity}.",
    "Do you know the {quality} of {entity}?",
    "What {quality} has the {thing} {entity}?",
)


class _Lookup:
    """One tool of this kind."""

    def __init__(self, rng: Random, words: Words, *, thing: str = "", quality: str = "") -> None:
        self.words = words
        self.thing = thing or words.noun(rng, THINGS)
        self.quality = quality or words.noun(rng, QUALITIES)
        self.key = rng.choice(
            (self.thing, self.thing, "name", "query", f"{self.thing}_name", "input", words.made_up(rng))
        )
        self.is_json = rng.random() < 0.25
        description = rng.choice(_DESCRIPTIONS).format(
            quality=self.quality, thing=self.thing, a_thing=article(self.thing)
        )
        schema = described(rng, TEXT, f"The {self.thing}.", 0.25)
        self.tool: Tool = make_tool(rng, self._name(rng), description, [Parameter(self.key, schema)])

    def _name(self, rng: Random) -> str:
        forms = (
            (rng.choice(_VERBS), self.quality),
            (rng.choice(_VERBS), self.thing, self.quality),
            (self.quality, "of", self.thing),
            (self.quality, "lookup"),
            (self.words.made_up(rng),),
            (self.words.made_up(rng), self.words.made_up(rng)),
        )
        return identifier(rng, rng.choice(forms))

    def call(self, entity: str, value: str) -> Call:
        result = json.dumps({self.quality: value}) if self.is_json else value
        return Call(self.tool.name, {self.key: entity}, result)

    def question(self, rng: Random, entity: str) -> str:
        words = rng.choice(_QUESTIONS).format(quality=self.quality, entity=entity, thing=self.thing)
        return asked(rng, words)


def lookups(rng: Random, words: Words) -> Kit:
    """One or two look-ups, unlike in what they tell."""
    first = _Lookup(rng, words)
    second = _Lookup(rng, words)
    if second.tool.name == first.tool.name or second.quality == first.quality:
        return Kit(tools=(first.tool,), ask=lambda rng: _one(rng, first))

    def ask(rng: Random) -> Exchange:
        draw = rng.random()
        if draw < 0.25:
            return _several(rng, rng.choice((first, second)))
        if draw < 0.35:
            return _two_qualities(rng, first, second)
        return _one(rng, rng.choice((first, second)))

    return Kit(tools=(first.tool, second.tool), ask=ask)


def chained_lookups(rng: Random, words: Words) -> Kit:
    """Two look-ups, the second of which wants what the first one finds."""
    first = _Lookup(rng, words)
    second = _Lookup(rng, words, thing=first.quality)
    if second.quality in (first.quality, first.thing) or first.tool.name == second.tool.name:
        return lookups(rng, words)

    def ask(rng: Random) -> Exchange:
        if rng.random() < 0.2:
            return _one(rng, rng.choice((first, second)))
        entity, middle, value = words.entity(rng), words.entity(rng), words.value(rng)
        what = f"the {second.quality} of the {first.quality} of {entity}"
        question = rng.choice(("What is {}?", "Tell me {}.", "Find {}.", "I want to know {}.")).format(what)
        return Exchange(
            question=asked(rng, question),
            steps=((first.call(entity, middle),), (second.call(middle, value),)),
            reply=f"T{what[1:]} is {value}.",
            answer=value,
            thoughts=(
                f"First the {first.quality} of {entity}: {first.tool.name}.",
                f"The {first.quality} is {middle}. Now its {second.quality}: {second.tool.name}.",
                f"It is {value}.",
            ),
        )

    return Kit(tools=(first.tool, second.tool), ask=ask)


def _one(rng: Random, lookup: _Lookup) -> Exchange:
    entity, value = lookup.words.entity(rng, lookup.thing), lookup.words.value(rng)
    call, reply = lookup.call(entity, value), f"The {lookup.quality} of {entity} is {value}."
    if rng.random() < 0.1:
        call, reply = failed(rng, call, f"find the {lookup.quality} of {entity}")
        value = call.result
    return Exchange(
        question=lookup.question(rng, entity),
        steps=((call,),),
        reply=reply,
        answer=value,
        thoughts=(f"I need the {lookup.quality} of {entity}: {lookup.tool.name}.", _found(call, value)),
    )


def _found(call: Call, value: str) -> str:
    return f"An error: {value}." if call.is_error else f"It is {value}."


def _several(rng: Random, lookup: _Lookup) -> Exchange:
    """One quality of two or three things, asked for at once."""
    entities = list(
        dict.fromkeys(lookup.words.entity(rng, lookup.thing) for _ in range(rng.choice((2, 2, 3))))
    )
    values = [lookup.words.value(rng) for _ in entities]
    listed = _list(entities)
    question = rng.choice(
        (
            f"What is the {lookup.quality} of {listed}?",
            f"Tell me the {lookup.quality} of {listed}.",
            f"Compare the {lookup.quality} of {listed}.",
            f"Find the {lookup.quality} for each of {listed}.",
        )
    )
    told = [f"{entity}: {value}" for entity, value in zip(entities, values, strict=True)]
    return Exchange(
        question=asked(rng, question),
        steps=(tuple(lookup.call(entity, value) for entity, value in zip(entities, values, strict=True)),),
        reply=f"{', '.join(told)}.",
        answer=", ".join(told),
        thoughts=(f"I call {lookup.tool.name} for {listed}.", "I have all of them."),
    )


def _two_qualities(rng: Random, first: _Lookup, second: _Lookup) -> Exchange:
    entity = first.words.entity(rng)
    values = [first.words.value(rng), first.words.value(rng)]
    told = f"{first.quality}: {values[0]}, {second.quality}: {values[1]}"
    return Exchange(
        question=asked(rng, f"What are the {first.quality} and the {second.quality} of {entity}?"),
        steps=((first.call(entity, values[0]), second.call(entity, values[1])),),
        reply=f"{told[0].upper()}{told[1:]}.",
        answer=told,
        thoughts=(f"I need two calls: {first.tool.name} and {second.tool.name}.", "I have both."),
    )


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def missing(rng: Random, words: Words) -> Kit:
    """A question that no tool at hand can answer."""
    absent = _Lookup(rng, words)

    def ask(rng: Random) -> Exchange:
        entity = words.entity(rng, absent.thing)
        return Exchange(
            question=absent.question(rng, entity),
            reply=f"I have no tool that finds the {absent.quality} of {entity}.",
            thoughts=(f"No tool tells the {absent.quality}.",),
        )

    return Kit(tools=(), ask=ask, absent=absent.quality)
