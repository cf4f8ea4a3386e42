"""What a job starts from: files that earlier jobs made, known by their hashes.

A job that is done, or half done, from other files than those that are there now would mix two runs: rows of
one constitution in a model of another. So what it started from is kept beside it and compared. Enters: a job
and its place. Leaves: `inputs.json`, or a ValueError that names what has changed. Read next: `manifest.py`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from caesura.train.job import Job, Place
from caesura.train.stage import start_folder

_NAME = "inputs.json"
# What a job writes before it makes anything.
_SETTINGS = (_NAME, f"{_NAME}.part", "recipe.json")
# Fields that name a model folder, or an earlier job that has left one.
_MODELS = ("start_from", "rival")
_CHUNK_BYTES = 1 << 20


@runtime_checkable
class ReadsFiles(Protocol):
    """A part of a job that reads what earlier jobs have made."""

    def inputs(self, runs: Path) -> tuple[Path, ...]:
        """The files, whether they are there or not."""
        ...


def check_inputs(job: Job, place: Place) -> None:
    """Keep what the job starts from; raises ValueError where it began from something else."""
    folder = place.runs / job.name
    path = folder / _NAME
    now = {
        _name(file, place.runs): file_digest(file)
        for file in sorted(set(_files(job, place.runs)))
        if file.is_file()
    }
    if path.is_file() and _has_begun(folder):
        before = cast(dict[str, str], json.loads(path.read_text(encoding="utf-8")))
        changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        if changed:
            raise ValueError(
                f"{folder} was made from what has changed since: {', '.join(changed)}; remove that folder to "
                "make it anew, and those of the jobs that follow"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{_NAME}.part")
    part.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
    os.replace(part, path)


def _has_begun(folder: Path) -> bool:
    """Whether anything was made: a run that found an input missing has left no more than what it is of."""
    return any(each.is_file() and each.name not in _SETTINGS for each in folder.rglob("*"))


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha256.update(chunk)
    return sha256.hexdigest()


def _files(node: Any, runs: Path) -> Iterator[Path]:
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        return
    if isinstance(node, ReadsFiles):
        yield from node.inputs(runs)
    for field in dataclasses.fields(node):
        value: Any = getattr(node, field.name)
        if field.name in _MODELS and isinstance(value, str) and value:
            yield start_folder(value, runs) / "model.safetensors"
        yield from _files(value, runs)


def _name(file: Path, runs: Path) -> str:
    return file.relative_to(runs).as_posix() if file.is_relative_to(runs) else str(file)
