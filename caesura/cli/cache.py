"""`caesura cache`: what the server keeps on disk of the prompts that it has computed.

Enters: the cache folder. Leaves: a table, or an emptier folder. Read next: `caesura/engine/cache_folder.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from caesura.cli.screen import configure_logging, fail, printable, stderr, stdout
from caesura.cli.state import state_folder
from caesura.messages.errors import CaesuraError

if TYPE_CHECKING:
    from caesura.engine.cache_folder import StoredModel

# Digits of an identity that tell models apart.
_IDENTITY_DIGITS = 12
_MIN_IDENTITY_DIGITS = 4


class CacheAction(Enum):
    """What to do with the cache."""

    LIST = "list"
    CLEAR = "clear"


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where pages are kept unless another folder is named."""
    return state_folder(environment) / "cache"


def cache(
    action: Annotated[CacheAction, typer.Argument(help="What to do.")] = CacheAction.LIST,
    cache_dir: Annotated[
        Path | None, typer.Option(help="The folder; default: `cache` in the state folder.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Only this model: its name, or how its identity begins.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Clear even while a server uses the folder.")
    ] = False,
) -> None:
    """List or clear the pages that the server keeps on disk. They tell what prompts said.

    Example: caesura cache clear --model nano
    """
    configure_logging(is_verbose=False)
    folder = (cache_dir or cache_folder(os.environ)).expanduser()
    try:
        if action is CacheAction.CLEAR:
            _clear(folder, model, is_forced=force)
        else:
            _list(folder, model)
    except (CaesuraError, OSError) as error:
        fail(str(error))


def _list(folder: Path, name: str | None) -> None:
    # The engine's room imports torch, and `--help` should not wait for it.
    from caesura.engine.cache_folder import stored_models

    models = [model for model in stored_models(folder) if _is_called(model, name)]
    stderr.print(f"[dim]{escape(printable(str(folder)))}[/]", soft_wrap=True)
    stdout.print(_table(models) if models else "nothing is stored")


def _clear(folder: Path, name: str | None, *, is_forced: bool) -> None:
    # As above.
    from caesura.engine.cache_folder import clear
    from caesura.engine.folder_lock import FolderInUseError

    try:
        num_bytes = clear(folder, lambda model: _is_called(model, name), is_forced=is_forced)
    except FolderInUseError as error:
        fail(
            f"process {error.holder} serves from {folder}. Stop it first, or clear with --force:"
            " it then computes those prompts again"
        )
    stdout.print(f"cleared {decimal(num_bytes)}")


def _is_called(model: StoredModel, name: str | None) -> bool:
    if name is None or model.name == name:
        return True
    return len(name) >= _MIN_IDENTITY_DIGITS and model.identity.hex().startswith(name)


def _table(models: list[StoredModel]) -> Table:
    table = Table("model", "identity", "pages", "size", "last used")
    for model in models:
        name, identity = escape(printable(model.name)), model.identity.hex()[:_IDENTITY_DIGITS]
        size, used = decimal(model.size_bytes), _time(model.used_at)
        table.add_row(name or "(damaged)", identity, f"{model.num_pages:,}", size, used)
    if len(models) > 1:
        num_pages = sum(model.num_pages for model in models)
        table.add_row("total", "", f"{num_pages:,}", decimal(sum(model.size_bytes for model in models)), "")
    return table


def _time(seconds: float) -> str:
    # The index may be missing, or damaged.
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M") if seconds else "?"
    return "?"
