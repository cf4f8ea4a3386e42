"""What honesty is: right, or "I do not know", against what is confidently wrong.

Enters: the data folder, the families of problems. Leaves: kinds of comparison. What is wrong is right for
another question of the same kind, so neither wording nor length gives it away. Read next: `pairing.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from caesura.evals.tasks import FAMILIES, Problem
from caesura.messages.preferences import Dimension, Preference
from caesura.recipes.countries import Country, Topic, read_countries
from caesura.recipes.pairing import Comparison, Draw, WeightedDraw, prompt_of, question, reply_of
from caesura.recipes.questions import COUNTRY_QUESTIONS
from caesura.recipes.wording import Kind, casual

_EASY = (1, 2)
_TRIES = 5

_UNSURE = (
    "I do not know.",
    "I am not sure, so I will not guess.",
    "I do not know that. I would only be guessing.",
    "Sorry, I cannot say that for certain.",
    "I am a small model and do not know that for sure.",
    "I would have to think about that first, and I may be wrong.",
)
_MADE_UP = (
    "It is {a}.",
    "That is {a}, without any doubt.",
    "The answer is {a}. I am quite sure of that.",
    "Yes, of course: {a}, as everybody knows.",
    "It was {a}, and a little later {b}. You can rely on that.",
)


def honest_kinds(folder: Path, exchanges: Mapping[str, Kind]) -> Mapping[str, WeightedDraw]:
    """Problems, countries and words, and questions that nano cannot answer."""
    known = list(read_countries(folder))
    return {
        "problems": WeightedDraw(weight=3, draw=wrong_answers("honest", "problems, right or wrong")),
        "countries": WeightedDraw(weight=4, draw=_countries(known)),
        "definitions": WeightedDraw(weight=3, draw=_meanings(exchanges["definitions"])),
        "unsure": WeightedDraw(weight=4, draw=_unsure(known)),
        "made_up": WeightedDraw(weight=4, draw=_made_up(known, exchanges["unknown"])),
    }


def wrong_answers(dimension: Dimension, source: str) -> Draw:
    """A problem's answer against that of another one of its family; easy ones, for no thought helps here."""
    alike = Comparison(dimension=dimension, source=source)

    def draw(rng: random.Random) -> Preference | None:
        problem, wrong = problems_apart(rng)
        return (
            None if wrong is None else alike.of(question(problem.question), problem.reply, wrong.reply, 1.0)
        )

    return draw


def problems_apart(rng: random.Random) -> tuple[Problem, Problem | None]:
    """A problem, and another one of its family whose answer differs; none that is held out."""
    family = FAMILIES[rng.choice(list(FAMILIES))]
    difficulty = rng.choice(_EASY)

    def made() -> Problem:
        return family.problem(f"pairs/{rng.random()}", difficulty, is_held_out=False)

    problem = made()
    others = (made() for _ in range(_TRIES))
    return problem, next((other for other in others if other.answer != problem.answer), None)


def _asked(rng: random.Random, known: list[Country]) -> tuple[str, Country, Topic]:
    country = rng.choice(known)
    topics: list[Topic] = [topic for topic in country.facts if topic in COUNTRY_QUESTIONS]
    topic = rng.choice(topics)
    return casual(rng, rng.choice(COUNTRY_QUESTIONS[topic]).format(country.name)), country, topic


def _mistaken(rng: random.Random, known: list[Country], country: Country, topic: Topic) -> str | None:
    """A sentence about the country with another country's fact in it."""
    facts = {other.facts[topic] for other in known if topic in other.facts} - {country.facts[topic]}
    if not facts:
        return None
    return country.sentence(topic).replace(country.facts[topic], rng.choice(sorted(facts)))


def _countries(known: list[Country]) -> Draw:
    alike = Comparison(dimension="honest", source="factbook, right or wrong", licence="CC0-1.0")

    def draw(rng: random.Random) -> Preference | None:
        asked, country, topic = _asked(rng, known)
        wrong = _mistaken(rng, known, country, topic)
        return None if wrong is None else alike.of(question(asked), country.sentence(topic), wrong, 1.0)

    return draw


def _meanings(meanings: Kind) -> Draw:
    alike = Comparison(dimension="honest", source="wordnet, right or wrong", licence="CC-BY-4.0")

    def draw(rng: random.Random) -> Preference | None:
        exchange, other = meanings(rng), meanings(rng)
        return alike.of(prompt_of(exchange), reply_of(exchange), reply_of(other), 1.0)

    return draw


def _unsure(known: list[Country]) -> Draw:
    """ "I do not know" is better than what is wrong, and not as good as what is right."""
    alike = Comparison(dimension="honest", source="unsure or wrong")

    def about_problem(rng: random.Random) -> tuple[str, str, str | None]:
        problem, other = problems_apart(rng)
        return problem.question, problem.reply, None if other is None else other.reply

    def about_country(rng: random.Random) -> tuple[str, str, str | None]:
        asked, country, topic = _asked(rng, known)
        return asked, country.sentence(topic), _mistaken(rng, known, country, topic)

    kinds: tuple[Callable[[random.Random], tuple[str, str, str | None]], ...] = (about_problem, about_country)

    def draw(rng: random.Random) -> Preference | None:
        asked, right, wrong = rng.choice(kinds)(rng)
        unsure = rng.choice(_UNSURE)
        if rng.random() < 0.5:
            return alike.of(question(asked), right, unsure, 0.9)
        return None if wrong is None else alike.of(question(asked), unsure, wrong, 0.85)

    return draw


def _made_up(known: list[Country], outside: Kind) -> Draw:
    """A question that nano cannot answer: it says so, or it makes something up."""
    alike = Comparison(dimension="honest", source="unknown or made up")
    words = [country.name for country in known] + [country.facts["capital"] for country in known]

    def draw(rng: random.Random) -> Preference | None:
        exchange = outside(rng)
        a, b = (rng.choice((rng.choice(words), str(rng.randint(2, 2000)))) for _ in range(2))
        made_up = " ".join(rng.choice(_MADE_UP).format(a=a, b=b) for _ in range(rng.choice((1, 1, 2))))
        return alike.of(prompt_of(exchange), reply_of(exchange), made_up, 0.95)

    return draw
