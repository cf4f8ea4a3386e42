"""Where the model that comes with the package lies.

Enters: nothing. Leaves: a folder and its name. Read next: `local.py`, which loads it.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

BUNDLED_NAME = "nano"


def bundled_folder() -> Path:
    """The folder of the model that comes with the package."""
    return Path(str(files("caesura") / "bundled" / BUNDLED_NAME))
