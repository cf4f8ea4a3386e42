"""The whitespace that belongs to a chat format and to no text.

Enters: text of a thought or an answer as it comes. Leaves: the same without the format's own whitespace.
Read next: `parser.py`, which takes it off, and `template_traits.py`, which finds it in a template.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The whitespace around thoughts and calls. Our own format has none.

    before_thought: between `<think>` and the thought.
    after_thought: between the thought and `</think>`.
    before_answer: between `</think>` and the answer.
    before_call: between an answer and `<tool_call>`.
    """

    before_thought: str = ""
    after_thought: str = ""
    before_answer: str = ""
    before_call: str = ""


class Trimmed(NamedTuple):
    """What is left of a text, and how much of the whitespace may still come."""

    text: str
    rest: str


def trim_start(text: str, lead: str) -> Trimmed:
    """Take off as much of `lead` as the text begins with."""
    num_same = next(
        (at for at, (has, wanted) in enumerate(zip(text, lead, strict=False)) if has != wanted),
        min(len(text), len(lead)),
    )
    return Trimmed(text[num_same:], lead[num_same:] if num_same == len(text) else "")


def hold_back(text: str, tail: str) -> Trimmed:
    """Keep back the end of the text that `tail` could begin with; the rest may be shown."""
    size = next((size for size in range(len(tail), 0, -1) if text.endswith(tail[:size])), 0)
    return Trimmed(text[: len(text) - size], text[len(text) - size :])
