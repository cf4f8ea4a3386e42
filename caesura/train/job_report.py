"""The report of a job: the last file that it writes, which tells that it is done.

Enters: what a job has measured. Leaves: `report.json`. Read next: `job.py`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

_NAME = "report.json"


def is_done(folder: Path, num_steps: int) -> bool:
    """Whether a job of so many steps has left its report in `folder`."""
    path = folder / _NAME
    return path.is_file() and json.loads(path.read_text(encoding="utf-8"))["num_steps"] == num_steps


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write the report, whole or not at all. It holds `num_steps`."""
    part = folder / f"{_NAME}.part"
    part.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    os.replace(part, folder / _NAME)
