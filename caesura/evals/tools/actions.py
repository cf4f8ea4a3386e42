"""Actions: tools with arguments of several types, whose values all stand in the user's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from caesura.evals.tools.exchange import (
    FLAG,
    NUMBER,
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
from caesura.evals.tools.words import (
    CHORES,
    COLOURS,
    DAYS,
    DEVICES,
    DIRECTIONS,
    ITEMS,
    LANGUAGES,
    PEOPLE,
    SAYINGS,
    TOPICS,
    Words,
    identifier,
)

Draw = Callable[[Random, Words], Any]


class _Slot(NamedTuple):
    """One argument: the names it may have, its type, what it says, how it is drawn.

    optional: stands in the question only in wordings that name it.
    """

    keys: tuple[str, ...]
    schema: Mapping[str, Any]
    description: str
    draw: Draw
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Action:
    """What can be done: names for it, descriptions, its slots, how people ask, and the reply."""

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    slots: Mapping[str, _Slot]
    wordings: tuple[str, ...]
    reply: str


def _count(high: int) -> Draw:
    return lambda rng, words: rng.randint(2, high)


def _picked(pool: Sequence[str]) -> Draw:
    return lambda rng, words: words.pick(rng, pool)


def _time(rng: Random, words: Words) -> str:
    return f"{rng.randrange(7, 23):02}:{rng.choice((0, 15, 30, 45)):02}"


def _amount(rng: Random, words: Words) -> float:
    return rng.randint(2, 99) + rng.choice((0.25, 0.5, 0.75))


def _items(rng: Random, words: Words) -> list[str]:
    return words.several(rng, ITEMS, rng.choice((1, 2, 2, 3)))


def _either(*options: str) -> tuple[Mapping[str, Any], Draw]:
    return {"type": "string", "enum": list(options)}, lambda rng, words: rng.choice(options)


_WAYS, _WAY = _either(*DIRECTIONS)
_SWITCH, _SWITCHED = _either("on", "off")
_MONEY, _CURRENCY = _either("euros", "dollars", "pounds")
_PERSON = _Slot(("to", "person", "recipient", "name", "contact"), TEXT, "Who it is for.", _picked(PEOPLE))
_DAY = _Slot(("day", "date", "weekday", "when"), TEXT, "The day.", lambda rng, words: rng.choice(DAYS))
_TIME = _Slot(("time", "at", "clock"), TEXT, "The time, HH:MM.", _time)

_ACTIONS: tuple[_Action, ...] = (
    _Action(
        names=("send message", "text", "write to", "message send", "notify"),
        descriptions=("Sends a message to a person.", "Writes somebody a short message."),
        slots={
            "to": _PERSON,
            "text": _Slot(("text", "message", "body", "content"), TEXT, "What to say.", _picked(SAYINGS)),
        },
        wordings=(
            "Tell {to}: {text}.",
            'Send {to} the message "{text}".',
            'Write "{text}" to {to}.',
            "Let {to} know: {text}.",
        ),
        reply="I sent the message to {to}.",
    ),
    _Action(
        names=("set timer", "start timer", "timer", "countdown"),
        descriptions=("Starts a timer.", "Counts down some minutes and rings."),
        slots={
            "minutes": _Slot(("minutes", "duration", "length", "mins"), WHOLE, "In minutes.", _count(90)),
            "label": _Slot(("label", "name", "title"), TEXT, "What it is for.", _picked(DEVICES), True),
        },
        wordings=(
            "Set a timer for {minutes} minutes.",
            "Start a {minutes} minute timer called {label}.",
            "Wake me in {minutes} minutes.",
            "Timer for {minutes} minutes, name it {label}.",
        ),
        reply="The timer runs for {minutes} minutes.",
    ),
    _Action(
        names=("book table", "reserve", "make reservation", "table booking"),
        descriptions=("Books a table in a restaurant.", "Reserves seats at a restaurant."),
        slots={
            "place": _Slot(
                ("restaurant", "place", "where", "venue"),
                TEXT,
                "The restaurant.",
                lambda r, w: w.entity(r, "x"),
            ),
            "people": _Slot(("people", "guests", "party_size", "seats"), WHOLE, "How many.", _count(12)),
            "day": _DAY,
        },
        wordings=(
            "Book a table for {people} at {place} on {day}.",
            "On {day} we are {people} people at {place}, reserve a table.",
            "Reserve a table at {place} for {people} on {day}.",
        ),
        reply="A table for {people} at {place} is booked for {day}.",
    ),
    _Action(
        names=("order", "buy", "purchase", "add to cart", "shop order"),
        descriptions=("Orders things from the shop.", "Buys a number of one thing."),
        slots={
            "item": _Slot(("item", "product", "article", "what"), TEXT, "What to buy.", _picked(ITEMS)),
            "count": _Slot(("count", "quantity", "number", "amount"), WHOLE, "How many.", _count(60)),
        },
        wordings=(
            "Buy {count} {item}.",
            "Order {count} {item}.",
            "I need {count} {item}.",
            "Get me {count} {item}.",
        ),
        reply="I ordered {count} {item}.",
    ),
    _Action(
        names=("switch", "set device", "power", "device control", "toggle"),
        descriptions=("Switches a device on or off.", "Turns a machine in the house on or off."),
        slots={
            "device": _Slot(("device", "machine", "name", "target"), TEXT, "Which device.", _picked(DEVICES)),
            "state": _Slot(("state", "power", "mode", "setting"), _SWITCH, "On or off.", _SWITCHED),
        },
        wordings=(
            "Turn the {device} {state}.",
            "Switch {state} the {device}.",
            "The {device} should be {state}.",
        ),
        reply="The {device} is {state}.",
    ),
    _Action(
        names=("add to list", "list add", "put on list", "append items"),
        descriptions=("Puts things on a list.", "Adds entries to a list by its name."),
        slots={
            "items": _Slot(
                ("items", "entries", "things"), {"type": "array", "items": TEXT}, "What to add.", _items
            ),
            "list": _Slot(
                ("list", "list_name", "target", "name"), TEXT, "Which list.", lambda r, w: w.made_up(r)
            ),
        },
        wordings=(
            "Put {items} on the list {list}.",
            "Add {items} to the {list} list.",
            "On list {list}: {items}.",
        ),
        reply="I put {items} on the list {list}.",
    ),
    _Action(
        names=("remind", "set reminder", "reminder", "remember"),
        descriptions=("Reminds the user of something.", "Sets a reminder for a time of the day."),
        slots={
            "text": _Slot(("text", "task", "what", "note"), TEXT, "What to do.", _picked(CHORES)),
            "time": _TIME,
        },
        wordings=(
            "Remind me to {text} at {time}.",
            "At {time} I have to {text}, remind me.",
            "{time}: {text}.",
        ),
        reply="I will remind you at {time} to {text}.",
    ),
    _Action(
        names=("translate", "translation", "to language"),
        descriptions=("Translates a text.", "Says a text in another language."),
        slots={
            "text": _Slot(("text", "sentence", "input", "source"), TEXT, "The text.", _picked(SAYINGS)),
            "language": _Slot(("language", "target", "to", "lang"), TEXT, "Into which.", _picked(LANGUAGES)),
        },
        wordings=('Translate "{text}" into {language}.', 'What is "{text}" in {language}?'),
        reply="Here it is in {language}.",
    ),
    _Action(
        names=("transfer", "send money", "pay", "payment"),
        descriptions=("Sends money to a person.", "Pays somebody an amount."),
        slots={
            "to": _PERSON,
            "amount": _Slot(("amount", "sum", "value"), NUMBER, "How much.", _amount),
            "currency": _Slot(("currency", "unit", "kind"), _MONEY, "Of which money.", _CURRENCY),
        },
        wordings=(
            "Send {amount} {currency} to {to}.",
            "Pay {to} {amount} {currency}.",
            "{to} gets {amount} {currency}.",
        ),
        reply="I sent {amount} {currency} to {to}.",
    ),
    _Action(
        names=("move", "walk", "drive", "go"),
        descriptions=("Moves the robot.", "Drives the robot some steps in a direction."),
        slots={
            "direction": _Slot(("direction", "way", "heading"), _WAYS, "Which way.", _WAY),
            "steps": _Slot(("steps", "distance", "count", "n"), WHOLE, "How far.", _count(40)),
        },
        wordings=(
            "Go {steps} steps {direction}.",
            "Move the robot {direction} by {steps}.",
            "{steps} steps {direction}.",
        ),
        reply="The robot went {steps} steps {direction}.",
    ),
    _Action(
        names=("search", "web search", "find pages", "lookup"),
        descriptions=("Searches the web.", "Finds pages about a topic."),
        slots={
            "query": _Slot(
                ("query", "q", "topic", "search_term"), TEXT, "What to look for.", _picked(TOPICS)
            ),
            "limit": _Slot(
                ("limit", "max_results", "count", "n"), WHOLE, "At most so many.", _count(20), True
            ),
        },
        wordings=(
            "Search for {query}.",
            "Find {limit} pages about {query}.",
            "Look for {query}, {limit} results.",
            "Search the web for {query}.",
        ),
        reply="I found pages about {query}.",
    ),
    _Action(
        names=("paint", "set colour", "colour change"),
        descriptions=("Gives a thing a colour.", "Paints something."),
        slots={
            "thing": _Slot(("thing", "object", "target", "name"), TEXT, "What to paint.", _picked(DEVICES)),
            "colour": _Slot(("colour", "color", "paint"), TEXT, "The colour.", _picked(COLOURS)),
        },
        wordings=("Paint the {thing} {colour}.", "Make the {thing} {colour}.", "I want a {colour} {thing}."),
        reply="The {thing} is {colour} now.",
    ),
    _Action(
        names=("create event", "calendar add", "schedule", "plan"),
        descriptions=("Puts an event into the calendar.", "Plans something for a day."),
        slots={
            "title": _Slot(("title", "event", "summary", "name"), TEXT, "What it is.", _picked(CHORES)),
            "day": _DAY,
            "time": _TIME._replace(optional=True),
        },
        wordings=(
            "Plan for {day}: {text}.".replace("{text}", "{title}"),
            "Schedule {title} on {day} at {time}.",
            "Put {title} into my calendar for {day}, {time}.",
        ),
        reply="It is in your calendar for {day}.",
    ),
)


def actions(rng: Random, words: Words) -> Kit:
    """One action under a name, a description and argument names of its own."""
    return _kit(rng, words, _made_up(rng, words) if rng.random() < 0.35 else rng.choice(_ACTIONS))


def _made_up(rng: Random, words: Words) -> _Action:
    """An action that nobody has heard of, with a text and a number or a switch."""
    verb, key = words.made_up(rng), words.made_up(rng)
    number = _Slot((key, "times", "count"), WHOLE, "How many times.", _count(99))
    flag = _Slot((key, "fast", "is_fast"), FLAG, "Whether fast.", lambda rng, words: rng.random() < 0.5)
    thing = _Slot(
        ("thing", "target", words.made_up(rng)), TEXT, "What.", lambda rng, words: words.entity(rng, "x")
    )
    wordings = (
        f"{verb.capitalize()} {{thing}} {{num}} times.",
        f"I want you to {verb} {{thing}} {{num}} times.",
    )
    if rng.random() < 0.3:
        return _Action(
            names=(verb, f"{verb} it", words.made_up(rng)),
            descriptions=(f"{verb.capitalize()}s a thing, fast or not.",),
            slots={"thing": thing, "flag": flag},
            wordings=(f"{verb.capitalize()} {{thing}}{{flag}}.", f"Please {verb} {{thing}}{{flag}}."),
            reply=f"I {verb}ed {{thing}}.",
        )
    return _Action(
        names=(verb, f"{verb} it", words.made_up(rng)),
        descriptions=(f"{verb.capitalize()}s a thing a number of times.", f"Does a {verb} to something."),
        slots={"thing": thing, "num": number},
        wordings=wordings,
        reply=f"I {verb}ed {{thing}} {{num}} times.",
    )


def _kit(rng: Random, words: Words, action: _Action) -> Kit:
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


def _key(rng: Random, words: Words, slot: _Slot) -> str:
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
