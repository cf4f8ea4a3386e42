"""What the verbs share of the screen: two consoles, the log, and the way to fail.

Enters: messages. Leaves: text on stdout and stderr. Logging is configured here and nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import NoReturn

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from caesura.cli.log_lines import JsonLines, LogFormat

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


# C0, DEL and C1 but for newline and tab: a terminal obeys them, and who wrote the text should not rule it.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """A text from elsewhere, without what a terminal would obey instead of show."""
    return _CONTROLS.sub("", text)


def configure_logging(*, is_verbose: bool, log_format: LogFormat = LogFormat.TEXT) -> None:
    """Warnings to stderr; with `is_verbose`, everything that is worth knowing."""
    level = logging.INFO if is_verbose else logging.WARNING
    handler: logging.Handler = RichHandler(console=stderr, show_path=False, rich_tracebacks=False)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    if log_format is LogFormat.JSON:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines(tells_exceptions=is_verbose))
    handler.addFilter(_is_news)
    logging.basicConfig(level=level, handlers=[handler])


def _is_news(record: logging.LogRecord) -> bool:
    """Not what uvicorn says of the pages that were still open when the server was told to stop."""
    cause = record.exc_info[1] if record.exc_info else None
    is_abandoned = isinstance(cause, asyncio.CancelledError) or "graceful shutdown" in record.getMessage()
    return not (record.name == "uvicorn.error" and is_abandoned)


def fail(message: str) -> NoReturn:
    """Say what is wrong and end the command."""
    stderr.print(f"[bold red]error:[/] {escape(printable(message))}", soft_wrap=True)
    raise typer.Exit(1)
