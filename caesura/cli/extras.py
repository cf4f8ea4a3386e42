"""A missing optional package, said in words that help.

Enters: the name of an extra. Leaves: an exit with the command that installs it. Read next: `train.py`.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from caesura.cli.screen import fail


@contextmanager
def needs_extra(name: str) -> Generator[None]:
    """Around imports that only work with the extra `name` installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; this verb needs: pip install 'caesura[{name}]'")
