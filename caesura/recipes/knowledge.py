"""What nano knows, words and countries, and how it says that it does not know the rest.

Enters: the data folder (stories, wordnet, factbook, word_lists). Leaves: one `Kind` each.
Read next: `refusals.py`.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from caesura.messages.content import Role
from caesura.recipes.countries import Country, Topic, read_countries
from caesura.recipes.plain import plain, words_of
from caesura.recipes.questions import COUNTRY_QUESTIONS, OUTSIDE, Outside, outside_answer
from caesura.recipes.small_talk import word_list
from caesura.recipes.wording import Exchange, Kind, ask, casual
from caesura.train.sets import SETS, open_set

_MAX_DEFINITION_CHARS = 100
_MIN_STORIES_WITH_WORD = 3
_MAX_SENSES = 5
_WORD = re.compile(r"[a-z]+")
_LABEL = re.compile(r"\s*\([^()]*\)")
_LISTED_TOPICS = {
    "animals/common": "animal",
    "foods/fruits": "food",
    "foods/vegetables": "food",
    "music/instruments": "artifact",
    "objects/clothing": "artifact",
    "humans/bodyParts": "body",
    "humans/occupations": "person",
    "plants/flowers": "plant",
    "technology/appliances": "artifact",
    "objects/containers": "artifact",
}
_BARE_TOPICS = frozenset({"capital", "continent", "language", "currency"})
_THING_TOPICS = frozenset({"animal", "artifact", "body", "person", "plant"})
_UNFIT_WORDS = words_of(
    """
    idiot thorn lame saliva botanical stole gaily bobby talent smaller christian god ooh tic din
    teddy scare thought dusk spoke baba developer china turkey cigarette dick cock ass arse bitch
    bastard slut whore sex sexual breast breasts nipple crotch penis vagina suicide rape murder
    hooker negro gay queer pussy screw bra poison gun bomb drunk nazi terrorist
    """
)


def definitions(folder: Path) -> Kind:
    """What a well-known word means, and seldom that nano does not know a rare one."""
    known, rare = known_words(folder)
    words = sorted(known)
    licence = SETS["wordnet"].licence

    def draw(rng: random.Random) -> Exchange:
        if rng.random() < 0.08 and rare:
            word = rng.choice(rare)
            answer = rng.choice(_UNKNOWN_WORD).format(word)
            return ask(
                casual(rng, rng.choice(_WORD_QUESTIONS).format(word)), answer, "I do not know that word."
            )
        word = rng.choice(words)
        part, meaning = known[word]
        questions = (*_WORD_QUESTIONS, *_THING_QUESTIONS * 2) if part == "thing" else _WORD_QUESTIONS
        article = "an" if word[0] in "aeiou" else "a"
        question = rng.choice(questions).format(word, article=article)
        turns: tuple[tuple[Role, str], ...] = (
            ("user", casual(rng, question)),
            ("assistant", _definition(rng, word, part, meaning)),
        )
        thought = f"The user asks about the word {word}."
        return Exchange(turns=turns, thought=thought, source="wordnet", licence=licence)

    return draw


_WORD_QUESTIONS = (
    'What does "{}" mean?',
    "What does {} mean?",
    'What does the word "{}" mean?',
    'Define "{}".',
    "Define {}.",
    "What is the meaning of {}?",
    "What is the definition of {}?",
    "Explain the word {}.",
    "Do you know what {} means?",
    "Meaning of {}?",
)
_THING_QUESTIONS = ("What is {article} {}?", "What's {article} {}?", "Tell me what {article} {} is.")
_UNKNOWN_WORD = (
    'I am a small model and do not know the word "{}".',
    'I do not know what "{}" means. A dictionary will.',
    'Sorry, I do not know the word "{}".',
)


def _definition(rng: random.Random, word: str, part: str, meaning: str) -> str:
    """The meaning as a short reply."""
    if part == "verb":
        forms = (f"To {word} means to {meaning}.", f'"{word.capitalize()}" is a verb. It means: {meaning}.')
    elif part == "thing":
        article = "An" if word[0] in "aeiou" else "A"
        forms = (
            f"{article} {word} is {meaning}.",
            f"{article} {word} is {meaning}.",
            f'"{word.capitalize()}": {meaning}.',
        )
    else:
        forms = (f'"{word.capitalize()}" means {meaning}.', f"{word.capitalize()}: {meaning}.")
    return rng.choice(forms)


def known_words(folder: Path) -> tuple[Mapping[str, tuple[str, str]], Sequence[str]]:
    """Well-known words with part of speech and meaning, and rare words.

    WordNet's rows carry no order of senses, so a word is taken only where few senses compete, or
    where a word list says which sense is meant.
    """
    frequency = Counter[str]()
    for row in open_set(folder, "stories"):
        frequency.update(set(_WORD.findall(plain(str(row["text"])).lower())))
    topics = {word: topic for name, topic in _LISTED_TOPICS.items() for word in word_list(folder, name)}
    senses: dict[str, list[dict[str, Any]]] = {}
    rare: list[str] = []
    for row in open_set(folder, "wordnet"):
        for position, word in enumerate(row["words"]):
            if word in topics or frequency[word] >= _MIN_STORIES_WITH_WORD:
                senses.setdefault(word, []).append(row | {"is_head": position == 0})
        head = str(row["words"][0])
        if not frequency[head] and head.isalpha() and head.islower() and 7 < len(head) < 14:
            rare.append(head)
    known = {word: sense for word, rows in senses.items() if (sense := _sense(word, rows, topics.get(word)))}
    return known, [word for word in rare if word not in known]


def _sense(word: str, rows: list[dict[str, Any]], topic: str | None) -> tuple[str, str] | None:
    """The one meaning that is safe to give, as (part of speech, meaning).

    The part of speech is "thing" for a noun that can follow "What is a".
    """
    heads = [row for row in rows if row["is_head"] and (topic is None or row["topic"] == topic)]
    is_inflected = topic is None and word.endswith(("ed", "ing", "s"))
    if len(heads) != 1 or is_inflected or word in _UNFIT_WORDS or not (word.isalpha() and len(word) > 2):
        return None
    if topic is None and len(rows) > _MAX_SENSES:
        return None
    meaning = _LABEL.sub("", plain(str(heads[0]["definition"])).split(";")[0]).strip()
    is_clean = 5 < len(meaning) <= _MAX_DEFINITION_CHARS and not re.search(rf"[(:']|\b{word}\b", meaning)
    is_thing = heads[0]["topic"] in _THING_TOPICS and meaning.startswith(
        ("a ", "an ", "the ", "any of ", "someone ")
    )
    part = "thing" if is_thing and not word.endswith("s") else str(heads[0]["pos"])
    return (part, meaning) if is_clean else None


def countries(folder: Path) -> Kind:
    """One fact about a country."""
    known = list(read_countries(folder))
    licence = SETS["factbook"].licence

    def draw(rng: random.Random) -> Exchange:
        country = rng.choice(known)
        question, answer = _country_exchange(rng, country)
        turns: tuple[tuple[Role, str], ...] = (("user", casual(rng, question)), ("assistant", answer))
        thought = rng.choice((f"A question about {country.name}.", "I give the fact in one sentence."))
        return Exchange(turns=turns, thought=thought, source="factbook", licence=licence)

    return draw


def _country_exchange(rng: random.Random, country: Country) -> tuple[str, str]:
    """A question on one topic and its answer, as a sentence or bare."""
    topics: list[Topic] = [topic for topic in country.facts if topic in COUNTRY_QUESTIONS]
    if rng.random() < 0.07:
        told = " ".join(country.sentence(topic) for topic in topics[:3])
        return rng.choice(("Tell me about {}.", "What do you know about {}?")).format(country.name), told
    weights = [4 if topic == "capital" else 1 for topic in topics]
    topic = rng.choices(topics, weights)[0]
    fact = country.facts[topic]
    if topic == "capital" and rng.random() < 0.2:
        question = rng.choice(("{} is the capital of which country?", "Which country has the capital {}?"))
        return question.format(fact), f"{fact} is the capital of {country.name}."
    question = rng.choice(COUNTRY_QUESTIONS[topic]).format(country.name)
    is_bare = topic in _BARE_TOPICS and rng.random() < 0.2
    return question, f"{fact[:1].upper()}{fact[1:]}." if is_bare else country.sentence(topic)


def unknown(folder: Path) -> Kind:
    """Questions outside what nano learnt: it says so, and where to look."""
    fillings = {
        "country": [country.name for country in read_countries(folder)],
        "city": [country.facts["capital"] for country in read_countries(folder)],
        "name": word_list(folder, "humans/firstNames"),
        "last": word_list(folder, "humans/lastNames"),
        "scientist": word_list(folder, "humans/scientists"),
        "sport": word_list(folder, "sports/sports"),
        "code": word_list(folder, "technology/programming_languages"),
        "subject": word_list(folder, "books/academic_subjects"),
        "thing": word_list(folder, "objects/objects"),
        "genre": word_list(folder, "music/genres"),
        "year": [str(year) for year in range(1200, 2030)],
    }

    def draw(rng: random.Random) -> Exchange:
        outside: Outside = rng.choice(OUTSIDE)
        chosen = {field: rng.choice(words) for field, words in fillings.items() if words}
        question = rng.choice(outside.questions).format_map(chosen)
        thought = rng.choice(_UNKNOWN_THOUGHTS)
        return ask(casual(rng, question), outside_answer(rng, outside), thought)

    return draw


_UNKNOWN_THOUGHTS = (
    "I do not know this. I say so.",
    "This is outside what I learnt.",
    "I am a small model and must not guess.",
    "I cannot know this, so I say that I do not know.",
)
