"""Tools that reckon: a calculator, operations by name, conversion of units, dates and the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random

from caesura.evals.tools.exchange import (
    NUMBER,
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
from caesura.evals.tools.words import Words, identifier

_SIGNS = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}
_UNITS = (
    ("kilometres", "miles"),
    ("kilograms", "pounds"),
    ("litres", "gallons"),
    ("metres", "feet"),
    ("celsius", "fahrenheit"),
    ("hours", "minutes"),
    ("euros", "dollars"),
    ("acres", "hectares"),
)


def calculators(rng: Random, words: Words) -> Kit:
    """A tool that takes an expression."""
    name = rng.choice(("calculator", "calculate", "compute", "eval math", "evaluate", words.made_up(rng)))
    description = rng.choice(
        (
            "Computes an arithmetic expression.",
            "Evaluates a mathematical expression such as 2 + 3.",
            "A calculator.",
            "Does arithmetic exactly.",
        )
    )
    key = rng.choice(("expression", "expression", "expr", "formula", "input", words.made_up(rng)))
    schema = described(rng, TEXT, "The expression.", 0.3)
    tool = make_tool(rng, identifier(rng, [name]), description, [Parameter(key, schema)])

    def ask(rng: Random) -> Exchange:
        expression, spoken = _expression(rng, words)
        call = Call(tool.name, {key: expression}, "")
        value = _value(expression)
        question = rng.choice(
            ("What is {}?", "How much is {}?", "Calculate {}.", "Compute {}.", "{} = ?", "I need {}.")
        ).format(spoken)
        if value is None:
            call, reply = failed(rng, call._replace(result="division by zero"), "compute that")
            value = call.result
        else:
            call, reply = call._replace(result=value), f"The answer is {value}."
        return Exchange(
            question=asked(rng, question),
            steps=((call,),),
            reply=reply,
            answer=value,
            thoughts=(f"{tool.name} computes {expression}.", f"It says {value}."),
        )

    return Kit(tools=(tool,), ask=ask)


def _expression(rng: Random, words: Words) -> tuple[str, str]:
    """The expression as it is passed, and as people write or say it."""
    num = rng.choice((2, 2, 2, 3, 3, 4))
    numbers = [str(words.number(rng, 2, rng.choice((99, 999, 9999)))) for _ in range(num)]
    signs = [rng.choice("++-**/") for _ in range(num - 1)]
    pairs = list(zip(signs, numbers[1:], strict=True))
    expression = numbers[0] + "".join(f" {sign} {number}" for sign, number in pairs)
    draw = rng.random()
    if draw < 0.35:
        return expression, numbers[0] + "".join(f" {_SIGNS[sign]} {number}" for sign, number in pairs)
    return expression, expression.replace(" ", "") if draw < 0.5 else expression


def _value(expression: str) -> str | None:
    """The value as a calculator writes it; only numbers and signs reach `eval`."""
    try:
        value = eval(expression, {"__builtins__": {}})
    except ZeroDivisionError:
        return None
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def operations(rng: Random, words: Words) -> Kit:
    """A tool that does one operation with two numbers."""
    forms: tuple[tuple[str, str, str, Callable[[int, int], int]], ...] = (
        ("add", "Adds two numbers.", "the sum of {} and {}", lambda a, b: a + b),
        ("subtract", "Subtracts the second number from the first.", "{} minus {}", lambda a, b: a - b),
        ("multiply", "Multiplies two numbers.", "the product of {} and {}", lambda a, b: a * b),
        ("power", "Raises a number to a power.", "{} to the power of {}", lambda a, b: a ** (b % 5)),
        ("gcd", "The greatest common divisor of two numbers.", "the common divisor of {} and {}", _gcd),
        ("maximum", "The larger one of two numbers.", "the larger one of {} and {}", max),
    )
    verb, description, phrase, operation = rng.choice(forms)
    name = identifier(rng, [rng.choice((verb, verb, f"{verb} numbers", words.made_up(rng)))])
    keys = rng.choice((("a", "b"), ("x", "y"), ("first", "second"), ("left", "right"), ("n", "m")))
    tool = make_tool(rng, name, description, [Parameter(key, NUMBER) for key in keys])

    def ask(rng: Random) -> Exchange:
        high = 9 if verb == "power" else 999
        numbers = words.number(rng, 2, high), words.number(rng, 2, 4 if verb == "power" else high)
        what = phrase.format(*numbers)
        value = str(operation(*numbers))
        question = rng.choice(("What is {}?", "Tell me {}.", "I want {}.", "Find {}.")).format(what)
        call = Call(tool.name, dict(zip(keys, numbers, strict=True)), value)
        thoughts = (f"{tool.name} gives {what}.", f"It says {value}.")
        return Exchange(
            question=asked(rng, question),
            steps=((call,),),
            reply=f"It is {value}.",
            answer=value,
            thoughts=thoughts,
        )

    return Kit(tools=(tool,), ask=ask)


def _gcd(a: int, b: int) -> int:
    return a if not b else _gcd(b, a % b)


def conversions(rng: Random, words: Words) -> Kit:
    """A tool that converts units; the factors are its own secret."""
    name = rng.choice(("convert", "unit converter", "convert units", "conversion", words.made_up(rng)))
    value_key = rng.choice(("value", "amount", "number", "quantity"))
    from_key, to_key = rng.choice(
        (("from", "to"), ("from_unit", "to_unit"), ("source", "target"), ("unit", "into"))
    )
    parameters = [Parameter(value_key, NUMBER), Parameter(from_key, TEXT), Parameter(to_key, TEXT)]
    description = rng.choice(
        ("Converts units.", "Converts a value from one unit to another.", "Unit conversion.")
    )
    tool = make_tool(rng, identifier(rng, [name]), description, parameters)

    def ask(rng: Random) -> Exchange:
        units = list(rng.choice(_UNITS))
        rng.shuffle(units)
        value, result = words.number(rng, 2, 500), f"{rng.randint(1, 999)}.{rng.randint(1, 99)}"
        question = rng.choice(
            (
                "Convert {0} {1} to {2}.",
                "How many {2} are {0} {1}?",
                "What is {0} {1} in {2}?",
                "{0} {1} in {2}?",
            )
        ).format(value, *units)
        call = Call(tool.name, {value_key: value, from_key: units[0], to_key: units[1]}, result)
        return Exchange(
            question=asked(rng, question),
            steps=((call,),),
            reply=f"{value} {units[0]} are {result} {units[1]}.",
            answer=result,
            thoughts=(f"From {units[0]} to {units[1]}: {tool.name}.", f"It says {result}."),
        )

    return Kit(tools=(tool,), ask=ask)


def calendars(rng: Random, words: Words) -> Kit:
    """Weekdays, dates some days later, and tools without arguments for the time of the day."""
    key, days_key = (
        rng.choice(("date", "day", "start", "iso_date")),
        rng.choice(("days", "offset", "num_days")),
    )
    weekday = make_tool(
        rng,
        identifier(rng, [rng.choice(("weekday", "day of week", "get weekday"))]),
        "The weekday of a date (YYYY-MM-DD).",
        [Parameter(key, TEXT)],
    )
    later = make_tool(
        rng,
        identifier(rng, [rng.choice(("add days", "date after", "shift date"))]),
        "The date some days after a date (YYYY-MM-DD).",
        [Parameter(key, TEXT), Parameter(days_key, {"type": "integer"})],
    )
    clock = make_tool(
        rng,
        identifier(rng, [rng.choice(("get time", "clock", "current time", "now"))]),
        rng.choice(("The time now.", "Tells what time it is.")),
        [],
    )

    def ask(rng: Random) -> Exchange:
        day = date(2000, 1, 1) + timedelta(days=rng.randrange(12_000))
        draw = rng.random()
        if draw < 0.25:
            value = f"{rng.randrange(24):02}:{rng.randrange(60):02}"
            question = rng.choice(
                ("What time is it?", "What is the time?", "How late is it?", "Tell me the time.")
            )
            return _dated(rng, Call(clock.name, {}, value), question, f"It is {value}.")
        if draw < 0.6:
            value = day.strftime("%A")
            question = rng.choice(
                ("Which weekday is {}?", "What day of the week was {}?", "{}: which weekday?")
            )
            call = Call(weekday.name, {key: day.isoformat()}, value)
            return _dated(rng, call, question.format(day.isoformat()), f"{day.isoformat()} is a {value}.")
        num = rng.randint(2, 200)
        value = (day + timedelta(days=num)).isoformat()
        question = rng.choice(("Which date is {1} days after {0}?", "What is {0} plus {1} days?"))
        call = Call(later.name, {key: day.isoformat(), days_key: num}, value)
        return _dated(rng, call, question.format(day.isoformat(), num), f"It is {value}.")

    return Kit(tools=(weekday, later, clock), ask=ask)


def _dated(rng: Random, call: Call, question: str, reply: str) -> Exchange:
    return Exchange(
        question=asked(rng, question),
        steps=((call,),),
        reply=reply,
        answer=call.result,
        thoughts=(f"{call.name} tells that.", f"It says {call.result}."),
    )
