"""What a constitution is applied to: requests of which it is known whether they are harmful.

Whatever has these fields will do; files of them are JSONL:

    {"text": "...", "is_harmful": true, "category": "privacy", "source": "mine", "licence": "CC0-1.0"}

Enters: JSONL. Leaves: `WrittenPrompt` values; a bad row is a DataError that names file and line. Read next:
`revising.py` and `feedback.py`, which use them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from caesura.messages.content import Conversation, conversation, text_of
from caesura.messages.errors import DataError
from caesura.messages.harms import CATEGORIES


class Prompt(Protocol):
    """A request that a model is asked."""

    @property
    def text(self) -> str:
        """The request itself: the last turn."""
        ...

    @property
    def conversation(self) -> Conversation:
        """All that the model reads: a system prompt and turns before the request, if there are any."""
        ...

    @property
    def is_harmful(self) -> bool:
        """Whether it is to be declined."""
        ...

    @property
    def category(self) -> str:
        """Which harm it does or seems to do, one of `CATEGORIES`."""
        ...

    @property
    def kind(self) -> str:
        """Its type within its source; "" for none."""
        ...

    @property
    def answer(self) -> str:
        """How a harmless one may be answered; "" where nobody wrote that."""
        ...

    @property
    def source(self) -> str:
        """Where it comes from."""
        ...

    @property
    def licence(self) -> str:
        """Under which licence."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPrompt:
    """A prompt out of a file. See `Prompt` for the fields."""

    text: str
    is_harmful: bool
    category: str = "none"
    kind: str = ""
    answer: str = ""
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("text is empty")
        if self.category not in CATEGORIES:
            raise ValueError(f"category {self.category!r} is not one of {', '.join(CATEGORIES)}")

    @property
    def conversation(self) -> Conversation:
        """The request alone."""
        return conversation(("user", self.text))


def identity(prompt: Prompt) -> str:
    """Tells prompts apart, whatever comes before the request."""
    read = prompt.conversation
    parts = (text_of(read.system), *(f"{turn.role} {text_of(turn.content)}" for turn in read.turns))
    return hashlib.sha256("\n\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def read_prompts(path: Path) -> Iterator[WrittenPrompt]:
    """The rows of a file in order. Raises DataError naming file and line for one that is none."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield _prompt(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                raise DataError(f"{path}:{number}: {reason}") from error


def _prompt(fields: dict[str, Any]) -> WrittenPrompt:
    names = WrittenPrompt.__slots__
    unknown = next((name for name in fields if name not in names), None)
    if unknown is not None:
        raise ValueError(f"{unknown!r} is no field; there are {', '.join(names)}")
    is_harmful: object = fields["is_harmful"]
    if not isinstance(is_harmful, bool):
        raise TypeError(f"is_harmful must be true or false, not {is_harmful!r}")
    for name, value in fields.items():
        if name != "is_harmful" and not isinstance(value, str):
            raise TypeError(f"{name} must be text, not {value!r}")
    return WrittenPrompt(**({"text": fields["text"]} | fields))
