"""Actions: tools with arguments of several types, whose values all stand in the user's words."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from caesura.evals.tools.action_list import ACTIONS, Action, Slot, up_to
from caesura.evals.tools.exchange import (
    FLAG,
    TEXT,
    WHOLE,
    Call,
    Exchange,
    Kit,
    Parameter,
    asked,
    failed,
    make_tool,
)
from caesura.evals.tools.words import Words, identifier


def actions(rng: Random, words: Words) -> Kit:
    """One action under a name, a description and argument names of its own."""
    return _kit(rng, words, _made_up(rng, words) if rng.random() < 0.35 else rng.choice(ACTIONS))


def _made_up(rng: Random, words: Words) -> Action:
    """An action that nobody has heard of, with a text and a number or a switch."""
    verb, key = words.made_up(rng), words.made_up(rng)
    number = Slot((key, "times", "count"), WHOLE, "How many times.", up_to(99))
    flag = Slot((key, "fast", "is_fast"), FLAG, "Whether fast.", lambda rng, words: rng.random() < 0.5)
    thing = Slot(
        ("thing", "target", words.made_up(rng)), TEXT, "What.", lambda rng, words: words.entity(rng, "x")
    )
    wordings = (
        f"{verb.capitalize()} {{thing}} {{num}} times.",
        f"I want you to {verb} {{thing}} {{num}} times.",
    )
    if rng.random() < 0.3:
        return Action(
            names=(verb, f"{verb} it", words.made_up(rng)),
            descriptions=(f"{verb.capitalize()}s a thing, fast or not.",),
            slots={"thing": thing, "flag": flag},
            wordings=(f"{verb.capitalize()} {{thing}}{{flag}}.", f"Please {verb} {{thing}}{{flag}}."),
            reply=f"I {verb}ed {{thing}}.",
        )
    return Action(
        names=(verb, f"{verb} it", words.made_up(rng)),
        descriptions=(f"{verb.capitalize()}s a thing a number of times.", f"Does a {verb} to something."),
        slots={"thing": thing, "num": number},
        wordings=wordings,
        reply=f"I {verb}ed {{thing}} {{num}} times.",
    )


def _kit(rng: Random, words: Words, action: Action) -> Kit:
    keys = {name: _key(rng, words, slot) for name, slot in action.slots.items()}
    if len(set(keys.values())) < len(keys):
        keys = {name: slot.keys[0] for name, slot in action.slots.items()}
    parameters: list[Parameter] = []
    for name, slot in action.slots.items():
        is_told = keys[name] not in slot.keys or rng.random() < 0.25
        schema = {**slot.schema, "description": slot.description} if is_told else slot.schema
        parameters.append(Parameter(keys[name], schema, not slot.optional))
    rng.shuffle(parameters)
    name = words.made_up(rng) if rng.random() < 0.2 else rng.choice(action.names)
    tool = make_tool(rng, identifier(rng, [name]), rng.choice(action.descriptions), parameters)
    order = [each.key for each in parameters]

    def ask(rng: Random) -> Exchange:
        wording = rng.choice(action.wordings)
        drawn = {
            name: slot.draw(rng, words) for name, slot in action.slots.items() if f"{{{name}}}" in wording
        }
        given = {keys[name]: value for name, value in drawn.items()}
        call = Call(tool.name, {key: given[key] for key in order if key in given}, "ok")
        told = {name: _told(value) for name, value in drawn.items()}
        return _exchange(rng, call, asked(rng, wording.format(**told)), action.reply.format_map(told))

    return Kit(tools=(tool,), ask=ask)


def _key(rng: Random, words: Words, slot: Slot) -> str:
    return words.made_up(rng) if rng.random() < 0.12 else rng.choice(slot.keys)


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return " fast" if value else ""
    if isinstance(value, list):
        return value[0] if len(value) == 1 else f"{', '.join(value[:-1])} and {value[-1]}"
    return str(value)


def _exchange(rng: Random, call: Call, question: str, reply: str) -> Exchange:
    """The end of it: done, done with an id that is to be told, or failed."""
    draw, answer = rng.random(), ""
    if draw < 0.12:
        call, reply = failed(rng, call, "do that")
        answer = call.result
    elif draw < 0.45:
        answer = str(rng.randint(100, 99_999))
        call = call._replace(result=rng.choice((json.dumps({"id": int(answer)}), f"Done, id {answer}")))
        reply = f"{reply} The id is {answer}."
    else:
        call = call._replace(result=rng.choice(("ok", "done", '{"status": "ok"}', "success", "true")))
    thoughts = (f"This is what {call.name} does.", "It failed." if call.is_error else "It is done.")
    return Exchange(question=question, steps=((call,),), reply=reply, answer=answer, thoughts=thoughts)
