"""The text that nano is pretrained on: stories, books, dialogues, glosses and facts, mixed by weight.

Enters: the data folder, a seed, a budget in characters. Leaves: documents of at most
`MAX_DOCUMENT_CHARS`, shuffled; and the hundredth of the prose that training never sees.
Read next: `chat.py`, the conversations of the second stage.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from caesura.recipes.countries import read_countries
from caesura.recipes.plain import bucket, pieces, plain
from caesura.train.sets import find_set, open_set

log = logging.getLogger(__name__)

MAX_DOCUMENT_CHARS = 1_800
HELD_OUT_ONE_IN = 100

_GLOSSES_A_DOCUMENT = 8
_PLACEHOLDER = re.compile(r"\(name\)|\[|user [12]", re.IGNORECASE)
_SPEAKERS = {1: "A", 2: "B"}
_ARTICLES = {True: "An", False: "A"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One ingredient of the mixture.

    weight: how often each document appears in one pass; 0.3 means a random 30 % of them.
    read: the documents of the source, given the data folder and whether the held-out ones are meant.
    is_optional: whether the mixture may do without it, as for a set that `fetch` can only bring raw.
    """

    weight: float
    read: Callable[[Path, bool], Iterator[str]]
    is_optional: bool = False


def is_held_out(row_id: str) -> bool:
    """Whether a prose row belongs to the hundredth that no stage trains on."""
    return bucket(row_id, HELD_OUT_ONE_IN) == 0


def pretraining_documents(folder: Path, seed: int, max_chars: int | None = None) -> Iterator[str]:
    """The shuffled mixture: one pass over it, or as many as fill `max_chars` characters.

    The same folder, seed and budget give the same documents; a smaller budget gives a prefix.
    """
    documents = {name: list(SOURCES[name].read(folder, False)) for name in _present(folder)}
    num_chars = 0
    for pass_number in count():
        for document in _one_pass(documents, random.Random(f"{seed}/{pass_number}")):
            if max_chars is not None and num_chars + len(document) > max_chars:
                return
            num_chars += len(document)
            yield document
        if max_chars is None or num_chars == 0:
            return


def held_out_documents(folder: Path) -> Iterator[str]:
    """The prose that is kept for measuring bits per byte, in a fixed order."""
    for name in _present(folder):
        if name in _HELD_OUT_SOURCES:
            yield from SOURCES[name].read(folder, True)


def _present(folder: Path) -> Iterator[str]:
    """The sources to read; an optional one that is not there is left out, and said so."""
    for name, source in SOURCES.items():
        if source.is_optional and not (folder / find_set(name).file).is_file():
            log.warning("%s has no data set %r; the mixture does without it", folder, name)
        else:
            yield name


def _one_pass(documents: Mapping[str, list[str]], rng: random.Random) -> list[str]:
    """Every source in its weight, shuffled."""
    mixture: list[str] = []
    for name, own in documents.items():
        whole, part = divmod(SOURCES[name].weight, 1)
        mixture += own * int(whole) + rng.sample(own, round(part * len(own)))
    rng.shuffle(mixture)
    return mixture


def _prose(name: str, title_field: str | None) -> Callable[[Path, bool], Iterator[str]]:
    """A reader of a set of prose, whose first piece opens with a title line where there is one."""

    def read(folder: Path, held_out: bool) -> Iterator[str]:
        for row in open_set(folder, name):
            if is_held_out(str(row["id"])) == held_out:
                title = f"Title: {plain(str(row[title_field]))}\n\n" if title_field else ""
                yield from pieces(title + plain(str(row["text"])), MAX_DOCUMENT_CHARS)

    return read


def _dialogues(folder: Path, held_out: bool) -> Iterator[str]:
    """Two people talking, one line a turn."""
    for row in open_set(folder, "persona_chat"):
        if is_held_out(str(row["id"])) == held_out:
            lines = [f"{_SPEAKERS[turn['speaker']]}: {plain(turn['text'])}" for turn in row["turns"]]
            for piece in pieces("\n\n".join(lines), MAX_DOCUMENT_CHARS):
                if not _PLACEHOLDER.search(piece):
                    yield piece.replace("\n\n", "\n")


def _glosses(folder: Path, held_out: bool) -> Iterator[str]:
    """What plain words mean, several to a document; the set is too regular to hold any out."""
    lines = [gloss(row) for row in open_set(folder, "wordnet") if _is_plain_word(row["words"][0])]
    for start in range(0, len(lines), _GLOSSES_A_DOCUMENT):
        yield "\n".join(lines[start : start + _GLOSSES_A_DOCUMENT])[:MAX_DOCUMENT_CHARS]


def _is_plain_word(word: str) -> bool:
    """One lower-case English word."""
    return word.isascii() and word.isalpha() and word.islower() and 2 < len(word) < 13


def gloss(row: Mapping[str, Any]) -> str:
    """A synset as one or two plain sentences."""
    word, meaning = str(row["words"][0]), plain(str(row["definition"]))
    example = plain(str(row["examples"][0])) if row["examples"] else ""
    shown = f' For example: "{example}."' if example and len(example) < 90 and example[0].isalpha() else ""
    if row["pos"] == "noun" and row["is_a"] and row["topic"] in ("animal", "plant", "food", "artifact"):
        article = _ARTICLES[word[0] in "aeiou"]
        return f"{article} {word} is a kind of {plain(str(row['is_a'][0]))}: {meaning}.{shown}"
    if row["pos"] == "verb":
        return f"To {word} means to {meaning}.{shown}"
    return f'The word "{word}" means {meaning}.{shown}'


def _country_facts(folder: Path, held_out: bool) -> Iterator[str]:
    """All facts about one country, as one paragraph."""
    for country in read_countries(folder):
        yield " ".join(country.sentences())


SOURCES: Mapping[str, Source] = {
    "stories": Source(weight=4, read=_prose("stories", "title")),
    "books_young": Source(weight=2, read=_prose("books_young", None)),
    "books_general": Source(weight=0.3, read=_prose("books_general", None)),
    "textbooks": Source(weight=0.25, read=_prose("textbooks", None), is_optional=True),
    "persona_chat": Source(weight=2, read=_dialogues),
    "wordnet": Source(weight=0.8, read=_glosses),
    "factbook": Source(weight=6, read=_country_facts),
}
_HELD_OUT_SOURCES = frozenset({"stories", "books_young", "books_general", "textbooks", "persona_chat"})
