"""Sets of requests, from the files that the public sources publish: intents, slots, tools, commands, tasks.

Enters: the raw files of one data set, by repository and path. Leaves: rows as dictionaries, in the same shape
as `sets.py` opens them; what is officially held out is left out. Read next: `convert.py`, the other sets.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, cast

from caesura.messages.errors import DataError
from caesura.train.convert import Files, Row, remainder

_EXAMPLE = re.compile(r"^- (.+?):?\n+`([^`\n]+)`", re.MULTILINE)
_SHARED_PARTS = ("train", "val", "oos_train", "oos_val")


def intents(files: Files) -> Iterator[Row]:
    """Requests in 150 intents and out of scope, without the parts kept for testing."""
    for content in files.values():
        parts = json.loads(content)
        for part in _SHARED_PARTS:
            for text, intent in parts[part]:
                yield {"text": text, "intent": intent, "split": part}


def slots(files: Files) -> Iterator[Row]:
    """Requests with spans that are arguments; texts that validation has too are left out."""
    spoken = [
        (path, intent, spans["data"])
        for path, content in sorted(files.items())
        if PurePosixPath(path).stem.startswith("validate_") or path.endswith("_full.json")
        for intent, rows in cast(dict[str, Any], json.loads(content.decode("utf-8", "replace"))).items()
        for spans in rows
    ]
    is_validation = {_joined(spans) for path, _, spans in spoken if "validate_" in path}
    numbers: dict[str, int] = {}
    for path, intent, spans in spoken:
        if "validate_" in path or _joined(spans) in is_validation:
            continue
        number = numbers[intent] = numbers.get(intent, -1) + 1
        named = [
            {"slot": span["entity"], "value": span["text"].strip()} for span in spans if "entity" in span
        ]
        yield {"id": f"{intent}-{number}", "intent": intent, "text": _joined(spans), "slots": named}


def _joined(spans: list[dict[str, str]]) -> str:
    return "".join(span["text"] for span in spans).strip()


def tool_choices(files: Files) -> Iterator[Row]:
    """Requests and the one tool for each, without the tenth that is held out by hash."""
    for content in files.values():
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        for number, row in enumerate(table):
            if remainder(row["Query"].lower(), 10) != 0:
                yield {"id": f"mt-{number}", "query": row["Query"], "tool": row["Tool"]}


def single_row(files: Files) -> Iterator[Row]:
    """A JSON object as the only row."""
    for content in files.values():
        yield cast(Row, json.loads(content))


def json_lines(files: Files) -> Iterator[Row]:
    """Rows that are published as JSON, one a line, as they are."""
    for path, content in sorted(files.items()):
        for number, line in enumerate(content.split(b"\n"), start=1):
            if line.strip():
                yield _json_row(line, f"{path}, line {number}")


def _json_row(line: bytes, place: str) -> Row:
    """One line; an error names its place."""
    try:
        row: object = json.loads(line)
    except ValueError as error:
        raise DataError(f"{place}: not a row of JSON: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"{place}: a row is a JSON object, not {type(row).__name__}")
    return cast(Row, row)


def command_pages(files: Files) -> Iterator[Row]:
    """Pages in Markdown: a command, what it is for, and tasks with their commands."""
    for path, content in sorted(files.items()):
        platform, name = PurePosixPath(path).parts[-2:]
        text = content.decode()
        about = [line.removeprefix("> ") for line in text.split("\n") if line.startswith("> ")]
        command = name.removesuffix(".md")
        yield {
            "id": f"{platform}/{command}",
            "platform": platform,
            "command": text.split("\n", 1)[0].removeprefix("# ").strip() or command,
            "description": about[0] if about else "",
            "examples": [{"task": task, "command": done} for task, done in _EXAMPLE.findall(text)],
        }
