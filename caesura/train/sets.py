"""The catalogue of public data sets that the recipes read, and the one way to open them.

Enters: a data folder (an argument, else the variable CAESURA_DATA, else ./data). Leaves: rows as
dictionaries. Read next: `text_sets.py`, the catalogue's first part; `fetch.py`, which brings the sets.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import zstandard

from caesura.messages.errors import DataError
from caesura.train.data_set import DataSet
from caesura.train.judged_sets import JUDGED_SETS
from caesura.train.request_sets import REQUEST_SETS
from caesura.train.text_sets import TEXT_SETS

SETS: Mapping[str, DataSet] = {
    data_set.name: data_set for data_set in (*TEXT_SETS, *REQUEST_SETS, *JUDGED_SETS)
}


def data_folder() -> Path:
    """Where the sets lie when no folder is given: CAESURA_DATA, else ./data."""
    return Path(os.environ.get("CAESURA_DATA", "data"))


def find_set(name: str) -> DataSet:
    """The catalogue entry of a set; a DataError that lists the names where there is none."""
    if name not in SETS:
        raise DataError(f"no data set is called {name!r}; there are: {', '.join(SETS)}")
    return SETS[name]


def open_set(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a set, in the order of its file.

    A missing file, a damaged file or a row that is no JSON object raises DataError with file and line.
    """
    path = folder / find_set(name).file
    if not path.is_file():
        raise DataError(f"{path}: the data set {name!r} is not there; fetch it or set CAESURA_DATA")
    return read_rows(path)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a .jsonl or .jsonl.zst file, split on the newline byte only."""
    with path.open("rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
        lines = io.BufferedReader(cast(io.RawIOBase, stream)) if path.suffix == ".zst" else file
        yield from _parse(path, lines)


def _parse(path: Path, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Each line as a dictionary; errors name the file and the line."""
    number = 0
    try:
        for number, line in enumerate(lines, start=1):  # noqa: B007 (the number names the bad line)
            if line.strip():
                yield _row(line)
    except (ValueError, zstandard.ZstdError) as error:
        raise DataError(f"{path}, line {max(number, 1)}: not a row of JSON: {error}") from error


def _row(line: bytes) -> dict[str, Any]:
    """One line as a dictionary."""
    row: object = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError(f"a row is a JSON object, not {type(row).__name__}")
    return cast(dict[str, Any], row)
