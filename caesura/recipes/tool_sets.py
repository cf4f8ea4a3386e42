"""Kinds of exercises with tools that come from public sets: intents, slots, tools of others, commands, facts.

Enters: the data folder. Leaves: a `Kind` of each with its weight. What a public set keeps for measuring is
not in the folder; of MetaTool another tenth is kept for `caesura eval tools`. Read next: `tools.py`.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from caesura.evals.tool_sources import is_kept_for_measuring
from caesura.evals.tools import Call, Exchange, Kind, Kit, Words
from caesura.evals.tools.exchange import TEXT, WHOLE, Parameter, asked, make_tool
from caesura.evals.tools.words import identifier
from caesura.messages.content import Tool
from caesura.messages.errors import DataError
from caesura.recipes.chat import KINDS
from caesura.recipes.countries import Country, Topic, read_countries
from caesura.recipes.plain import words_of
from caesura.train.sets import SETS, open_set

_MAX_REQUEST_CHARS = 90
_MAX_COMMAND_CHARS = 60
_MAX_REPLY_CHARS = 160
_CHAT_KINDS = ("greetings", "identity", "capability", "small_talk", "jokes", "definitions")
_PLATFORMS = ("common", "linux")
_PLACEHOLDER = re.compile(r"{{(?:\[[^|\]]*\|)?([^}\]]*)\]?}}")
_NONE_FITS = "None of my tools fits that."
_OUT_OF_SCOPE = "oos"
# What talk is for, not a tool.
_CHATTY = words_of(
    """
    goodbye greeting thank_you yes no maybe oos are_you_a_bot what_is_your_name how_old_are_you
    repeat what_are_your_hobbies where_are_you_from who_made_you do_you_have_pets tell_joke
    fun_fact cancel meaning_of_life who_do_you_work_for what_can_i_ask_you text
    """
)
_TOPICS: Mapping[Topic, str] = {
    "capital": "capital",
    "language": "language",
    "currency": "money",
    "people": "number of people",
    "area": "area",
    "peak": "highest point",
    "borders": "neighbours",
    "continent": "continent",
}


def tool_set_kinds(folder: Path) -> dict[str, tuple[float, Kind]]:
    """The kinds by name, each with its weight beside those of `tools.py`."""
    return {
        "countries": (1.2, country_facts(folder)),
        "intents": (1.2, intents(folder)),
        "slots": (1.5, slots(folder)),
        "tool_choice": (2.0, tool_choice(folder)),
        "commands": (0.6, commands(folder)),
        "chat": (1.0, chat(folder)),
    }


def chat(folder: Path) -> Kind:
    """What the model answers by itself, beside tools that it does not need."""
    kinds = [KINDS[name].load(folder) for name in _CHAT_KINDS]

    def ask(rng: Random) -> Exchange:
        while True:
            talked = rng.choice(kinds)(rng)
            if len(talked.turns) == 2 and not talked.system and len(talked.turns[1][1]) <= _MAX_REPLY_CHARS:
                question, reply = (text for _, text in talked.turns)
                return Exchange(question=question, reply=reply, thoughts=(talked.thought,))

    return lambda rng, words: Kit(tools=(), ask=ask)


def country_facts(folder: Path) -> Kind:
    """A tool that knows one fact, or a chosen one, of every country."""
    countries = list(read_countries(folder))

    def kind(rng: Random, words: Words) -> Kit:
        key = rng.choice(("country", "name", "state", words.made_up(rng)))
        if rng.random() < 0.5:
            topic = rng.choice(tuple(_TOPICS))
            description = rng.choice(("Tells the {} of a country.", "The {} of any country.")).format(
                _TOPICS[topic]
            )
            name = identifier(rng, [rng.choice(("get", "country", "find")), topic])
            tool = make_tool(rng, name, description, [Parameter(key, TEXT)])
            return Kit(tools=(tool,), ask=lambda rng: _fact(rng, countries, tool, topic, {key: ""}))
        topics = list(_TOPICS)
        fact_key = rng.choice(("fact", "topic", "field", "what"))
        schema = {"type": "string", "enum": topics}
        parameters = [Parameter(key, TEXT), Parameter(fact_key, schema)]
        name = identifier(rng, [rng.choice(("country facts", "country info", "atlas", words.made_up(rng)))])
        tool = make_tool(rng, name, "Looks up a fact about a country.", parameters)

        def ask(rng: Random) -> Exchange:
            topic: Topic = rng.choice(tuple(_TOPICS))
            return _fact(rng, countries, tool, topic, {key: "", fact_key: topic})

        return Kit(tools=(tool,), ask=ask)

    return kind


def _fact(
    rng: Random, countries: Sequence[Country], tool: Tool, topic: Topic, form: Mapping[str, str]
) -> Exchange:
    """A question for a fact; the empty argument is the country."""
    country = rng.choice([each for each in countries if topic in each.facts])
    name = country.name.removeprefix("the ")
    question = rng.choice(("What is the {1} of {0}?", "Tell me the {1} of {0}.", "{0}: what is its {1}?"))
    call = Call(tool.name, {key: value or name for key, value in form.items()}, country.facts[topic])
    return Exchange(
        question=asked(rng, question.format(name, _TOPICS[topic])),
        steps=((call,),),
        reply=country.sentence(topic),
        answer=country.facts[topic],
        thoughts=(f"{tool.name} knows {name}.", f"It says {call.result}."),
    )


def intents(folder: Path) -> Kind:
    """Tools named by what they are for, without arguments; some requests fit none of them."""
    texts: dict[str, list[str]] = defaultdict(list)
    for row in open_set(folder, "clinc150"):
        if len(row["text"]) <= _MAX_REQUEST_CHARS and row["text"].isascii():
            texts[row["intent"]].append(row["text"])
    serious = sorted(set(texts) - _CHATTY)

    def kind(rng: Random, words: Words) -> Kit:
        chosen = rng.sample(serious, min(len(serious), rng.randint(2, 4)))
        tools = {each: _intent_tool(rng, each) for each in chosen}

        def ask(rng: Random) -> Exchange:
            if rng.random() < 0.35 or not chosen:
                strange = (
                    _OUT_OF_SCOPE if rng.random() < 0.4 and texts[_OUT_OF_SCOPE] else rng.choice(serious)
                )
                if strange not in tools:
                    return _refused(rng.choice(texts[strange]))
            intent = rng.choice(chosen)
            call = Call(tools[intent].name, {}, rng.choice(("ok", "done", "started")))
            return _done(rng.choice(texts[intent]), call)

        return Kit(tools=tuple(tools.values()), ask=ask)

    return kind


def _intent_tool(rng: Random, intent: str) -> Tool:
    spoken = intent.replace("_", " ")
    description = rng.choice(("For requests about {}.", "Handles: {}.", "{}", "Use it for {}.")).format(
        spoken
    )
    return make_tool(rng, identifier(rng, [spoken]), description, [])


def _refused(question: str) -> Exchange:
    return Exchange(question=question, reply=_NONE_FITS, thoughts=("No tool is for that.",))


def _done(question: str, call: Call) -> Exchange:
    return Exchange(
        question=question,
        steps=((call,),),
        reply=f"{call.name} says: {call.result}.",
        answer=call.result,
        thoughts=(f"That is for {call.name}.", f"It says {call.result}."),
    )


def slots(folder: Path) -> Kind:
    """Intents whose arguments stand in the request, each of them optional."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    names: dict[str, set[str]] = defaultdict(set)
    for row in open_set(folder, "snips"):
        filled = [each["slot"] for each in row["slots"]]
        if (
            len(set(filled)) == len(filled)
            and row["text"].isascii()
            and len(row["text"]) <= _MAX_REQUEST_CHARS
        ):
            rows[row["intent"]].append(row)
            names[row["intent"]].update(filled)

    def kind(rng: Random, words: Words) -> Kit:
        intent = rng.choice(sorted(rows))
        drawn = rng.sample(rows[intent], min(4, len(rows[intent])))
        needed = {each["slot"] for row in drawn for each in row["slots"]}
        others = sorted(names[intent] - needed)
        keys = sorted(needed | set(rng.sample(others, min(len(others), rng.randint(0, 2)))))
        rng.shuffle(keys)
        spoken = re.sub(r"(?<!^)(?=[A-Z])", " ", intent).lower()
        parameters = [Parameter(key, TEXT, False) for key in keys]
        tool = make_tool(rng, identifier(rng, [spoken]), f"Use it to {spoken}.", parameters)

        def ask(rng: Random) -> Exchange:
            row = rng.choice(drawn)
            given = {each["slot"]: each["value"] for each in row["slots"]}
            call = Call(
                tool.name, {key: given[key] for key in keys if key in given}, rng.choice(("ok", "done"))
            )
            return _done(row["text"], call)

        return Kit(tools=(tool,), ask=ask)

    return kind


