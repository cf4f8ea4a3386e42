"""`caesura models`: which models a server offers, or the bundled one.

Enters: a base URL. Leaves: a table. Read next: `connect.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from caesura.cli.connect import connected
from caesura.cli.screen import configure_logging, fail, printable, stdout
from caesura.messages.errors import CaesuraError
from caesura.messages.response import ModelInfo


def models(
    base_url: Annotated[str | None, typer.Option(help="The server to ask; default: as for `chat`.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="CAESURA_API_KEY", help="Its key, if any.")] = None,
) -> None:
    """List the models of a server, or the bundled one.

    Example: caesura models --base-url http://127.0.0.1:8000
    """
    configure_logging(is_verbose=False)
    try:
        stdout.print(_table(asyncio.run(_offered(base_url, api_key))))
    except CaesuraError as error:
        fail(str(error))


async def _offered(base_url: str | None, api_key: str | None) -> Sequence[ModelInfo]:
    async with connected(base_url, api_key) as connection:
        return await connection.client.models()


def _table(offered: Sequence[ModelInfo]) -> Table:
    table = Table("model", "name", "window", "trained up to", "thinks")
    for model in offered:
        window, trained = f"{model.max_input_tokens:,}", f"{model.trained_tokens:,}"
        name, display_name = escape(printable(model.id)), escape(printable(model.display_name))
        table.add_row(name, display_name, window, trained, "yes" if model.can_think else "no")
    return table
