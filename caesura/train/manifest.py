"""What a run was made from, and when: one JSON file that is written anew after each job.

Enters: a recipe and its place. Leaves: `manifest.json` with the hashes of the data, of each job's settings
and of what each job made, its seeds and its times, interruptions included. Read next: `recipe.py`, `job.py`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from caesura.train.inputs import check_inputs, file_digest
from caesura.train.job import Job, OnProgress, Place
from caesura.train.recipe import Recipe
from caesura.train.sets import SETS

_LIBRARIES = ("caesura", "torch", "tokenizers", "safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Keeps the manifest of a recipe up to date.

    path: the file. clock: the time, for tests.
    """

    path: Path
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, recipe: Recipe, job: Job, place: Place, on_progress: OnProgress) -> Path:
        """Run a job of the recipe and note when, from what and to what end.

        A job that fails or is interrupted is noted too; the next try is another entry in its `runs`. Raises
        ValueError for a job that was begun from other files than those that are there now.
        """
        check_inputs(job, place)
        self._begin(recipe, place)
        started = self.clock()
        outcome, made = "interrupted", None
        try:
            made = result = job.run(place, on_progress)
            outcome = "done"
        except Exception as error:
            outcome = f"failed: {error}"
            raise
        finally:
            self._note(job, started, outcome, made, place)
        return result

    def _begin(self, recipe: Recipe, place: Place) -> None:
        fields = self.read()
        fields["recipe"] = recipe.name
        fields["python"] = platform.python_version()
        fields["libraries"] = {name: version(name) for name in _LIBRARIES}
        fields["device"] = place.device
        fields["data"] = data_hashes(place.data)
        fields["tokenizer"] = digest(place.tokenizer / "tokenizer.json")
        fields.setdefault("jobs", {})
        fields["order"] = [job.name for job in recipe.stages]
        self._write(fields)

    def _note(self, job: Job, started: datetime, outcome: str, made: Path | None, place: Place) -> None:
        fields = self.read()
        settings = settings_of(job)
        entry = fields["jobs"].setdefault(job.name, {"runs": []})
        entry["kind"] = type(job).__name__
        entry["settings_sha256"] = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
        entry["seeds"] = dict(_seeds(settings))
        ended = self.clock()
        entry["runs"].append(
            {
                "started": _text(started),
                "ended": _text(ended),
                "seconds": round((ended - started).total_seconds(), 1),
                "outcome": outcome,
            }
        )
        if made is not None:
            entry["result"] = (
                made.relative_to(place.runs).as_posix() if made.is_relative_to(place.runs) else made.name
            )
            entry["result_sha256"] = digest(made)
        self._write(fields)

    def read(self) -> dict[str, Any]:
        """What is noted so far; nothing where there is no file yet."""
        if not self.path.is_file():
            return {}
        return cast(dict[str, Any], json.loads(self.path.read_text(encoding="utf-8")))

    def _write(self, fields: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(self.path.name + ".part")
        part.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
        os.replace(part, self.path)


def settings_of(job: Job) -> dict[str, Any]:
    """A job's fields as plain values; nested dataclasses say what they are."""
    return cast(dict[str, Any], json.loads(json.dumps(_plain(job), default=str)))


def _plain(node: Any) -> Any:
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        fields = {field.name: _plain(getattr(node, field.name)) for field in dataclasses.fields(node)}
        return {"kind": type(node).__qualname__} | fields
    if isinstance(node, (list, tuple)):
        return [_plain(each) for each in cast(tuple[Any, ...], node)]
    if callable(node):
        return getattr(node, "__qualname__", str(node))
    return node


def _seeds(node: Any, path: str = "") -> Iterator[tuple[str, int]]:
    """Every field called `seed`, with its path."""
    if not isinstance(node, dict):
        return
    for name, value in cast(dict[str, Any], node).items():
        where = f"{path}.{name}" if path else name
        if name == "seed":
            yield where, value
        yield from _seeds(value, where)


def data_hashes(data: Path) -> dict[str, str]:
    """SHA-256 of each set of the catalogue that is there, by its file's name."""
    files = sorted({data_set.file for data_set in SETS.values()})
    return {file: digest(data / file) for file in files if (data / file).is_file()}


def digest(path: Path) -> str:
    """SHA-256 of a file; of a folder, that of its files' names and contents.

    Raises OSError if it is not there.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there")
    if path.is_file():
        return file_digest(path)
    sha256 = hashlib.sha256()
    for each in sorted(each for each in path.rglob("*") if each.is_file()):
        sha256.update(each.relative_to(path).as_posix().encode() + b"\0")
        sha256.update(bytes.fromhex(file_digest(each)))
    return sha256.hexdigest()


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
