"""`caesura data`: fetch the public data sets that the recipes train on.

Enters: names of sets. Leaves: a data folder with rows, licences and checksums. Read next:
`caesura/train/sets.py`, the catalogue.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from caesura.cli.extras import needs_extra

_NAMES = typer.Argument(help="Which sets; all of them if none is named.")
_FOLDER = typer.Option("--folder", help="Where they go.", envvar="CAESURA_DATA")
_LIST = typer.Option("--list", help="Only list the catalogue, with licences.")


def data(
    names: Annotated[list[str] | None, _NAMES] = None,
    folder: Annotated[Path, _FOLDER] = Path("data"),
    list_: Annotated[bool, _LIST] = False,
) -> None:
    """Fetch training data from its public sources; what is there already is not fetched again.

    Example: caesura data stories wordnet --folder data
    """
    # The converters pull in the training extra, so only this verb imports them.
    from caesura.messages.errors import DataError

    with needs_extra("train"):
        from caesura.train.fetch import Progress as Fetched
        from caesura.train.fetch import fetch
        from caesura.train.sets import SETS

    console = Console()
    if list_:
        console.print(_catalogue())
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def on_progress(fetched: Fetched) -> None:
            if fetched.name not in tasks:
                tasks[fetched.name] = progress.add_task(fetched.name, total=fetched.total_bytes)
            progress.update(tasks[fetched.name], completed=fetched.done_bytes, total=fetched.total_bytes)

        try:
            fetch(names or list(SETS), folder, on_progress)
        except DataError as error:
            console.print(f"[red]{error}[/]")
            raise typer.Exit(1) from error


def _catalogue() -> Table:
    from caesura.train.sets import SETS

    table = Table("set", "licence", "use")
    for name, data_set in SETS.items():
        table.add_row(name, data_set.licence, data_set.use)
    return table
