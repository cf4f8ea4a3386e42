"""`caesura memory`: what the model has written down for later.

Enters: the memory folder. Leaves: a table, a file's text, or an emptier folder. Read next:
`caesura/server/memory_store.py`.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from caesura.cli.screen import configure_logging, fail, printable, stderr, stdout
from caesura.messages.errors import CaesuraError
from caesura.server.memory_paths import MemoryRefusal, parts_of, path_of
from caesura.server.memory_store import MemoryStore, Remembered

MemoryFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Keep a memory for models there, for requests that ask for it."),
]


class MemoryAction(Enum):
    """What to do with the memory."""

    LIST = "list"
    SHOW = "show"
    CLEAR = "clear"


def memory_store(folder: Path | None) -> MemoryStore | None:
    """The memory that `serve` keeps, if it does. Raises CaesuraError."""
    return None if folder is None else MemoryStore(folder.expanduser())


def memory(
    memory_folder: Annotated[Path, typer.Option(metavar="DIR", help="The folder that `serve` was given.")],
    action: Annotated[MemoryAction, typer.Argument(help="What to do.")] = MemoryAction.LIST,
    path: Annotated[str, typer.Argument(help="The file to show, such as /memories/notes.md.")] = "",
    tenant: Annotated[
        str | None,
        typer.Option(
            help="Only this one's: whose it is as `list` shows it, or how the id of the memory begins."
        ),
    ] = None,
) -> None:
    """List, show or clear what models have written down on the server. It tells what people said.

    Example: caesura memory list --memory-folder memory
    Example: caesura memory show /memories/notes.md --memory-folder memory --tenant home
    """
    configure_logging(is_verbose=False)
    try:
        store = MemoryStore(memory_folder.expanduser())
        chosen = [each for each in store.all() if tenant is None or is_meant(each, tenant)]
        match action:
            case MemoryAction.LIST:
                stdout.print(_table(chosen) if chosen else "nothing is remembered")
            case MemoryAction.SHOW:
                stdout.print(printable(_text(store, chosen, path)), markup=False, soft_wrap=True)
            case MemoryAction.CLEAR:
                _clear(store, chosen, tenant)
    except (CaesuraError, MemoryRefusal, OSError) as error:
        fail(str(error))


def is_meant(remembered: Remembered, word: str) -> bool:
    """Whether a word names this memory."""
    is_id = len(word) >= 4 and remembered.id.startswith(word)
    return is_id or word in (remembered.tenant, owner(remembered))


def owner(remembered: Remembered) -> str:
    """Whose it is, in the words of `caesura keys` and `caesura usage`."""
    tenant = remembered.tenant
    if not tenant:
        return "everyone"
    return tenant.removeprefix("workspace ") if " " in tenant else f"option_{tenant[:12]}"


def _table(chosen: list[Remembered]) -> Table:
    table = Table("id", "whose", "file", "size")
    for each in chosen:
        files = [entry for entry in each.entries if not entry.is_folder]
        names = "\n".join(printable(path_of(entry.names)) for entry in files)
        sizes = "\n".join(decimal(entry.size_bytes) for entry in files)
        table.add_row(each.id[:12], escape(printable(owner(each))), escape(names), sizes)
    return table


def _text(store: MemoryStore, chosen: list[Remembered], path: str) -> str:
    """The one file that is meant. Raises CaesuraError or MemoryRefusal."""
    if not path:
        raise CaesuraError("`caesura memory show` needs the path of a file, such as /memories/notes.md")
    names = parts_of(path)
    holders = [each for each in chosen if any(entry.names == names for entry in each.entries)]
    if len(holders) != 1:
        problem = "no memory holds" if not holders else "several memories hold"
        raise CaesuraError(
            f"{problem} {path}; say whose it is with --tenant, as `caesura memory list` names it"
        )
    return store.read(holders[0].id, names)


def _clear(store: MemoryStore, chosen: list[Remembered], tenant: str | None) -> None:
    if tenant is not None and not chosen:
        raise CaesuraError(f"there is no memory of `{tenant}`; `caesura memory list` names them")
    for each in chosen:
        store.clear(each.id)
        stderr.print(f"[dim]forgot what was remembered for {escape(printable(owner(each)))}[/]")