def tool_choice(folder: Path) -> Kind:
    """Tools of many makers, one of which serves the request, or none."""
    described = read_descriptions(folder)
    queries: dict[str, list[str]] = defaultdict(list)
    for row in open_set(folder, "metatool"):
        query = row["query"]
        if len(query) <= _MAX_REQUEST_CHARS and query.isascii() and not is_kept_for_measuring(query):
            queries[row["tool"]].append(query)
    names = sorted(name for name in queries if name in described)

    def kind(rng: Random, words: Words) -> Kit:
        chosen = rng.sample(names, min(len(names), rng.randint(2, 4)))
        absent = chosen.pop() if rng.random() < 0.25 and len(chosen) > 1 else None
        key = rng.choice(("query", "request", "input")) if rng.random() < 0.4 else None
        parameters = [Parameter(key, TEXT)] if key else []
        tools = tuple(make_tool(rng, name, described[name], parameters) for name in chosen)

        def ask(rng: Random) -> Exchange:
            if absent is not None and rng.random() < 0.5:
                return _refused(rng.choice(queries[absent]))
            name = rng.choice(chosen)
            query = rng.choice(queries[name])
            return _done(
                query, Call(name, {key: query} if key else {}, rng.choice(("ok", "done", "started")))
            )

        return Kit(tools=tools, ask=ask)

    return kind


