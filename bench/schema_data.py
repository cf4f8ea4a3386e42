"""Schemas to compile, with instances that satisfy them or do not.

The large sets lie outside the repository, in a folder that holds `json_schemas/schemas.jsonl.zst` (schemas
that people wrote, one a line) and `json_schema_test_suite/groups.jsonl.zst` (schemas with instances and
verdicts). Enters: that folder. Leaves: `Case`s. Read next: `schemas.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REAL = Path("json_schemas/schemas.jsonl.zst")
SUITE = Path("json_schema_test_suite/groups.jsonl.zst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A schema. name: what it is called. valid, invalid: instances with their verdicts, if there are any."""

    name: str
    schema: Any
    valid: tuple[Any, ...] = ()
    invalid: tuple[Any, ...] = ()


def real_cases(folder: Path) -> list[Case]:
    """The schemas that people wrote."""
    return [Case(name=row["id"], schema=row["schema"]) for row in _rows(folder / REAL)]


def suite_cases(folder: Path) -> list[Case]:
    """The test suite's groups."""
    return [_group(row) for row in _rows(folder / SUITE)]


def _group(row: dict[str, Any]) -> Case:
    schema = row["schema"]
    if row["draft"] == "draft7" and isinstance(schema, dict):
        # The suite names the draft by its folder.
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
    tests: list[dict[str, Any]] = row["tests"]
    return Case(
        name=f"{row['draft']}/{row['file']}: {row['description']}",
        schema=schema,
        valid=tuple(test["data"] for test in tests if test["valid"]),
        invalid=tuple(test["data"] for test in tests if not test["valid"]),
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    # Only the extra `train` has it.
    import zstandard

    raw = zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read()
    return (json.loads(line) for line in raw.split(b"\n") if line)
