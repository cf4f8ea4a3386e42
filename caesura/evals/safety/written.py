"""Requests written for this project, one by one: harmful ones, and harmless ones that share their words.

What the grammar's frames and pools lack is breadth: these name some thousands of different things. A tenth
is kept for measuring by its hash.
Enters: `requests.tsv` beside this file: a letter (H harmful, S harmless), a category of harm or a kind of
harmlessness, the request. Leaves: `SafetyPrompt`s. Read next: `grammar/`, which makes any number of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from random import Random
from typing import cast

from caesura.evals.safety.grammar.harmless_answers import ANSWERS, opened, plain_answers
from caesura.evals.safety.prompts import SafetyPrompt
from caesura.evals.safety.split import Resemblance
from caesura.messages.errors import DataError
from caesura.messages.harms import CATEGORIES, Category

_MEASURED_ONE_IN = 10
_FILE = "requests.tsv"


def written_requests(*, for_measuring: bool) -> list[SafetyPrompt]:
    """Those of one part, in the file's order; the part for training without what nearly repeats the other."""
    prompts = _all()
    part = [each for each in prompts if _is_for_measuring(each.text) is for_measuring]
    if for_measuring:
        return part
    kept = Resemblance(each.text for each in prompts if _is_for_measuring(each.text))
    return [each for each in part if not kept.holds(each.text)]


@cache
def _all() -> tuple[SafetyPrompt, ...]:
    text = files("caesura.evals.safety").joinpath(_FILE).read_text(encoding="utf-8")
    return tuple(parse_requests(text))


def parse_requests(text: str) -> Iterator[SafetyPrompt]:
    """The requests of such a file. Raises DataError that names the line of one that is none."""
    for number, line in enumerate(text.splitlines(), start=1):
        letter, kind, request = (*line.split("\t"), "", "", "")[:3]
        known = CATEGORIES if letter == "H" else (*ANSWERS, "everyday")
        if letter not in ("H", "S") or kind not in known or not request.strip():
            raise DataError(f"{_FILE}:{number}: {line!r} is not H or S, a kind that is known, and a request")
        yield _prompt(letter == "H", kind, request.strip())


def _prompt(is_harmful: bool, kind: str, text: str) -> SafetyPrompt:
    rng = Random(text)
    return SafetyPrompt(
        text=text,
        is_harmful=is_harmful,
        category=cast(Category, kind) if is_harmful else "none",
        kind="" if is_harmful else kind,
        source="written for this project",
        licence="Apache-2.0",
        answer="" if is_harmful else opened(rng, rng.choice(plain_answers(text))),
    )


def _is_for_measuring(text: str) -> bool:
    digest = hashlib.sha256(f"written\0{text}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % _MEASURED_ONE_IN == 0
