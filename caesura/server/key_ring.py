"""The database's keys as a running server knows them.

They are read again, all of them, when a request comes and the last reading is over a second old: so a key
that was created or revoked, in whatever process, counts within a second, and requests with wrong keys cost
the database nothing.

Enters: a database, keys that requests show. Leaves: callers. Read next: `authentication.py`, which asks it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from caesura.messages.errors import OverloadedError
from caesura.server.caller import Caller
from caesura.server.keys import Key, id_of, is_same, list_keys

logger = logging.getLogger(__name__)

# How long a revoked key may go on opening, at most.
MAX_AGE_S = 1.0
# Compared with where no key has the id that was shown, so that this takes as long as a wrong secret.
_NO_DIGEST = bytes(32)


class Keys(NamedTuple):
    """One reading of the table.

    by_id: the keys in use.
    has_any: whether there ever was a key, in use or revoked: from then on requests need one.
    """

    by_id: Mapping[str, Key]
    has_any: bool

    def caller(self, shown: str) -> Caller | None:
        """Whose key this is; None for one that opens nothing."""
        key = self.by_id.get(id_of(shown) or "")
        is_right = is_same(shown, key.digest if key else _NO_DIGEST)
        if key is None or not is_right:
            return None
        return Caller(
            # A space keeps it apart from the tenants of keys that the command line gives.
            tenant=f"workspace {key.workspace}",
            key_id=key.id,
            workspace=key.workspace,
            limits=key.limits,
        )


class KeyRing:
    """Reads the keys when they are asked for and not fresh any more."""

    def __init__(self, database: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._reading = asyncio.Lock()
        # Of its own: everybody waits for it, and other threads may be busy for a while.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="caesura-keys")
        self._keys = self._read()
        self._read_at_s = clock()

    @property
    def has_any(self) -> bool:
        """Whether requests needed a key at the last reading."""
        return self._keys.has_any

    async def keys(self) -> Keys:
        """The keys as they were a second ago at most. Raises OverloadedError if they cannot be read."""
        if self._is_fresh():
            return self._keys
        async with self._reading:
            # Another request may have read them in the meantime.
            if not self._is_fresh():
                await self._refresh()
        return self._keys

    def _is_fresh(self) -> bool:
        return self._clock() - self._read_at_s < MAX_AGE_S

    async def _refresh(self) -> None:
        begun_s = self._clock()
        try:
            loop = asyncio.get_running_loop()
            self._keys = await loop.run_in_executor(self._thread, self._read)
        except DBAPIError as error:
            # Whether a key has been revoked is not known, so nobody is let in.
            logger.exception("the keys cannot be read; every request is refused")
            raise OverloadedError("Overloaded: keys cannot be checked at present; try again") from error
        self._read_at_s = begun_s

    def _read(self) -> Keys:
        every = list_keys(self._database)
        in_use = {key.id: key for key in every if key.revoked_ms is None}
        return Keys(by_id=in_use, has_any=bool(every))
