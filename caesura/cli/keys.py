"""`caesura keys`: who may use the server, and how much.

Enters: names and limits. Leaves: a key, on stdout and nowhere else; a table; a key less. Read next:
`caesura/server/keys.py`.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from caesura.cli.accounting import Database, opened, shown_time
from caesura.cli.screen import configure_logging, fail, printable, stderr, stdout
from caesura.messages.errors import CaesuraError
from caesura.server.caller import DEFAULT_WORKSPACE
from caesura.server.keys import Key, create_key, list_keys, revoke_key
from caesura.server.limits import Limits


class KeysAction(Enum):
    """What to do with keys."""

    LIST = "list"
    CREATE = "create"
    REVOKE = "revoke"


def keys(
    action: Annotated[KeysAction, typer.Argument(help="What to do.")] = KeysAction.LIST,
    name: Annotated[
        str, typer.Argument(help="The key to create or to revoke; its id will do for the latter.")
    ] = "",
    workspace: Annotated[
        str, typer.Option(help="Whose key it is: keys of one workspace share caches and files.")
    ] = DEFAULT_WORKSPACE,
    rpm: Annotated[int | None, typer.Option(min=1, help="Requests a minute at most.")] = None,
    itpm: Annotated[
        int | None, typer.Option(min=1, help="Input tokens a minute at most, cached ones not counted.")
    ] = None,
    otpm: Annotated[int | None, typer.Option(min=1, help="Output tokens a minute at most.")] = None,
    revoked: Annotated[bool, typer.Option("--revoked", help="List those that were revoked, too.")] = False,
    database: Database = None,
) -> None:
    """Create, list or revoke API keys. Once there is one, every request needs one.

    Example: caesura keys create laptop --workspace home --rpm 60 --otpm 20000
    Example: caesura keys revoke laptop
    """
    configure_logging(is_verbose=False)
    try:
        if action is not KeysAction.LIST and not name:
            raise CaesuraError(f"`caesura keys {action.value}` needs the key's name")
        with opened(database) as kept:
            match action:
                case KeysAction.LIST:
                    _list(kept, with_revoked=revoked)
                case KeysAction.CREATE:
                    limits = Limits(requests=rpm, input_tokens=itpm, output_tokens=otpm)
                    _create(kept, name, workspace, limits)
                case KeysAction.REVOKE:
                    _revoke(kept, name)
    except (CaesuraError, DBAPIError) as error:
        fail(str(error))


def _create(database: Engine, name: str, workspace: str, limits: Limits) -> None:
    key, kept = create_key(database, name, workspace=workspace, limits=limits)
    stderr.print(f"[dim]{kept.id} `{escape(name)}` of workspace `{escape(workspace)}`; shown this once:[/]")
    # Alone on stdout, so that `KEY=$(caesura keys create ...)` works, and never wrapped.
    stdout.print(key, soft_wrap=True, markup=False)


def _list(database: Engine, *, with_revoked: bool) -> None:
    listed = list_keys(database, with_revoked=with_revoked)
    stdout.print(_table(listed) if listed else "there are no keys")


def _revoke(database: Engine, name: str) -> None:
    key = revoke_key(database, name)
    stderr.print(f"[dim]{key.id} `{escape(key.name)}` opens nothing any more, within a second[/]")


def _table(listed: list[Key]) -> Table:
    table = Table("id", "name", "workspace", "a minute", "created", "last used", "revoked")
    for key in listed:
        times = (shown_time(at_ms) for at_ms in (key.created_ms, key.last_used_ms, key.revoked_ms))
        table.add_row(key.id, _text(key.name), _text(key.workspace), _limits(key.limits), *times)
    return table


def _limits(limits: Limits) -> str:
    numbers = {"requests": limits.requests, "in": limits.input_tokens, "out": limits.output_tokens}
    return "\n".join(f"{number:,} {what}" for what, number in numbers.items() if number is not None)


def _text(text: str) -> str:
    return escape(printable(text))
