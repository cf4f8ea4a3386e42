"""Where this machine keeps what must outlive a run, such as the key that signs thinking.

Enters: the environment. Leaves: a folder. Read next: `serve.py`, which uses it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def state_folder(environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """`$CAESURA_STATE`, or the place that the platform has for such things."""
    if chosen := environment.get("CAESURA_STATE"):
        return Path(chosen).expanduser()
    home = Path.home()
    match platform:
        case "darwin":
            return home / "Library" / "Application Support" / "caesura"
        case "win32":
            return Path(environment.get("LOCALAPPDATA", home / "AppData" / "Local")) / "caesura"
        case _:
            return Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state") / "caesura"
