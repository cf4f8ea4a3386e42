"""Uploaded files: bytes in a folder, what is known of them in the database.

Bytes are kept under their SHA-256 alone, so no name that a client sends ever becomes a path, and the same
bytes are kept once, whoever sends them. They are written beside the others, named when they are complete, and
then listed; what a crash leaves over is swept away at a start an hour later.
Every method may block. Enters: bytes and names. Leaves: `StoredFile`s, and their bytes. Read next:
`files.py`.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Engine,
    Index,
    Row,
    Select,
    String,
    Table,
    delete,
    func,
    select,
    update,
)

from caesura.messages.errors import NotFoundError
from caesura.server.config import MIB
from caesura.server.database import metadata, milliseconds
from caesura.server.incoming import Incoming, no_room
from caesura.server.newest import newest

DEFAULT_MAX_BYTES = 10_000 * MIB
# What nobody has written to for so long, nobody is going to list.
_ABANDONED_S = 3_600
FILE_NAME = re.compile(r"file_[0-9a-f]{24}", re.ASCII)

files = Table(
    "files",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("filename", String, nullable=False),
    Column("mime_type", String, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("is_downloadable", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Index("files_of_tenant", "tenant", "created_ms", "id"),
    Index("files_by_content", "sha256"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """What is known of a file.

    id: file_...
    tenant: whose it is; nobody else ever sees it.
    filename, mime_type: as the client named it; for clients only.
    size_bytes, sha256: of its bytes; no SHA-256 where they have expired.
    is_downloadable: whether clients may read it back; true of what the server made, not of what they sent.
    created_ms, expires_ms: milliseconds since 1970; None: it stays until it is deleted.
    """

    id: str
    tenant: str
    filename: str
    mime_type: str
    size_bytes: int
    sha256: str
    is_downloadable: bool
    created_ms: int
    expires_ms: int | None


class FileStore:
    """A folder and a table."""

    def __init__(
        self,
        folder: Path,
        database: Engine,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """max_bytes: that all files together may take. clock: seconds since 1970."""
        self.max_bytes = max_bytes
        self._objects = folder / "objects"
        self._incoming = folder / "incoming"
        self._database = database
        self._clock = clock
        # Between naming bytes and listing them, nobody may take them for left over.
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._num_incoming = 0
        for each in (folder, self._objects, self._incoming):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sweep()

    def receive(self) -> Incoming:
        """A place for bytes that are to become a file. All that are on their way count together."""
        room = self.max_bytes - self._taken()

        def reserve(num_bytes: int) -> None:
            with self._counting:
                if num_bytes > 0 and self._num_incoming + num_bytes > room:
                    raise no_room(num_bytes, self.max_bytes)
                self._num_incoming += num_bytes

        return Incoming(self._incoming / secrets.token_hex(16), reserve)

    def add(
        self,
        incoming: Incoming,
        *,
        tenant: str,
        filename: str,
        mime_type: str,
        is_downloadable: bool = False,
        expires_in_s: int | None = None,
    ) -> StoredFile:
        """List a file. Raises InvalidRequestError where there is no room for it."""
        now_ms = milliseconds(self._clock)
        stored = StoredFile(
            id=f"file_{secrets.token_hex(12)}",
            tenant=tenant,
            filename=filename,
            mime_type=mime_type,
            size_bytes=incoming.size_bytes,
            sha256=incoming.complete(),
            is_downloadable=is_downloadable,
            created_ms=now_ms,
            expires_ms=None if expires_in_s is None else now_ms + 1000 * expires_in_s,
        )
        with self._lock:
            self._sweep_expired()
            self._check_room(stored)
            path = self._path(stored.sha256)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            incoming.path.replace(path)
            with self._database.begin() as connection:
                connection.execute(files.insert(), asdict(stored))
        return stored

    def find(self, tenant: str, name: str) -> StoredFile:
        """One file of a tenant; raises NotFoundError."""
        found = self.named(tenant, [name])
        if not found:
            raise NotFoundError(f"file not found: {name[:100]}")
        return found[0]

    def newest(
        self,
        tenant: str,
        *,
        limit: int,
        after: tuple[int, str] | None = None,
        before: tuple[int, str] | None = None,
    ) -> list[StoredFile]:
        """Files of a tenant, the newest first: those behind a place, or those directly before one.

        A place is a file's created_ms and id.
        """
        query = select(files).where(files.c.tenant == tenant)
        return newest(query, files, self._rows, limit=limit, after=after, before=before)

    def named(self, tenant: str, names: Sequence[str]) -> list[StoredFile]:
        """Those of these files that the tenant has, the newest first."""
        # Whatever else is sent as a name, the database need not even see.
        known = [name for name in names if FILE_NAME.fullmatch(name)]
        query = select(files).where(files.c.tenant == tenant, files.c.id.in_(known))
        return self._rows(query.order_by(files.c.created_ms.desc(), files.c.id.desc()))

    def is_expired(self, stored: StoredFile) -> bool:
        """Whether its bytes are gone."""
        return stored.expires_ms is not None and stored.expires_ms <= milliseconds(self._clock)

    def open(self, stored: StoredFile) -> BinaryIO:
        """Its bytes. Raises NotFoundError for one that has expired."""
        if self.is_expired(stored):
            raise NotFoundError(f"file has expired: {stored.id}", error_code="file_expired")
        try:
            return self._path(stored.sha256).open("rb")
        except FileNotFoundError as error:
            raise NotFoundError(f"file not found: {stored.id}: its bytes are gone") from error

    def delete(self, tenant: str, name: str) -> None:
        """Forget a file, and its bytes if nobody else has the same. Raises NotFoundError."""
        with self._lock:
            stored = self.find(tenant, name)
            with self._database.begin() as connection:
                connection.execute(delete(files).where(files.c.id == stored.id))
            self._drop_unlisted([stored.sha256])

    def sweep(self) -> None:
        """Remove what a crash left over, and what has expired."""
        with self._lock:
            self._sweep_expired()
            with self._database.connect() as connection:
                listed = set(connection.scalars(select(files.c.sha256)))
            strays = [
                path for path in self._objects.glob("??/*") if path.parent.name + path.name not in listed
            ]
            for path in (*self._incoming.iterdir(), *strays):
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink(missing_ok=True)

    def _sweep_expired(self) -> None:
        """What has expired is described further on, but its bytes have no name any more."""
        has_expired = (files.c.expires_ms <= milliseconds(self._clock)) & (files.c.sha256 != "")
        with self._database.begin() as connection:
            digests = set(connection.scalars(select(files.c.sha256).where(has_expired)))
            if digests:
                connection.execute(update(files).where(has_expired).values(sha256=""))
        self._drop_unlisted(digests)

    def _drop_unlisted(self, digests: Iterable[str]) -> None:
        """Remove bytes that no file has any more."""
        for digest in digests:
            query = select(files.c.id).where(files.c.sha256 == digest).limit(1)
            with self._database.connect() as connection:
                is_listed = connection.execute(query).first() is not None
            if digest and not is_listed:
                self._path(digest).unlink(missing_ok=True)

    def _check_room(self, stored: StoredFile) -> None:
        if self._taken() + stored.size_bytes > self.max_bytes:
            raise no_room(stored.size_bytes, self.max_bytes)

    def _taken(self) -> int:
        """The same bytes twice count twice: otherwise a quota would tell what others have."""
        is_there = files.c.expires_ms.is_(None) | (files.c.expires_ms > milliseconds(self._clock))
        query = select(func.sum(files.c.size_bytes)).where(files.c.sha256 != "", is_there)
        with self._database.connect() as connection:
            return int(connection.scalar(query) or 0)

    def _path(self, digest: str) -> Path:
        return self._objects / digest[:2] / digest[2:]

    def _rows(self, query: Select[Any]) -> list[StoredFile]:
        with self._database.connect() as connection:
            return [_stored(row) for row in connection.execute(query)]


def _stored(row: Row[Any]) -> StoredFile:
    return StoredFile(**row._mapping)  # pyright: ignore[reportPrivateUsage]
