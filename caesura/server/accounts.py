"""Everything that a running server keeps of keys and money.

Enters: a database's URL and a price list. Leaves: `Accounts`, open until the end of a `with`. Read next:
`metering.py`, which charges replies to them; `authentication.py`, which asks for keys.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Engine

from caesura.server.database import milliseconds, open_database
from caesura.server.key_ring import KeyRing
from caesura.server.ledger_writer import LedgerWriter
from caesura.server.limiter import Limiter
from caesura.server.prices import Prices


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Keys and money.

    database: where both are kept.
    keys: the database's keys.
    ledger: writes what replies took.
    limiter: what each key may ask for.
    prices: what replies cost.
    now_ms: the time as the ledger has it.
    """

    database: Engine
    keys: KeyRing
    ledger: LedgerWriter
    limiter: Limiter = field(default_factory=Limiter)
    prices: Prices = field(default_factory=Prices)
    now_ms: Callable[[], int] = milliseconds


@contextmanager
def open_accounts(url: str, prices: Prices | None = None) -> Generator[Accounts]:
    """The accounts in a database; what waits is written on the way out. Raises CaesuraError."""
    database = open_database(url)
    try:
        keys = KeyRing(database)
        with LedgerWriter(database) as ledger:
            yield Accounts(database=database, keys=keys, ledger=ledger, prices=prices or Prices())
    finally:
        database.dispose()
