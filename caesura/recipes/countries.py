"""Countries as a tiny model can speak of them: one short fact a line.

Enters: the rows of the set `factbook`. Leaves: `Country` values, each with cleaned facts, and the
sentence that states one. Read next: `text.py` and `chat_facts.py`, which use both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from caesura.recipes.plain import plain
from caesura.train.sets import open_set

Topic = Literal[
    "capital",
    "continent",
    "location",
    "language",
    "currency",
    "people",
    "area",
    "peak",
    "borders",
    "nationality",
]

_CONTINENTS = {
    "africa": "Africa",
    "australia-oceania": "Oceania",
    "central-america-n-caribbean": "North America",
    "central-asia": "Asia",
    "east-n-southeast-asia": "Asia",
    "europe": "Europe",
    "middle-east": "Asia",
    "north-america": "North America",
    "south-america": "South America",
    "south-asia": "Asia",
}
_NAMES = {
    "DRC": "the Democratic Republic of the Congo",
    "Congo (Brazzaville)": "the Republic of the Congo",
    "The Dominican": "the Dominican Republic",
    "The Bahamas": "the Bahamas",
    "The Gambia": "the Gambia",
    "Burma": "Myanmar",
    "Holy See (Vatican City)": "Vatican City",
}
_WITH_ARTICLE = frozenset(
    {
        "Central African Republic",
        "Comoros",
        "Federated States of Micronesia",
        "Maldives",
        "Marshall Islands",
        "Netherlands",
        "Philippines",
        "Seychelles",
        "Solomon Islands",
        "United Arab Emirates",
        "United Kingdom",
        "United States",
    }
)
# What states dispute is no matter for a model of this size.
_DISPUTED = frozenset({"Gaza, Gaza Strip", "Israel", "Kosovo", "Taiwan", "West Bank", "Western Sahara"})
_CAPITALS = {"Bolivia": "Sucre", "Burma": "Naypyidaw"}
_SPELLINGS = (
    ("Burma", "Myanmar"),
    ("The Gambia", "the Gambia"),
    ("Cooperation Financiere en Afrique Centrale francs", "CFA francs"),
    ("Communaute Financiere Africaine francs", "CFA francs"),
)
_CONTINENTS_OF = {"Russia": "Europe and Asia", "Turkey": "Asia and Europe"}

_FIELDS: tuple[tuple[Topic, str, str], ...] = (
    ("capital", "Government", "Capital - name"),
    ("location", "Geography", "Location"),
    ("language", "People and Society", "Languages - Languages"),
    ("language", "People and Society", "Languages"),
    ("currency", "Economy", "Exchange rates - Currency"),
    ("people", "People and Society", "Population - total"),
    ("area", "Geography", "Area - total "),
    ("peak", "Geography", "Elevation - highest point"),
    ("borders", "Geography", "Land boundaries - border countries"),
    ("nationality", "People and Society", "Nationality - adjective"),
)

_SENTENCES: Mapping[Topic, str] = {
    "capital": "The capital of {name} is {fact}.",
    "continent": "{start} is in {fact}.",
    "location": "{start} is in {fact}.",
    "language": "People in {name} speak {fact}.",
    "currency": "The money of {name} is called {fact}.",
    "people": "About {fact} people live in {name}.",
    "area": "{start} covers about {fact} square kilometres.",
    "peak": "The highest point of {name} is {fact}.",
    "borders": "{start} has borders with {fact}.",
    "nationality": "Someone from {name} is called {fact}.",
}

_PARENTHESES = re.compile(r"\s*\([^()]*\)")
_LANGUAGE = re.compile(r"^(.+?)(?: only)?\s*(?:\(|\d|$)")
_SHARE = re.compile(r"([\d.]+)%")
_MAIN_LANGUAGE_PERCENT = 60
_MAX_LANGUAGES = 3
_UNNAMED = re.compile(r"unnamed|\bwas\b|,$|^NA$")
_CURRENCY = re.compile(r"^([a-z' .-]+?) \([A-Z]{3}\)", re.IGNORECASE)
_NUMBER = re.compile(r"^[\d,]+")
_PEAK = re.compile(r"^([^\d;:]+?) [\d,]+")
_BORDER = re.compile(r"^\s*(?:the )?([A-Z][^\d;:]+?) [\d.,]+ km")


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """A country and what is known about it.

    name: as it stands inside a sentence, with its article.
    facts: a short phrase for each topic that its row covers.
    """

    name: str
    facts: Mapping[Topic, str]

    def sentence(self, topic: Topic) -> str:
        """The fact as a whole sentence."""
        start = self.name[:1].upper() + self.name[1:]
        return _SENTENCES[topic].format(name=self.name, start=start, fact=self.facts[topic])

    def sentences(self) -> list[str]:
        """Every fact as a sentence."""
        return [self.sentence(topic) for topic in self.facts]


def read_countries(folder: Path) -> Iterator[Country]:
    """The countries of the factbook, in its order; dependent and disputed territories are left out."""
    for row in open_set(folder, "factbook"):
        name = str(row["country"])
        is_dependent = "Dependency status" in row["facts"].get("Government", {})
        if (
            row["region"] not in _CONTINENTS
            or "/" in name
            or "(" in _name(name)
            or name in _DISPUTED
            or is_dependent
        ):
            continue
        facts = _facts(row)
        if "capital" in facts and "people" in facts:
            yield Country(name=_name(name), facts=facts)


def _name(name: str) -> str:
    """The name as a sentence has it."""
    return plain(_NAMES.get(name, f"the {name}" if name in _WITH_ARTICLE else name))


def _facts(row: dict[str, Any]) -> dict[Topic, str]:
    """The cleaned facts of one row; a field that cannot be said shortly is left out."""
    name = str(row["country"])
    facts: dict[Topic, str] = {"continent": _CONTINENTS_OF.get(name, _CONTINENTS[row["region"]])}
    sections = cast(dict[str, dict[str, str]], row["facts"])
    for topic, section, field in _FIELDS:
        fact = _clean(topic, plain(sections.get(section, {}).get(field, "")))
        for spelling, ours in _SPELLINGS:
            fact = fact.replace(spelling, ours)
        if fact and not _UNNAMED.search(fact):
            facts[topic] = fact
    if name in _CAPITALS:
        facts["capital"] = _CAPITALS[name]
    return facts


def _clean(topic: Topic, text: str) -> str:
    """One field as a short phrase, or nothing."""
    if topic in ("capital", "nationality"):
        first = _PARENTHESES.sub("", re.split(r"[;:,]| or ", text.replace(", D.C.", " DC"))[0]).strip()
        first = first.replace(" DC", ", D.C.")
        return first if len(first) < 40 and first[:1].isupper() else ""
    if topic == "location":
        place = re.sub(r"^(Middle East|Caribbean)", r"the \1", text)
        return place if 0 < len(place) < 110 and not re.search("[;:]|^archipelago", place) else ""
    if topic == "language":
        return _languages(text)
    if topic == "borders":
        return _join([match[1] for part in text.split(";") if (match := _BORDER.match(part))][:6])
    if topic in ("people", "area"):
        return _rounded(text)
    match = (_CURRENCY if topic == "currency" else _PEAK).match(text)
    return _PARENTHESES.sub("", match[1]) if match else ""


def _languages(text: str) -> str:
    """The official languages where they are few, or else the one that most people speak."""
    parts = re.split(r",(?![^()]*\))|;(?![^()]*\))", text)
    share = _SHARE.search(parts[0])
    is_main = len(parts) == 1 or (share is not None and float(share[1]) >= _MAIN_LANGUAGE_PERCENT)
    official = [part for part in parts if "(official" in part] or parts[:is_main]
    if len(official) > _MAX_LANGUAGES:
        return ""
    names = [match[1].strip() for part in official if (match := _LANGUAGE.match(part.strip()))]
    return _join([name for name in names if name[:1].isupper() and len(name) < 25])


def _rounded(text: str) -> str:
    """A large number in round words, two figures long: `56 million`, `580,000`."""
    match = _NUMBER.match(text)
    number = int(match[0].replace(",", "") or 0) if match else 0
    if number >= 1_000_000:
        millions = number / 1e6
        return f"{millions:.0f} million" if millions >= 10 else f"{millions:.1f} million"
    digits = max(len(str(number)) - 2, 0)
    return f"{round(number, -digits):,}" if number else ""


def _join(names: list[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
