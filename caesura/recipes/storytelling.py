"""Stories on request: by title, by summary, by what they are about, or any.

Enters: the data folder (stories, word_lists). Leaves: one `Kind`. Read next: `knowledge.py`.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from caesura.messages.content import Role
from caesura.recipes.plain import opening, plain, words_of
from caesura.recipes.small_talk import word_list
from caesura.recipes.text import is_held_out
from caesura.recipes.wording import Exchange, Kind, casual
from caesura.train.sets import open_set

_MAX_STORY_CHARS = 600
_WORD = re.compile(r"[a-z]+")
_SENTENCE = re.compile(r"""^["'(]?[A-Z0-9].*[.!?]["')]*$""", re.DOTALL)
_UNFIT_STORY = re.compile(
    r"\b(rape|kill|murder|suicide|drunk|beer|sex|naked|condom|hiv|aids|pray|jesus|heaven)\w*\b", re.IGNORECASE
)
_SUBJECTS = words_of(
    """
    boy girl king queen farmer teacher mother father grandmother grandfather brother sister tree
    river mountain moon sun star flower house school village market ball kite boat train bus garden
    forest baby bird fish hare hyena monkey elephant lion tortoise chicken hen rooster butterfly ant
    spider snake crocodile princess
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A story short enough to be told.

    title, summary: as its authors gave them. text: the whole, or an opening that ends a sentence.
    subjects: nouns that it is about. licence: the story's own.
    """

    title: str
    summary: str
    text: str
    subjects: tuple[str, ...]
    licence: str


def stories(folder: Path) -> Kind:
    """A story by its title, its summary or its subject, or any story."""
    told = list(_read_stories(folder))

    def draw(rng: random.Random) -> Exchange:
        story = rng.choice(told)
        request = casual(rng, _story_request(rng, story))
        thought = rng.choice(
            (
                "The user wants a story. I tell a short one.",
                f"I tell the story {story.title}.",
                "A short story.",
            )
        )
        turns: tuple[tuple[Role, str], ...] = (("user", request), ("assistant", story.text))
        return Exchange(turns=turns, thought=thought, source="stories", licence=story.licence)

    return draw


def _story_request(rng: random.Random, story: Story) -> str:
    """One of many ways to ask for this story."""
    choice = rng.random()
    if choice < 0.45 and story.subjects:
        subject = rng.choice(story.subjects)
        return rng.choice(_SUBJECT_REQUESTS).format(f"{'an' if subject[0] in 'aeiou' else 'a'} {subject}")
    if choice < 0.65:
        return rng.choice(_TITLE_REQUESTS).format(story.title)
    if choice < 0.80 and story.summary:
        return rng.choice(_SUMMARY_REQUESTS).format(story.summary)
    return rng.choice(_ANY_REQUESTS)


_SUBJECT_REQUESTS = (
    "Tell me a story about {}.",
    "Tell me a short story about {}.",
    "Can you tell me a story about {}?",
    "Write a short story about {}.",
    "I would like a story about {}.",
    "A story about {}, please.",
    "Please write a little story about {}.",
    "Make up a story with {} in it.",
)
_TITLE_REQUESTS = (
    'Tell me the story "{}".',
    "Write a story with the title {}.",
    'Tell me a story called "{}".',
    "Title: {}. Now tell the story.",
    "A story please. The title is {}.",
)
_SUMMARY_REQUESTS = (
    "Write a short story. {}",
    "Tell me a story. {}",
    "Turn this into a short story: {}",
    "Write a story for children from this summary: {}",
)
_ANY_REQUESTS = (
    "Tell me a story.",
    "Tell me a short story.",
    "Can you tell me a story?",
    "I want to hear a story.",
    "Write a short story.",
    "A bedtime story, please.",
    "Please tell me a story for children.",
    "Do you have a story for me?",
    "Read me a story.",
)


def _read_stories(folder: Path) -> Iterator[Story]:
    """The stories that are fit to be told, the whole ones twice so that endings are learnt."""
    animals = set(word_list(folder, "animals/common"))
    things = animals | _SUBJECTS
    for row in open_set(folder, "stories"):
        text = plain(str(row["text"]))
        told = text if len(text) <= _MAX_STORY_CHARS else opening(text, _MAX_STORY_CHARS)
        if is_held_out(str(row["id"])) or not _is_well_written(str(row["title"]), told):
            continue
        counts = Counter(_WORD.findall(told.lower()))
        story = Story(
            title=plain(str(row["title"])),
            summary=_short_summary(plain(str(row["summary"] or ""))),
            text=told,
            subjects=tuple(word for word, number in counts.items() if number > 1 and word in things),
            licence=str(row["license"]),
        )
        yield story
        if told == text:
            yield story


def _is_well_written(title: str, told: str) -> bool:
    """Whole sentences with capitals and stops, a plain title, and nothing cruel."""
    paragraphs = [paragraph.strip() for block in told.split("\n\n") for paragraph in block.split("\n")]
    num_good = sum(bool(_SENTENCE.match(paragraph)) for paragraph in paragraphs)
    is_plain = plain(title).isascii() and not _UNFIT_STORY.search(f"{title} {told}")
    return len(told) >= 80 and is_plain and num_good >= 0.9 * len(paragraphs) and told[-1] in ".!?\"'"


def _short_summary(summary: str) -> str:
    """The summary where it is short enough to be a request."""
    return summary if len(summary) < 200 else ""
