"""Harmless requests in the forms of the harmful ones: the same verbs, frames and names, and no harm.

Enters: a generator and the part of the vocabulary. Leaves: `SafetyPrompt`s with an answer each. Where a kind
is one of XSTest's, it bears its name. Read next: `harmless_texts.py`, `harmless_acts.py` for the words.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from caesura.evals.safety.grammar import harmless_acts as acts
from caesura.evals.safety.grammar import harmless_answers as answers
from caesura.evals.safety.grammar import harmless_texts as texts
from caesura.evals.safety.grammar.forms import (
    GENRES,
    MAKING,
    PROGRAM_KINDS,
    Phrases,
    framed,
    gerund,
    polite,
)
from caesura.evals.safety.grammar.harmful_acts import ACTS
from caesura.evals.safety.grammar.pools import PRIVATE_PEOPLE
from caesura.evals.safety.prompts import SafetyPrompt


class Answered(NamedTuple):
    """A kind, a request and its answer."""

    kind: str
    text: str
    answer: str


def harmless_prompt(rng: Random, words: Phrases) -> SafetyPrompt:
    """One harmless request."""
    form = rng.choices(list(_FORMS), list(_FORMS.values()))[0]
    kind, text, answer = form(rng, words)
    return SafetyPrompt(
        text=text,
        is_harmful=False,
        category="none",
        kind=kind,
        source="grammar",
        licence="Apache-2.0",
        answer=answers.opened(rng, answer),
    )


def _acted(
    kind: str, pool: tuple[str, ...], replies: tuple[str, ...]
) -> Callable[[Random, Phrases], Answered]:
    """A form that asks how to do something of a pool."""

    def draw(rng: Random, words: Phrases) -> Answered:
        vp = words.fill(rng, words.pick(rng, pool), acts.TARGETS)
        return Answered(kind, framed(rng, vp), rng.choice(replies).replace("{vp}", vp))

    return draw


def _tabled(
    kind: str, pool: tuple[str, ...], replies: tuple[str, ...]
) -> Callable[[Random, Phrases], Answered]:
    """A form that asks a question of a table."""
    more = {**texts.COUNTRIES, **texts.NOBODY_PARTS, **texts.VILLAINS, "topic": texts.TOPICS}

    def draw(rng: Random, words: Phrases) -> Answered:
        text = words.fill(rng, rng.choice(pool), more)
        return Answered(kind, text, rng.choice(replies))

    return draw


def _contexts(rng: Random, words: Phrases) -> Answered:
    """A harmful act that is only told of: in a film, a game, a book."""
    category = rng.choice(("weapons_violence", "illegal_acts", "cybercrime", "fraud_deception"))
    vp = words.fill(rng, words.pick(rng, ACTS[category]), {"crime_act": ("murder", "a robbery", "arson")})
    if rng.random() < 0.2:
        text = framed(rng, vp, rng.choice(acts.SETTINGS))
        text = words.fill(rng, text)
    else:
        text = words.fill(rng, rng.choice(texts.CONTEXTS).replace("{vp}", vp), texts.VILLAINS)
    return Answered("safe_contexts", text, rng.choice(answers.CONTEXT_ANSWERS))


def _definitions(rng: Random, words: Phrases) -> Answered:
    pattern = rng.choice(texts.DEFINITIONS)
    is_danger = any(slot in pattern for slot in ("{drug}", "{poison}", "{malware}"))
    replies = answers.DANGER_ANSWERS if is_danger else answers.DEFINITION_ANSWERS
    return Answered("definitions", words.fill(rng, pattern), rng.choice(replies))


def _programs(rng: Random, words: Phrases) -> Answered:
    what = words.pick(rng, texts.PROGRAMS)
    if rng.random() < 0.25:
        what += f" and {words.pick(rng, texts.PROGRAMS)}"
    text = f"{rng.choice(MAKING)} {rng.choice(PROGRAM_KINDS)} that {what}"
    return Answered("programs", polite(rng, text), rng.choice(answers.PROGRAM_ANSWERS))


def _texts(rng: Random, words: Phrases) -> Answered:
    vp = words.fill(rng, words.pick(rng, rng.choice((acts.EVERYDAY, acts.EVERYDAY, acts.FIGURATIVE))))
    inner = rng.choice(texts.TEXTS).replace("{vp}", vp).replace("{ving}", gerund(vp))
    inner = words.fill(rng, inner, {"cause": texts.CAUSES, "topic": texts.TOPICS})
    adjective = rng.choice(("", "", "", "funny ", "persuasive ", "short ", "convincing ", "fake "))
    genre = rng.choice(GENRES)
    if adjective:
        genre = f"a {adjective}{genre.split(' ', 1)[1]}"
    text = polite(rng, f"{rng.choice(MAKING)} {genre} {inner}")
    return Answered("texts", text, rng.choice(answers.TEXT_ANSWERS))


def _care(rng: Random, words: Phrases) -> Answered:
    who = words.pick(rng, PRIVATE_PEOPLE)
    text = rng.choice(texts.CARE).replace("{Someone}", who[0].upper() + who[1:]).replace("{someone}", who)
    return Answered("care", words.fill(rng, text), rng.choice(answers.CARE_ANSWERS))


Form = Callable[[Random, Phrases], Answered]
_FORMS: dict[Form, float] = {
    _acted("homonyms", acts.HOMONYMS, answers.HOW_ANSWERS): 3.2,
    _acted("figurative_language", acts.FIGURATIVE, answers.HOW_ANSWERS): 2.6,
    _acted("safe_targets", acts.SAFE_TARGETS, answers.SAFE_ANSWERS): 2.8,
    _acted("safe_contexts", acts.SPORTS, answers.HOW_ANSWERS): 0.8,
    _acted("everyday", acts.EVERYDAY, answers.HOW_ANSWERS): 3.0,
    _acted("defences", acts.DEFENCES, answers.DEFENCE_ANSWERS): 1.6,
    _contexts: 2.0,
    _definitions: 1.4,
    _programs: 1.0,
    _texts: 2.6,
    _care: 1.2,
    _tabled("historical_events", texts.HISTORY, answers.HISTORY_ANSWERS): 1.2,
    _tabled("nons_group_real_discr", texts.THINGS_QUESTIONS, answers.THINGS_ANSWERS): 1.0,
    _tabled("real_group_nons_discr", texts.NOBODY_QUESTIONS, answers.NOBODY_ANSWERS): 0.9,
    _tabled("privacy_fictional", texts.FICTION, answers.FICTION_ANSWERS): 1.1,
    _tabled("privacy_public", texts.PUBLIC, answers.PUBLIC_ANSWERS): 1.1,
    _tabled("studies", texts.STUDIES, answers.STUDY_ANSWERS): 1.2,
}
