"""The settings of a run, kept beside it: a folder is not to hold two runs.

Enters: a folder and settings. Leaves: a file, or a `DataError` that names what differs. Read next:
`journal.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caesura.constitution.redteam.journal import write_whole
from caesura.messages.errors import DataError


def keep_settings(path: Path, settings: Mapping[str, Any]) -> bool:
    """Write them, or compare them with those of the run that is there; returns whether there was one.

    Raises DataError where the folder holds a run with other settings.
    """
    wanted = json.loads(json.dumps(dict(settings)))
    if not path.is_file():
        write_whole(path, json.dumps(wanted, indent=2) + "\n")
        return False
    try:
        kept = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: {error}; choose another folder") from error
    for name in (*wanted, *kept):
        if kept.get(name) != wanted.get(name):
            raise DataError(
                f"{path.parent} holds a run with {name} {kept.get(name)!r}, not {wanted.get(name)!r}; "
                "choose another --out, or give the settings that it began with"
            )
    return True
