"""What `serve` keeps of computed prompts below the models' own memory, apart from torch for `--help`'s sake.

Enters: options, which are declared here. Leaves: a `Caching`. Read next: `page_tiers.py`, which opens what it
names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from caesura.cli.dtypes import parse_bytes

# On disk, unless the options say otherwise.
DISK_SIZE = "20GB"

CacheDir = Annotated[
    Path | None,
    typer.Option(help="Where computed prompts outlive a restart; default: `cache` in the state folder."),
]
CacheDisk = Annotated[
    str, typer.Option(metavar="SIZE", help="The most that it may take; 0 keeps nothing on disk.")
]
CacheRam = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="The most that is kept in RAM besides --kv-memory; default: 4GB with a GPU, else 0.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caching:
    """Where computed pages are kept, beside the memory that every model has for them.

    folder: on disk; None: the default one, without which we go on if another process holds it.
    disk_bytes: the most that the folder may take; 0: nothing is kept on disk.
    ram_bytes: the most that is kept in RAM besides; None: as the device needs it.
    """

    folder: Path | None = None
    disk_bytes: int
    ram_bytes: int | None = None


def parse_caching(folder: Path | None, *, disk: str = DISK_SIZE, ram: str | None = None) -> Caching:
    """The options as they are typed. Raises CaesuraError naming the one that is wrong."""
    return Caching(
        folder=None if folder is None else folder.expanduser(),
        disk_bytes=_size("--cache-disk", disk),
        ram_bytes=None if ram is None else _size("--cache-ram", ram),
    )


def _size(option: str, word: str) -> int:
    return 0 if word == "0" else parse_bytes(option, word)
