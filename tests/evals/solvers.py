"""Independent solutions: each reads a question's text alone, and goes another way than the family does.

Enters: a question as the model reads it. Leaves: the answer. Read next: `test_tasks.py`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from datetime import date, timedelta
from itertools import product


def _numbers(text: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", text)]


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, (pattern, text)
    return next(group for group in found.groups() if group is not None)


def chain(question: str) -> str:
    value = int(_first(r"(?:Start with|Take|begin at) (\d+)", question))
    for verb, operand in re.findall(r"\(\d+\) (add|subtract|multiply by) (\d+)", question):
        value = eval(f"{value}{ {'add': '+', 'subtract': '-', 'multiply by': '*'}[verb] }{operand}")
    return str(value % int(_first(r"[Mm]odulo (\d+)", question)))


def state(question: str) -> str:
    letters = _first(r"([A-K](?:, [A-K]){4})", question).split(", ")
    place = int(_first(r"(?:box|chair|cup) (\d)\?", question))
    # Followed backwards: where did that which lies there in the end come from?
    for first, second in reversed(re.findall(r"\(\d+\) (\d) and (\d)", question)):
        place = {int(first): int(second), int(second): int(first)}.get(place, place)
    return letters[place - 1]


def equations(question: str) -> str:
    p = int(_first(r"[Mm]odulo (\d+)", question))
    rows = [tuple(map(int, row)) for row in re.findall(r"(\d+)x\+(\d+)y=(\d+)", question)]
    if rows:
        pairs = product(range(p), range(p))
        found = {x for x, y in pairs if all((a * x + b * y - c) % p == 0 for a, b, c in rows)}
    else:
        a, b, c = map(int, re.findall(r"(\d+)x\+(\d+)=(\d+)", question)[0])
        found = {x for x in range(p) if (a * x + b - c) % p == 0}
    assert len(found) == 1, question
    return str(found.pop())


def graph(question: str) -> str:
    roads = {
        int(place): _numbers(targets)
        for place, targets in re.findall(r"from (\d+) to ([\d,]+|nowhere)", question)
    }
    start = int(_first(r"(?:from town|Starting at page|from cave) (\d+)", question))
    seen: set[int] = set()
    stack = [start]
    while stack:
        place = stack.pop()
        if place not in seen:
            seen.add(place)
            stack += roads[place]
    return str(len(seen))


def multiplication(question: str) -> str:
    first, second = _numbers(question)
    return str(sum([first] * second))


def letters(question: str) -> str:
    letter = _first(r"letter (\w)\b|find (\w) in", question)
    return str(len(_first(r'"(.+)"', question).split(letter)) - 1)


def sorting(question: str) -> str:
    numbers = _numbers(_first(r"((?:\d+,)+\d+)", question))
    place = int(_first(r"(?:in place|What is number|has rank) (\d+)", question))
    return str(next(each for each in numbers if sum(other < each for other in numbers) == place - 1))


def boolean(question: str) -> str:
    values = {name: word == "true" for name, word in re.findall(r"\b([a-e]) is (true|false)", question)}
    statements = _first(r"(?:are true|true statements|statements hold): (.*)[?.]$", question)
    texts = [each.strip(" ,") for each in re.split(r"\(\d+\)", statements) if each.strip()]
    return str(sum(eval(text, {}, values) for text in texts))


def dates(question: str) -> str:
    days = timedelta(days=int(_first(r"(\d+) days", question)))
    weekday = re.search(r"\b((?!Today)[A-Z]\w+day)\b", question)
    # Neither 2021 nor 2022 is a leap year.
    every = [date(2021, 1, 1) + timedelta(days=number) for number in range(365)]
    if weekday is not None:
        return f"{next(day for day in every if f'{day:%A}' == weekday[1]) + days:%A}"
    number, month = re.findall(r"(\d+) ([A-Z]\w+)", question)[0]
    start = next(day for day in every if day.day == int(number) and f"{day:%B}" == month)
    return f"{(start + days).day} {start + days:%B}"


_SIZES = {
    "weeks": 604800,
    "days": 86400,
    "hours": 3600,
    "minutes": 60,
    "seconds": 1,
    "yards": 36,
    "feet": 12,
    "inches": 1,
    "gallons": 8,
    "quarts": 2,
    "pints": 1,
    "stones": 224,
    "pounds": 16,
    "ounces": 1,
    "metres": 1000,
    "centimetres": 10,
    "millimetres": 1,
    "gross": 144,
    "dozen": 12,
    "pieces": 1,
}


def units(question: str) -> str:
    total = sum(int(number) * _SIZES[unit] for number, unit in re.findall(r"(\d+) (\w+)", question))
    wanted = _first(r"How many (\w+) are|to (\w+)\.$|in (\w+)\.$", question)
    assert total % _SIZES[wanted] == 0
    return str(total // _SIZES[wanted])


_EVENTS: dict[str, Callable[[int, list[int]], int]] = {
    r"buys \d+ more|A friend gives \w+ \d+|finds \d+": lambda total, n: total + n[0],
    r"loses \d+|gives \d+ to|sells \d+": lambda total, n: total - n[0],
    r"gets \d+ boxes|friends give": lambda total, n: total + n[0] * n[1],
    r"number doubles|as many again": lambda total, _: total * 2,
    r"half of them|Half of them": lambda total, _: total // 2,
    r"has \d+": lambda _, n: n[0],
}


def word_problems(question: str) -> str:
    total = 0
    for sentence in re.split(r"(?<=\.) ", question)[:-1]:
        act = next(act for pattern, act in _EVENTS.items() if re.search(pattern, sentence))
        total = act(total, _numbers(sentence))
    return str(total)


def lists(question: str) -> str:
    digits = deque(_first(r"(\d(?:,\d)+)", question).split(","))
    for text in re.findall(r"\(\d+\) ([a-z][a-z0-9 ]+)", question):
        match text.split():
            case ["reverse", "it"]:
                digits.reverse()
            case ["drop", "the", "first"]:
                digits.popleft()
            case ["drop", "the", "last"]:
                digits.pop()
            case ["append", number]:
                digits.append(number)
            case ["put", number, "in", "front"]:
                digits.appendleft(number)
            case ["swap", "the", "first", "two"]:
                first, second = digits.popleft(), digits.popleft()
                digits.extendleft((first, second))
            case ["move", "the", "first", *_]:
                digits.rotate(-1)
            case ["move", "the", "last", *_]:
                digits.rotate(1)
            case _:
                raise AssertionError(text)
    return ",".join(digits)


def addition(question: str) -> str:
    first, second = _numbers(question)
    return str(len("." * first + "." * second))


SOLVERS: dict[str, Callable[[str], str]] = {
    solver.__name__: solver
    for solver in (
        chain,
        state,
        equations,
        graph,
        multiplication,
        letters,
        sorting,
        boolean,
        dates,
        units,
        word_problems,
        lists,
        addition,
    )
}
