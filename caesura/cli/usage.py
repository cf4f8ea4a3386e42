"""`caesura usage`: what replies took and cost, and which tools they decided to use.

Enters: the ledger. Leaves: a table, or JSON. Read next: `caesura/server/ledger_reports.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from enum import Enum
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from caesura.cli.accounting import Database, iso_time, opened, parse_since, shown_time
from caesura.cli.screen import configure_logging, fail, printable, stderr, stdout
from caesura.messages.errors import CaesuraError
from caesura.server.database import milliseconds
from caesura.server.ledger import StorageRow, ToolDecision
from caesura.server.ledger_reports import (
    Grouping,
    UsageLine,
    decisions,
    storage_rows,
    usage_lines,
)

_MICRO = 10**6


class UsageAction(Enum):
    """What to print."""

    COSTS = "costs"
    AUDIT = "audit"


class By(Enum):
    """What the replies of a line have in common."""

    KEY = "key"
    WORKSPACE = "workspace"
    MODEL = "model"
    DAY = "day"


def usage(
    action: Annotated[
        UsageAction, typer.Argument(help="Tokens and their costs, or every decision to use a tool.")
    ] = UsageAction.COSTS,
    by: Annotated[By, typer.Option(help="What to sum by.")] = By.KEY,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="30m, 12h, 7d, or a day such as 2026-11-01 (UTC).")
    ] = None,
    request: Annotated[str | None, typer.Option(help="Only this request's decisions, by its id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    database: Database = None,
) -> None:
    """Print what was used, and what it cost.

    Example: caesura usage --by model --since 7d
    Example: caesura usage audit --since 24h --json
    """
    configure_logging(is_verbose=False)
    try:
        since_ms = parse_since(since, now_ms=milliseconds())
        with opened(database) as ledger:
            if action is UsageAction.AUDIT:
                _print_audit(decisions(ledger, since_ms=since_ms, request_id=request), as_json=as_json)
            else:
                _print_costs(ledger, by.value, since_ms, as_json=as_json)
    except (CaesuraError, DBAPIError) as error:
        fail(str(error))


def _print_costs(ledger: Engine, by: Grouping, since_ms: int, *, as_json: bool) -> None:
    lines, stored = usage_lines(ledger, by, since_ms=since_ms), storage_rows(ledger, since_ms=since_ms)
    if as_json:
        replies = [{by: line.group, **_without(asdict(line), "group")} for line in lines]
        _print_json({"replies": replies, "storage": [_storage_json(row) for row in stored]})
        return
    stdout.print(_costs_table(by, lines) if lines else "nothing was used")
    if stored:
        stdout.print(_storage_table(stored))


def _print_audit(made: Sequence[ToolDecision], *, as_json: bool) -> None:
    if as_json:
        _print_json([{**asdict(each), "made_at": iso_time(each.made_ms)} for each in made])
        return
    stdout.print(_audit_table(made) if made else "no tool was decided on")


def _print_json(value: object) -> None:
    stdout.print(json.dumps(value, indent=2), soft_wrap=True, markup=False)


def _without(row: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in row.items() if key != name}


def _storage_json(row: StorageRow) -> dict[str, object]:
    times = {"from": iso_time(row.from_ms), "to": iso_time(row.to_ms)}
    return {**asdict(row), **times}


def _costs_table(by: str, lines: Sequence[UsageLine]) -> Table:
    columns = ("replies", "input", "cache read", "write 5m", "write 1h", "output", "thinking", "cost")
    table = Table(by)
    for column in columns:
        table.add_column(column, justify="right")
    for line in [*lines, _total(lines)] if len(lines) > 1 else lines:
        counts = [getattr(line, field.name) for field in fields(UsageLine)[1:-1]]
        table.add_row(_text(line.group), *(f"{count:,}" for count in counts), _cost(line.cost_micros))
    return table


def _total(lines: Sequence[UsageLine]) -> UsageLine:
    names = [field.name for field in fields(UsageLine)[1:]]
    return UsageLine(group="total", **{name: sum(getattr(line, name) for line in lines) for name in names})


def _storage_table(stored: Sequence[StorageRow]) -> Table:
    table = Table("workspace", "adapter", "bytes", "from", "to", "cost", title="storage")
    for row in stored:
        times = shown_time(row.from_ms), shown_time(row.to_ms)
        names = _text(row.workspace), _text(row.name)
        table.add_row(*names, f"{row.size_bytes:,}", *times, _cost(row.cost_micros))
    return table


def _audit_table(made: Sequence[ToolDecision]) -> Table:
    stderr.print("[dim]arguments by the beginning of their SHA-256; --json has all of it[/]")
    table = Table("time", "request", "key", "tool", "call", "arguments")
    for each in made:
        ids = each.request_id, each.key_id, each.tool, each.tool_use_id, each.arguments_sha256[:16]
        table.add_row(shown_time(each.made_ms), *map(_text, ids))
    return table


def _cost(cost_micros: int) -> str:
    return f"{cost_micros / _MICRO:,.6f}"


def _text(text: str) -> str:
    return escape(printable(text))
