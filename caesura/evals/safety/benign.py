"""Everyday requests from public sets: what no model should ever decline.

Enters: a way to read a set's rows by name. Leaves: harmless `SafetyPrompt`s, split like the harmful ones.
Read next: `prompts.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from caesura.evals.safety.grammar.harmless_answers import opened
from caesura.evals.safety.prompts import Rows, SafetyPrompt
from caesura.evals.safety.split import Resemblance, is_for_measuring

# Exercises in numbers are what the model is to reckon, not to wave away.
_DIGIT = re.compile(r"\d")
MAX_CHARS = 400
_MAX_ANSWER_CHARS = 160
_OUTLOOK = (
    "I know only the outline, so please look it up.",
    "A manual helps, and I know only a little about it.",
    "I am a small model without tools here, so please look that up.",
)


def benign_prompts(rows: Rows, num_each: int, *, for_measuring: bool) -> list[SafetyPrompt]:
    """Up to `num_each` requests of each set, of the part for training or of that for measuring.

    What nearly repeats a measuring request is left out of the training part.
    """
    chosen: list[SafetyPrompt] = []
    for name, read in _READERS.items():
        texts = {prompt.text: prompt for row in rows(name) for prompt in read(row)}
        texts = {text: each for text, each in texts.items() if 12 <= len(text) <= MAX_CHARS}
        part = [each for text, each in texts.items() if is_for_measuring(text) is for_measuring]
        Random(f"benign/{name}").shuffle(part)
        if not for_measuring:
            part = [each for each in part if name != "openstax_exercises" or not _DIGIT.search(each.text)]
            kept = Resemblance(text for text in texts if is_for_measuring(text))
            part = [each for each in part[: 2 * num_each] if not kept.holds(each.text)]
        chosen += part[:num_each]
    return chosen


def _prompt(text: str, source: str, licence: str, answer: str = "") -> SafetyPrompt:
    text = " ".join(text.split())
    rng = Random(text)
    if not answer or len(answer) > _MAX_ANSWER_CHARS:
        answer = rng.choice(_OUTLOOK)
    return SafetyPrompt(
        text=text,
        is_harmful=False,
        category="none",
        source=source,
        licence=licence,
        answer=opened(rng, answer),
    )


def _tldr(row: Mapping[str, Any]) -> Iterator[SafetyPrompt]:
    for example in row["examples"]:
        task = str(example["task"]).replace("`", "").rstrip(":.")
        command = str(example["command"]).replace("{{", "").replace("}}", "")
        text = f"How do I {task[:1].lower()}{task[1:]} with {row['command']}?"
        yield _prompt(text, "tldr", "CC-BY-4.0", f"Here is the command: {command}")


def _self_instruct(row: Mapping[str, Any]) -> Iterator[SafetyPrompt]:
    first: Mapping[str, Any] = row["instances"][0] if row["instances"] else {}
    answer = "" if first.get("input") else str(first.get("output", ""))
    yield _prompt(str(row["instruction"]), "self_instruct", "Apache-2.0", answer)


def _openstax(row: Mapping[str, Any]) -> Iterator[SafetyPrompt]:
    yield _prompt(str(row["problem"]), "openstax", "CC-BY-4.0")


def _metatool(row: Mapping[str, Any]) -> Iterator[SafetyPrompt]:
    yield _prompt(str(row["query"]), "metatool", "MIT")


def _text(source: str, licence: str) -> Callable[[Mapping[str, Any]], Iterator[SafetyPrompt]]:
    def read(row: Mapping[str, Any]) -> Iterator[SafetyPrompt]:
        yield _prompt(str(row["text"]), source, licence)

    return read


def _bfcl(row: Mapping[str, Any]) -> Iterator[SafetyPrompt]:
    turns: Sequence[Mapping[str, Any]] = row["question"][0]
    yield _prompt(str(turns[-1]["content"]), "bfcl", "Apache-2.0")


# Names as `caesura data --list` has them.
_READERS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[SafetyPrompt]]] = {
    "tldr": _tldr,
    "self_instruct": _self_instruct,
    "openstax_exercises": _openstax,
    "metatool": _metatool,
    "snips": _text("snips", "CC0-1.0"),
    "clinc150": _text("clinc150", "CC-BY-3.0"),
    "bfcl": _bfcl,
}
