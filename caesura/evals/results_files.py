"""Results as files: one JSON a suite, and every attempt as a line.

Enters: results and attempts. Leaves: files that are the same, byte for byte, for the same values.
Read next: `model_card.py`, which reads them back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from caesura.evals.attempts import Attempt
from caesura.evals.safety.asking import SafetyAttempt
from caesura.evals.tool_grading import ToolAttempt
from caesura.messages.errors import DataError

Value = TypeVar("Value")


def write_results(path: Path, results: Any) -> None:
    """A dataclass as indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(results), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_results(path: Path, kind: type[Value]) -> Value:
    """The dataclass that was written. Raises DataError naming the file and what is wrong with it."""
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; run `caesura eval` first") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {place}: {first['msg']}; run `caesura eval` again") from error


def read_if_there(path: Path, kind: type[Value]) -> Value | None:
    """As `read_results`, or None where there is no such file."""
    return read_results(path, kind) if path.is_file() else None


def write_attempts(path: Path, attempts: Iterable[Attempt | ToolAttempt | SafetyAttempt]) -> None:
    """One line of JSON an attempt."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(asdict(each), ensure_ascii=False) for each in attempts)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
