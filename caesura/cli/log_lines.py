"""The log as JSON, one object a line, for programs that collect logs.

Of an exception its type and its lines of code are told, and what it says only when asked: that may be
somebody's words. Enters: log records. Leaves: lines. Read next: `screen.py`, which configures logging.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class LogFormat(StrEnum):
    """How the log looks. TEXT: for people. JSON: for programs."""

    TEXT = "text"
    JSON = "json"


class JsonLines(logging.Formatter):
    """Records as JSON."""

    def __init__(self, *, tells_exceptions: bool) -> None:
        """tells_exceptions: whether what exceptions say is told too."""
        super().__init__()
        self._tells_exceptions = tells_exceptions

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            line["exception"] = self._told(error)
        return json.dumps(line, ensure_ascii=False)

    def _told(self, error: BaseException) -> dict[str, str]:
        told = {
            "type": f"{type(error).__module__}.{type(error).__qualname__}",
            "trace": "".join(traceback.format_tb(error.__traceback__)),
        }
        return told | ({"message": str(error)} if self._tells_exceptions else {})
