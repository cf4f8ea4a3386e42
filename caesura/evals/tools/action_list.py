"""What can be done by tools: names, descriptions, arguments, and the ways in which people ask for it.

Enters: a generator and words. Leaves: `Action`s. Read next: `actions.py`, which makes kits of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from caesura.evals.tools.exchange import NUMBER, TEXT, WHOLE
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
)

Draw = Callable[[Random, Words], Any]


class Slot(NamedTuple):
    """One argument: the names it may have, its type, what it says, how it is drawn.

    optional: stands in the question only in wordings that name it.
    """

    keys: tuple[str, ...]
    schema: Mapping[str, Any]
    description: str
    draw: Draw
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What can be done: names for it, descriptions, its slots, how people ask, and the reply."""

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    slots: Mapping[str, Slot]
    wordings: tuple[str, ...]
    reply: str


def up_to(high: int) -> Draw:
    """A whole number from 2 on."""
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
_PERSON = Slot(("to", "person", "recipient", "name", "contact"), TEXT, "Who it is for.", _picked(PEOPLE))
_DAY = Slot(("day", "date", "weekday", "when"), TEXT, "The day.", lambda rng, words: rng.choice(DAYS))
_TIME = Slot(("time", "at", "clock"), TEXT, "The time, HH:MM.", _time)

