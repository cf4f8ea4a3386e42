"""Date arithmetic: the weekday or the date some days later."""

from __future__ import annotations

from random import Random

from caesura.evals.tasks.problem import Family, Problem

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = {
    "January": 31,
    "February": 28,
    "March": 31,
    "April": 30,
    "May": 31,
    "June": 30,
    "July": 31,
    "August": 31,
    "September": 30,
    "October": 31,
    "November": 30,
    "December": 31,
}
_WEEKDAY = (
    "Today is {day}. Which day of the week is it in {days} days?",
    "It is {day}. What weekday comes {days} days later?",
    "If today is {day}, what day will it be after {days} days?",
)
_DATE = (
    "Which date is {days} days after {date}, in a year that is not a leap year?",
    "In a common year, what is the date {days} days after {date}?",
    "Not in a leap year: add {days} days to {date}. Which date is it?",
)


def _make(rng: Random, difficulty: int) -> Problem:
    days = rng.randrange(4, 4 + 24 * difficulty)
    return _weekday(rng, days) if rng.random() < 0.5 else _date(rng, days)


def _weekday(rng: Random, days: int) -> Problem:
    start = rng.randrange(7)
    rest = days % 7
    walk = [f"{number} {_DAYS[(start + number) % 7]}" for number in range(rest + 1)]
    question = rng.choice(_WEEKDAY).format(day=_DAYS[start], days=days)
    steps = (f"{days}={days - rest}+{rest}", *walk)
    return Problem(question=question, steps=steps, answer=_DAYS[(start + rest) % 7])


def _date(rng: Random, days: int) -> Problem:
    names = list(_MONTHS)
    month = rng.randrange(12)
    day = rng.randrange(1, _MONTHS[names[month]] + 1)
    question = rng.choice(_DATE).format(date=f"{day} {names[month]}", days=days)
    steps = [f"{names[month]} {day}+{days}={day + days}"]
    day += days
    while day > (length := _MONTHS[names[month]]):
        month = (month + 1) % 12
        steps.append(f"{day}-{length}={day - length} {names[month]}")
        day -= length
    return Problem(question=question, steps=tuple(steps), answer=f"{day} {names[month]}")


FAMILY = Family(name="dates", title="date arithmetic", make=_make, chance=0.085)
