"""A log in groups of lines, of which a run that is killed loses at most the last group.

Each line is a JSON object with the number of its group; the last line of a group says so. What follows the
last whole group is cut off when the journal is opened again. Enters: groups of objects. Leaves: JSONL. Read
next: `revising.py` and `feedback.py`, which write one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self, cast

from caesura.messages.errors import DataError

Line = Mapping[str, Any]
_LAST = "is_last"
_GROUP = "index"


class Journal:
    """A journal that is open for more groups; close it, or use it in `with`."""

    def __init__(self, path: Path) -> None:
        """Cut off what is not whole. Raises DataError naming file and line where the rest is damaged."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.num_groups, size = _whole(path)
        os.truncate(path, size)
        self._file: IO[bytes] = path.open("ab")

    def append(self, lines: Sequence[Line]) -> None:
        """Add a group, in one write."""
        last = len(lines) - 1
        text = "".join(
            json.dumps({_GROUP: self.num_groups, **line, _LAST: number == last}, ensure_ascii=False) + "\n"
            for number, line in enumerate(lines)
        )
        self._file.write(text.encode("utf-8", "surrogatepass"))
        self._file.flush()
        self.num_groups += 1

    def close(self) -> None:
        """What was written is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def read_groups(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The whole groups in order. Raises DataError naming file and line."""
    for lines, _ in _groups(path):
        yield lines


def _whole(path: Path) -> tuple[int, int]:
    """How many groups are whole, and where the last of them ends."""
    ends = [end for _, end in _groups(path)]
    return len(ends), ends[-1] if ends else 0


def _groups(path: Path) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Each whole group with the position behind it."""
    group: list[dict[str, Any]] = []
    index, position = 0, 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            position += len(raw)
            if not raw.endswith(b"\n"):
                return
            line = _line(raw, f"{path}:{number}")
            if line.get(_GROUP) != index:
                found = line.get(_GROUP)
                raise DataError(f"{path}:{number}: {_GROUP} is {found!r} where {index} comes next")
            group.append(line)
            if line.get(_LAST) is True:
                yield group, position
                group, index = [], index + 1


def _line(raw: bytes, place: str) -> dict[str, Any]:
    try:
        line: object = json.loads(raw.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise DataError(f"{place}: {error}; remove the folder to begin anew") from error
    if not isinstance(line, dict):
        raise DataError(f"{place}: expected an object, found {line!r}")
    return cast(dict[str, Any], line)
