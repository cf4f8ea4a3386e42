"""Prompts to start from: harmful requests, and harmless ones that only look harmful.

Enters: JSONL with a prompt a row, or prompts that the caller read elsewhere. Leaves: `Seed`s. Read next:
`styles.py`, which dresses them up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from caesura.messages.errors import DataError
from caesura.messages.harms import CATEGORIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """One prompt.

    text: the request. is_harmful: whether it is to be refused. category: one of `CATEGORIES`.
    kind: a type within its set, "" if none. source, licence: where it comes from.
    """

    text: str
    is_harmful: bool
    category: str = "none"
    kind: str = ""
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("text is empty")
        if self.category not in CATEGORIES:
            raise ValueError(f"category {self.category!r} is not one of {', '.join(CATEGORIES)}")


def seed_from_json(row: dict[str, Any]) -> Seed:
    """Raises ValueError, KeyError or TypeError for a row that is no prompt."""
    is_harmful = row["is_harmful"]
    if not isinstance(is_harmful, bool) or not isinstance(row["text"], str):
        raise TypeError("text is to be a string, and is_harmful true or false")
    words = {name: str(row.get(name, "")) for name in ("kind", "source", "licence")}
    return Seed(text=row["text"], is_harmful=is_harmful, category=str(row.get("category", "none")), **words)


def read_seeds(path: Path) -> Iterator[Seed]:
    """The prompts of a JSONL file in order. Raises DataError naming file and line for a row that is none."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row: object = json.loads(line)
            if not isinstance(row, dict):
                raise TypeError(f"a row is a JSON object, not {type(row).__name__}")
            seed = seed_from_json(cast(dict[str, Any], row))
        except (ValueError, KeyError, TypeError) as error:
            reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{path}:{number}: {reason}") from error
        yield seed


def require(seeds: Iterable[Seed], source: str) -> tuple[Seed, ...]:
    """Each text once, in order. Raises DataError where none is harmful: there is nothing to try."""
    distinct = tuple({seed.text: seed for seed in seeds}.values())
    if not any(seed.is_harmful for seed in distinct):
        raise DataError(
            f"{source} has no harmful prompt, so there is nothing to try; "
            "give rows with text, is_harmful and category"
        )
    return distinct


def seeds_digest(seeds: Iterable[Seed]) -> str:
    """SHA-256 over what is asked."""
    digest = hashlib.sha256()
    for seed in seeds:
        digest.update(f"{seed.text}\0{seed.is_harmful}\0{seed.category}\n".encode())
    return digest.hexdigest()
