"""Where the safety sets lie in the data folder.

Enters: the data folder. Leaves: a way to read a set's rows by its name, as `caesura/evals/safety/` asks for
it. Read next: `sets.py`; `caesura/evals/safety/prompts.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from caesura.messages.errors import DataError
from caesura.train.sets import find_set, read_rows

_NAMES = """
    advbench harmbench strongreject xstest jailbreak_templates rbr_refusal_gold
    tldr self_instruct openstax_exercises metatool snips clinc150 bfcl
"""
FILES: Mapping[str, str] = {name: find_set(name).file for name in _NAMES.split()}


def safety_rows(folder: Path) -> Callable[[str], Iterator[dict[str, Any]]]:
    """The rows of a set by its name. Raises DataError, when asked, for a file that is not there."""

    def rows(name: str) -> Iterator[dict[str, Any]]:
        path = folder / FILES[name]
        if not path.is_file():
            raise DataError(
                f"{path}: the safety set {name!r} is not there; set --data or CAESURA_DATA, or run "
                f"`caesura data {name}`"
            )
        return read_rows(path)

    return rows
