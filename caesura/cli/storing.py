"""What `serve` keeps of what clients upload.

Enters: options, which are declared here. Leaves: a size. Read next: `caesura/server/file_store.py`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from caesura.cli.dtypes import parse_bytes

# Unless the options say otherwise.
FILES_SIZE = "10GB"

Files = Annotated[
    str,
    typer.Option(
        metavar="SIZE", help="The most that uploaded files may take in the state folder; 0 keeps none."
    ),
]


def parse_files(word: str) -> int:
    """The option as it is typed, in bytes. Raises CaesuraError."""
    return 0 if word == "0" else parse_bytes("--files", word)
