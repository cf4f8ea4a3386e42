"""Preferences: a conversation, two replies to it, and how sure somebody is that the first is the better one.

The constitution's feedback writes them, reward models and preference optimisation read them. One a line:

    {"prompt": [{"role": "user", "content": "..."}], "chosen": "...", "rejected": "...", "p": 0.9,
     "dimension": "harmless", "principle_id": "no-weapons", "labeler": "rules"}

Enters: JSONL. Leaves: `Preference` values; a bad row is a DataError that names file and line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from caesura.messages.content import Role, Turn, text_of, text_turn
from caesura.messages.errors import DataError

Dimension = Literal["helpful", "harmless", "honest", "coherent"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One comparison.

    prompt: the turns before the reply, the last one the user's.
    chosen, rejected: the texts of the two replies; never empty, never equal.
    p: how probable it is that `chosen` is the better one, from 0.5 to 1: below it they would be swapped.
    dimension: in what it is better. principle_id: by which principle, "" by none.
    labeler: who compared them, e.g. "rules".
    source, licence: where the prompt comes from.
    """

    prompt: tuple[Turn, ...]
    chosen: str
    rejected: str
    p: float
    dimension: Dimension
    principle_id: str = ""
    labeler: str = ""
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if not self.prompt or self.prompt[-1].role != "user":
            raise ValueError("prompt must end in a message of the user's")
        for name in ("chosen", "rejected"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} is empty")
        if self.chosen.strip() == self.rejected.strip():
            raise ValueError("chosen and rejected are equal; there is nothing to prefer")
        if not (math.isfinite(self.p) and self.p <= 1.0):
            raise ValueError(f"p {self.p} is not between 0.5 and 1")
        if self.p < 0.5:
            raise ValueError(f"p {self.p} is below 0.5: the sides are swapped")
        if self.dimension not in DIMENSIONS:
            raise ValueError(f"dimension {self.dimension!r} is not one of {', '.join(DIMENSIONS)}")


def read_preferences(path: Path) -> Iterator[Preference]:
    """The rows of a file in order. Raises DataError naming file and line for one that is none."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield preference_from_json(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                raise DataError(f"{path}:{number}: {reason}") from error


def write_preferences(path: Path, rows: Iterable[Preference]) -> int:
    """Write rows as JSONL; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(preference_to_json(row), ensure_ascii=False) + "\n")
            count += 1
    return count


def preference_from_json(fields: dict[str, Any]) -> Preference:
    """Raises ValueError, KeyError or TypeError for a row that is not as `preference_to_json` writes it."""
    messages = cast(list[dict[str, Any]], fields["prompt"])
    return Preference(
        prompt=tuple(text_turn(_role(message["role"]), str(message["content"])) for message in messages),
        chosen=str(fields["chosen"]),
        rejected=str(fields["rejected"]),
        p=float(fields["p"]),
        dimension=fields["dimension"],
        **{name: str(fields.get(name, "")) for name in ("principle_id", "labeler", "source", "licence")},
    )


def preference_to_json(row: Preference) -> dict[str, Any]:
    """The row in words that other trainers read as well; lengths are in characters."""
    return {
        "prompt": [{"role": turn.role, "content": text_of(turn.content)} for turn in row.prompt],
        "chosen": row.chosen,
        "rejected": row.rejected,
        "p": row.p,
        "dimension": row.dimension,
        "principle_id": row.principle_id,
        "labeler": row.labeler,
        "lengths": [len(row.chosen), len(row.rejected)],
        "source": row.source,
        "licence": row.licence,
    }


def _role(role: str) -> Role:
    if role not in get_args(Role):
        raise ValueError(f"role {role!r} is not one of {', '.join(get_args(Role))}")
    return cast(Role, role)