def read_descriptions(folder: Path) -> dict[str, str]:
    """What MetaTool's tools do, by name: one JSON object, which may take several lines."""
    path = folder / SETS["metatool_tools"].file
    if not path.is_file():
        raise DataError(f"{path}: the data set 'metatool_tools' is not there; fetch it or set CAESURA_DATA")
    return json.loads(path.read_text(encoding="utf-8"))


def commands(folder: Path) -> Kind:
    """A shell, and tasks with the command that does them."""
    pairs = [
        (example["task"], command)
        for row in open_set(folder, "tldr")
        if row["platform"] in _PLATFORMS
        for example in row["examples"][:3]
        if (command := _PLACEHOLDER.sub(r"\1", example["command"])).isascii()
        and len(command) <= _MAX_COMMAND_CHARS
        and len(example["task"]) <= _MAX_REQUEST_CHARS
    ]

    def kind(rng: Random, words: Words) -> Kit:
        name = identifier(rng, [rng.choice(("bash", "shell", "run", "terminal"))])
        key = rng.choice(("command", "command", "cmd"))
        parameters = [Parameter(key, TEXT)]
        if rng.random() < 0.3:
            parameters.append(Parameter("timeout", WHOLE, False))
        tool = make_tool(rng, name, rng.choice(("Runs a shell command.", "A shell.")), parameters)

        def ask(rng: Random) -> Exchange:
            task, command = rng.choice(pairs)
            return Exchange(
                question=task,
                steps=((Call(tool.name, {key: command}, "ok"),),),
                reply="It is done.",
                thoughts=(f"I use {tool.name}.", "It is done."),
            )

        return Kit(tools=(tool,), ask=ask)

    return kind