ACTIONS: tuple[Action, ...] = (
    Action(
        names=("send message", "text", "write to", "message send", "notify"),
        descriptions=("Sends a message to a person.", "Writes somebody a short message."),
        slots={
            "to": _PERSON,
            "text": Slot(("text", "message", "body", "content"), TEXT, "What to say.", _picked(SAYINGS)),
        },
        wordings=(
            "Tell {to}: {text}.",
            'Send {to} the message "{text}".',
            'Write "{text}" to {to}.',
            "Let {to} know: {text}.",
        ),
        reply="I sent the message to {to}.",
    ),
    Action(
        names=("set timer", "start timer", "timer", "countdown"),
        descriptions=("Starts a timer.", "Counts down some minutes and rings."),
        slots={
            "minutes": Slot(("minutes", "duration", "length", "mins"), WHOLE, "In minutes.", up_to(90)),
            "label": Slot(("label", "name", "title"), TEXT, "What it is for.", _picked(DEVICES), True),
        },
        wordings=(
            "Set a timer for {minutes} minutes.",
            "Start a {minutes} minute timer called {label}.",
            "Wake me in {minutes} minutes.",
            "Timer for {minutes} minutes, name it {label}.",
        ),
        reply="The timer runs for {minutes} minutes.",
    ),
    Action(
        names=("book table", "reserve", "make reservation", "table booking"),
        descriptions=("Books a table in a restaurant.", "Reserves seats at a restaurant."),
        slots={
            "place": Slot(
                ("restaurant", "place", "where", "venue"),
                TEXT,
                "The restaurant.",
                lambda r, w: w.entity(r, "x"),
            ),
            "people": Slot(("people", "guests", "party_size", "seats"), WHOLE, "How many.", up_to(12)),
            "day": _DAY,
        },
        wordings=(
            "Book a table for {people} at {place} on {day}.",
            "On {day} we are {people} people at {place}, reserve a table.",
            "Reserve a table at {place} for {people} on {day}.",
        ),
        reply="A table for {people} at {place} is booked for {day}.",
    ),
    Action(
        names=("order", "buy", "purchase", "add to cart", "shop order"),
        descriptions=("Orders things from the shop.", "Buys a number of one thing."),
        slots={
            "item": Slot(("item", "product", "article", "what"), TEXT, "What to buy.", _picked(ITEMS)),
            "count": Slot(("count", "quantity", "number", "amount"), WHOLE, "How many.", up_to(60)),
        },
        wordings=(
            "Buy {count} {item}.",
            "Order {count} {item}.",
            "I need {count} {item}.",
            "Get me {count} {item}.",
        ),
        reply="I ordered {count} {item}.",
    ),
    Action(
        names=("switch", "set device", "power", "device control", "toggle"),
        descriptions=("Switches a device on or off.", "Turns a machine in the house on or off."),
        slots={
            "device": Slot(("device", "machine", "name", "target"), TEXT, "Which device.", _picked(DEVICES)),
            "state": Slot(("state", "power", "mode", "setting"), _SWITCH, "On or off.", _SWITCHED),
        },
        wordings=(
            "Turn the {device} {state}.",
            "Switch {state} the {device}.",
            "The {device} should be {state}.",
        ),
        reply="The {device} is {state}.",
    ),
    Action(
        names=("add to list", "list add", "put on list", "append items"),
        descriptions=("Puts things on a list.", "Adds entries to a list by its name."),
        slots={
            "items": Slot(
                ("items", "entries", "things"), {"type": "array", "items": TEXT}, "What to add.", _items
            ),
            "list": Slot(
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
    Action(
        names=("remind", "set reminder", "reminder", "remember"),
        descriptions=("Reminds the user of something.", "Sets a reminder for a time of the day."),
        slots={
            "text": Slot(("text", "task", "what", "note"), TEXT, "What to do.", _picked(CHORES)),
            "time": _TIME,
        },
        wordings=(
            "Remind me to {text} at {time}.",
            "At {time} I have to {text}, remind me.",
            "{time}: {text}.",
        ),
        reply="I will remind you at {time} to {text}.",
    ),
    Action(
        names=("translate", "translation", "to language"),
        descriptions=("Translates a text.", "Says a text in another language."),
        slots={
            "text": Slot(("text", "sentence", "input", "source"), TEXT, "The text.", _picked(SAYINGS)),
            "language": Slot(("language", "target", "to", "lang"), TEXT, "Into which.", _picked(LANGUAGES)),
        },
        wordings=('Translate "{text}" into {language}.', 'What is "{text}" in {language}?'),
        reply="Here it is in {language}.",
    ),
    Action(
        names=("transfer", "send money", "pay", "payment"),
        descriptions=("Sends money to a person.", "Pays somebody an amount."),
        slots={
            "to": _PERSON,
            "amount": Slot(("amount", "sum", "value"), NUMBER, "How much.", _amount),
            "currency": Slot(("currency", "unit", "kind"), _MONEY, "Of which money.", _CURRENCY),
        },
        wordings=(
            "Send {amount} {currency} to {to}.",
            "Pay {to} {amount} {currency}.",
            "{to} gets {amount} {currency}.",
        ),
        reply="I sent {amount} {currency} to {to}.",
    ),
    Action(
        names=("move", "walk", "drive", "go"),
        descriptions=("Moves the robot.", "Drives the robot some steps in a direction."),
        slots={
            "direction": Slot(("direction", "way", "heading"), _WAYS, "Which way.", _WAY),
            "steps": Slot(("steps", "distance", "count", "n"), WHOLE, "How far.", up_to(40)),
        },
        wordings=(
            "Go {steps} steps {direction}.",
            "Move the robot {direction} by {steps}.",
            "{steps} steps {direction}.",
        ),
        reply="The robot went {steps} steps {direction}.",
    ),
    Action(
        names=("search", "web search", "find pages", "lookup"),
        descriptions=("Searches the web.", "Finds pages about a topic."),
        slots={
            "query": Slot(("query", "q", "topic", "search_term"), TEXT, "What to look for.", _picked(TOPICS)),
            "limit": Slot(("limit", "max_results", "count", "n"), WHOLE, "At most so many.", up_to(20), True),
        },
        wordings=(
            "Search for {query}.",
            "Find {limit} pages about {query}.",
            "Look for {query}, {limit} results.",
            "Search the web for {query}.",
        ),
        reply="I found pages about {query}.",
    ),
    Action(
        names=("paint", "set colour", "colour change"),
        descriptions=("Gives a thing a colour.", "Paints something."),
        slots={
            "thing": Slot(("thing", "object", "target", "name"), TEXT, "What to paint.", _picked(DEVICES)),
            "colour": Slot(("colour", "color", "paint"), TEXT, "The colour.", _picked(COLOURS)),
        },
        wordings=("Paint the {thing} {colour}.", "Make the {thing} {colour}.", "I want a {colour} {thing}."),
        reply="The {thing} is {colour} now.",
    ),
    Action(
        names=("create event", "calendar add", "schedule", "plan"),
        descriptions=("Puts an event into the calendar.", "Plans something for a day."),
        slots={
            "title": Slot(("title", "event", "summary", "name"), TEXT, "What it is.", _picked(CHORES)),
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
