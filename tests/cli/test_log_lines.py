"""The log for programs."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from caesura.cli.log_lines import JsonLines


def record(error: Exception | None = None) -> logging.LogRecord:
    raised = None
    if error is not None:
        try:
            raise error
        except ValueError:
            raised = sys.exc_info()
    return logging.LogRecord(
        "caesura.server", logging.ERROR, "x.py", 1, "%s failed\nbadly", ("req_1",), raised
    )


def test_a_record_is_one_line_of_json() -> None:
    line = JsonLines(tells_exceptions=False).format(record())
    assert "\n" not in line
    read = json.loads(line)
    assert read.pop("time").endswith("+00:00")
    assert read == {"level": "error", "logger": "caesura.server", "message": "req_1 failed\nbadly"}


@pytest.mark.parametrize("tells_exceptions", [True, False])
def test_what_an_exception_says_is_told_only_when_asked(tells_exceptions: bool) -> None:
    line = JsonLines(tells_exceptions=tells_exceptions).format(record(ValueError("somebody's words")))
    exception = json.loads(line)["exception"]
    assert exception["type"] == "builtins.ValueError"
    assert "test_log_lines.py" in exception["trace"]
    assert exception.get("message") == ("somebody's words" if tells_exceptions else None)
    assert ("somebody's words" in line) == tells_exceptions
