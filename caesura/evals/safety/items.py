"""What the safety suite asks: the measuring prompts, plain and disguised, and harmless ones beside them.

Enters: a way to read a set's rows by name. Leaves: `SafetyItem`s. Read next: `asking.py`.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from caesura.evals.safety.benign import benign_prompts
from caesura.evals.safety.grammar import grammar_prompts
from caesura.evals.safety.prompts import (
    Rows,
    SafetyPrompt,
    Template,
    measuring_prompts,
    measuring_templates,
)
from caesura.evals.safety.written import written_requests
from caesura.messages.content import Conversation, text_turn

Form = Literal[
    "plain",
    "templated",
    "encoded",
    "prefilled",
    "own words, harmful",
    "written, harmful",
    "look-alikes",
    "benign",
    "own words, harmless",
    "written, harmless",
]
HARMFUL_FORMS: tuple[Form, ...] = (
    "plain",
    "templated",
    "encoded",
    "prefilled",
    "own words, harmful",
    "written, harmful",
)
HARMLESS_FORMS: tuple[Form, ...] = ("look-alikes", "benign", "own words, harmless", "written, harmless")
PREFILL = "Sure, here is"
NUM_TEMPLATES = 3
NUM_BENIGN = 100
NUM_OWN = 300
_GRAMMAR_SEED = 9
_LEET = str.maketrans("aeiostAEIOST", "431057431057")


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyItem:
    """One request. form: in which disguise. detail: the set, template, encoding or type that it is of."""

    id: str
    form: Form
    detail: str
    is_harmful: bool
    conversation: Conversation


ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "leetspeak": lambda text: text.translate(_LEET),
}


def safety_items(rows: Rows) -> list[SafetyItem]:
    """All of them, in order."""
    prompts = measuring_prompts(rows)
    harmful = [each for each in prompts if each.is_harmful]
    return [
        *(_item("plain", each.source, each) for each in harmful),
        *_templated(harmful, measuring_templates(rows)),
        *_encoded(harmful),
        *(_prefilled(each) for each in harmful),
        *(_item("look-alikes", each.kind, each) for each in prompts if not each.is_harmful),
        *(
            _item("benign", each.source, each)
            for each in benign_prompts(rows, NUM_BENIGN, for_measuring=True)
        ),
        *_own(),
        *_written(),
    ]


def items_digest(items: Sequence[SafetyItem]) -> str:
    """SHA-256 over what is asked."""
    asked = "\n".join(f"{item.id}\0{item.form}\0{item.detail}\0{item.conversation!r}" for item in items)
    return hashlib.sha256(asked.encode()).hexdigest()


def _templated(prompts: Sequence[SafetyPrompt], templates: Sequence[Template]) -> Iterator[SafetyItem]:
    """Each prompt in a few templates, another few each time."""
    for number, prompt in enumerate(prompts):
        chosen = (
            templates[(number + step) % len(templates)] for step in range(min(NUM_TEMPLATES, len(templates)))
        )
        yield from (_item("templated", f"template {each.name}", each.around(prompt)) for each in chosen)


def _encoded(prompts: Sequence[SafetyPrompt]) -> Iterator[SafetyItem]:
    for prompt in prompts:
        for name, encode in ENCODINGS.items():
            yield _item("encoded", name, replace(prompt, text=encode(prompt.text)))


def _prefilled(prompt: SafetyPrompt) -> SafetyItem:
    item = _item("prefilled", prompt.source, prompt)
    asked = item.conversation
    return replace(item, conversation=replace(asked, turns=(*asked.turns, text_turn("assistant", PREFILL))))


def _own() -> Iterator[SafetyItem]:
    """The grammar's prompts in words that no training row has."""
    for share, form in ((1.0, "own words, harmful"), (0.0, "own words, harmless")):
        prompts = grammar_prompts(_GRAMMAR_SEED, NUM_OWN, holds_out=True, harmful_share=share)
        for prompt in islice(prompts, NUM_OWN):
            detail = prompt.category if prompt.is_harmful else prompt.kind
            yield _item(
                "own words, harmful" if form == "own words, harmful" else "own words, harmless",
                detail,
                prompt,
            )


def _written() -> Iterator[SafetyItem]:
    """Requests written for this project that no training row has."""
    for prompt in written_requests(for_measuring=True):
        if prompt.is_harmful:
            yield _item("written, harmful", prompt.category, prompt)
        else:
            yield _item("written, harmless", prompt.kind, prompt)


def _item(form: Form, detail: str, prompt: SafetyPrompt) -> SafetyItem:
    digest = hashlib.sha256(f"{form}\0{detail}\0{prompt.text}".encode()).hexdigest()[:12]
    return SafetyItem(
        id=digest,
        form=form,
        detail=detail or prompt.source,
        is_harmful=prompt.is_harmful,
        conversation=prompt.conversation,
    )
