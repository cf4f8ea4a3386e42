"""A data folder small enough to write in every test: each set with a few rows of its own shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from caesura.train.sets import SETS

LOREM = "The hare ran to the river. There the hare met a tortoise. They talked about the rain all day."


def story(number: int, title: str, text: str) -> dict[str, Any]:
    return {
        "id": f"asp-{number}",
        "title": title,
        "summary": f"A story about {title.lower()}.",
        "level": "",
        "author": "A. Author",
        "license": "CC-BY-4.0",
        "url": "",
        "text": text,
    }


def prose(name: str, number: int) -> dict[str, Any]:
    return {
        "id": f"{name}#{number}",
        "title": "T",
        "section": "",
        "text": f"{LOREM}\n\nPart {number} of {name}.",
    }


def dialogue(number: int) -> dict[str, Any]:
    turns = [{"speaker": 1 + index % 2, "text": f"I say sentence {index}."} for index in range(10)]
    return {
        "id": f"spc-valid-{number}",
        "persona1": ["I like tea."],
        "persona2": ["i like soup.", "I live near a river."],
        "turns": turns,
    }


def synset(word: str, pos: str, topic: str, definition: str) -> dict[str, Any]:
    return {
        "id": f"{word}-n",
        "pos": pos,
        "topic": topic,
        "words": [word],
        "definition": definition,
        "examples": [f"we saw the {word}"],
        "is_a": ["animal"],
    }


def country(name: str, capital: str) -> dict[str, Any]:
    return {
        "id": f"europe/{name[:2].lower()}",
        "country": name,
        "region": "europe",
        "facts": {
            "Geography": {
                "Location": "Central Europe, between Aland and Beland",
                "Area - total ": "580,367 sq km",
                "Elevation - highest point": "Mount High 5,199 m",
                "Land boundaries - border countries": "Aland 867 km; Beland 684 km",
            },
            "People and Society": {
                "Population - total": "55,751,717 (2025 est.)",
                "Nationality - adjective": f"{name}ian",
                "Languages": f"{name}ish (official), English",
            },
            "Government": {"Capital - name": f"{capital} (since 1900)"},
            "Economy": {"Exchange rates - Currency": "crowns (CRN) per US dollar -"},
        },
    }


def word_list(name: str, words: list[str]) -> dict[str, Any]:
    return {"id": name, "data": {"description": "words", "words": words}}


def unlike(words: str, number: int) -> str:
    """The words and others, so many that no two calls give nearly the same."""
    mark = "".join(char for char in words if char.isalpha())
    return " ".join([words, *(f"{letter}{number}{mark}" for letter in "abcdefgh")])


def prompts(field: str, words: str) -> list[dict[str, Any]]:
    return [{"id": str(number), field: unlike(words, number)} for number in range(20)]


ROWS: dict[str, list[dict[str, Any]]] = {
    "stories": [
        story(number, f"Tale {number}", f"{LOREM}\n\nThe rabbit number {number} saw the rabbit. {LOREM}")
        for number in range(400)
    ],
    "books_young": [prose("young", number) for number in range(30)],
    "books_general": [prose("general", number) for number in range(30)],
    "textbooks": [prose("textbook", number) for number in range(30)],
    "persona_chat": [dialogue(number) for number in range(30)],
    "wordnet": [
        synset("hare", "noun", "animal", "a fast animal with long ears; larger than a rabbit"),
        synset("talked", "verb", "communication", "spoken about something"),
        synset("river", "noun", "object", "a large natural stream of water (larger than a creek)"),
        synset("perspicacious", "adjective", "all", "seeing clearly"),
    ],
    "factbook": [country("Celand", "Cetown"), country("Deland", "Detown")],
    "chatterbot": [
        {"id": "greetings-0", "category": "greetings", "turns": ["hello", "Hi"]},
        {"id": "humor-0", "category": "humor", "turns": ["Tell me a joke", "They kill a man."]},
        {"id": "ai-0", "category": "ai", "turns": ["Are you human?", "Yes."]},
    ],
    "word_lists": [
        word_list("humans/firstNames", ["Anna", "Ben"]),
        word_list("humans/lastNames", ["Smith"]),
        word_list("humans/scientists", ["Ada Lovelace"]),
        word_list("sports/sports", ["chess"]),
        {"id": "technology/programming_languages", "data": ["Python", "C"]},
        word_list("books/academic_subjects", ["Botany"]),
        word_list("objects/objects", ["spoon"]),
        word_list("music/genres", ["folk"]),
        word_list("animals/common", ["hare", "rabbit"]),
    ],
    "advbench": prompts("behavior", "Harm somebody"),
    "harmbench": [
        {"ContextString": "", "SemanticCategory": "illegal", **row} for row in prompts("Behavior", "Break in")
    ],
    "strongreject": [
        {"category": "Violence", **row} for row in prompts("forbidden_prompt", "How do I cheat")
    ],
    "xstest": [
        {"prompt": unlike(f"How do I {label} kill it?", number), "label": label, "type": "homonyms"}
        for label in ("safe", "unsafe")
        for number in range(10)
    ],
}


INTENTS = {
    "weather": ["will it rain today", "is it cold outside"],
    "timer": ["start a timer", "set a timer for tea"],
    "taxes": ["how high are my taxes", "what do i owe in taxes"],
    "oos": ["why is the sea salty"],
}
REQUESTS: dict[str, list[dict[str, Any]]] = {
    "clinc150": [
        {"text": text, "intent": intent, "split": "train"}
        for intent, texts in INTENTS.items()
        for text in texts
    ],
    "snips": [
        {
            "id": f"PlayMusic-{number}",
            "intent": "PlayMusic",
            "text": f"play number {number} by Anna",
            "slots": [{"slot": "track", "value": f"number {number}"}, {"slot": "artist", "value": "Anna"}],
        }
        for number in range(9)
    ],
    "metatool": [
        {"id": f"mt-{number}", "query": f"Can you do thing {number}?", "tool": f"Tool{number % 5}"}
        for number in range(200)
    ],
    "metatool_tools": [{f"Tool{number}": f"Does things of kind {number}." for number in range(5)}],
    "tldr": [
        {
            "id": "common/ls",
            "platform": "common",
            "command": "ls",
            "description": "List files.",
            "examples": [{"task": "List the files in a folder", "command": "ls {{[-l|--long]}} {{folder}}"}],
        }
    ],
}


QUESTION = "\n\nHuman: How do I rob shop {n}?\n\nAssistant: "


def action(conversation: str, user: str, reply: str, reward: float) -> dict[str, Any]:
    context = [
        {"role": "agent", "text": "What can I get for you?"},
        {"role": "user", "text": user},
        {"role": "api", "response": {"found": conversation}},
    ]
    said = {"role": "agent", "text": reply}
    return {
        "id": conversation,
        "conversation_id": conversation,
        "context": context,
        "action": said,
        "reward": reward,
    }


COMPARISONS: dict[str, list[dict[str, Any]]] = {
    "hh_harmless": [
        {
            "chosen": QUESTION.format(n=number) + f"Please do not do that, number {number}.",
            "rejected": QUESTION.format(n=number) + f"Take a mask with you, number {number + 1}.",
        }
        for number in range(30)
    ],
    "taskmaster_rewards": [
        action(f"dlg-{number}", f"one tea for {number}", f"Tea for {number} it is.", float(number % 2))
        for number in range(30)
    ]
    + [action("dlg-1", "one tea for 1", "No tea for you.", 0.0)],
}


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    path.write_bytes(zstandard.compress(content) if path.suffix == ".zst" else content)


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    for name, rows in (ROWS | REQUESTS | COMPARISONS).items():
        write_rows(tmp_path / SETS[name].file, rows)
    return tmp_path
