"""API keys: how they look, how they are kept, and the table that keeps them.

A key is `sk-caesura-ID-SECRET`. ID is public: it finds the row, lists show it, and a key that leaked into
some log can be revoked by it. SECRET has 256 random bits, and only the SHA-256 of the whole key is kept. A
slow hash (argon2, bcrypt) makes guessing dear where people choose passwords; nobody guesses 256 random bits
at any speed, and a slow hash would let whoever sends wrong keys keep the server busy. A salt, too, is for
secrets that two people may share.

A revoked key's row stays: so that the ledger's rows keep their names, and so that revoking the last key
never makes a server that needed keys one that needs none.

Enters: a database, names. Leaves: keys, once; rows. Read next: `key_ring.py`, which lets requests in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    LargeBinary,
    Row,
    String,
    Table,
    bindparam,
    or_,
    select,
)
from sqlalchemy.exc import IntegrityError

from caesura.messages.errors import CaesuraError
from caesura.server.caller import DEFAULT_WORKSPACE
from caesura.server.database import metadata, milliseconds
from caesura.server.limits import Limits

KEY_PREFIX = "sk-caesura-"
_ID_BYTES, _SECRET_BYTES = 6, 32
_KEY = re.compile(rf"{KEY_PREFIX}([0-9a-f]{{{2 * _ID_BYTES}}})-[A-Za-z0-9_-]{{43}}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. @-]{0,63}", re.ASCII)

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("name", String(64), nullable=False),
    Column("workspace", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
    Column("last_used_ms", BigInteger),
    Column("requests_per_minute", BigInteger),
    Column("input_tokens_per_minute", BigInteger),
    Column("output_tokens_per_minute", BigInteger),
)
# A name that is in use means one key, so that it can be revoked by its name.
_in_use = keys.c.revoked_ms.is_(None)
Index("keys_in_use", keys.c.name, unique=True, sqlite_where=_in_use, postgresql_where=_in_use)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as it is kept.

    id: how lists and the ledger call it.
    digest: the SHA-256 of the key itself.
    name: what its owner calls it.
    workspace: whose caches, files and batches it shares.
    limits: what it may ask for in a minute.
    created_ms, revoked_ms, last_used_ms: milliseconds since 1970; None for what has not happened.
    """

    id: str
    digest: bytes
    name: str
    workspace: str
    limits: Limits
    created_ms: int
    revoked_ms: int | None = None
    last_used_ms: int | None = None


def digest_of(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def id_of(key: str) -> str | None:
    """The public part of what looks like a key; None for anything else."""
    found = _KEY.fullmatch(key)
    return f"key_{found.group(1)}" if found else None


def is_same(key: str, digest: bytes) -> bool:
    """Whether a key is the one that a digest was made of, in the same time whichever it is."""
    return hmac.compare_digest(digest_of(key), digest)


def create_key(
    database: Engine,
    name: str,
    *,
    workspace: str = DEFAULT_WORKSPACE,
    limits: Limits | None = None,
    now_ms: Callable[[], int] = milliseconds,
) -> tuple[str, Key]:
    """A new key: the only time that it is known, and what is kept of it. Raises CaesuraError."""
    for option, text in (("name", name), ("workspace", workspace)):
        if not _NAME.fullmatch(text):
            raise CaesuraError(
                f"the {option} `{text[:80]}` is not 1 to 64 of A-Z a-z 0-9 _ . @ - and space, of which the"
                " first is a letter or a digit"
            )
    identity = secrets.token_hex(_ID_BYTES)
    key = f"{KEY_PREFIX}{identity}-{secrets.token_urlsafe(_SECRET_BYTES)}"
    kept = Key(
        id=f"key_{identity}",
        digest=digest_of(key),
        name=name,
        workspace=workspace,
        limits=limits or Limits(),
        created_ms=now_ms(),
    )
    try:
        with database.begin() as connection:
            connection.execute(keys.insert().values(_values(kept)))
    except IntegrityError as error:
        raise CaesuraError(f"there is a key `{name}` already; revoke it, or take another name") from error
    return key, kept


def list_keys(database: Engine, *, with_revoked: bool = True) -> list[Key]:
    """The keys, the oldest first."""
    query = select(keys).order_by(keys.c.created_ms, keys.c.id)
    if not with_revoked:
        query = query.where(_in_use)
    with database.connect() as connection:
        return [_key(row) for row in connection.execute(query)]


def revoke_key(database: Engine, name: str, *, now_ms: Callable[[], int] = milliseconds) -> Key:
    """End a key, by its id or its name. Raises CaesuraError if no key in use is called so."""
    is_meant = or_(keys.c.id == name, keys.c.name == name) & _in_use
    change = keys.update().where(is_meant).values(revoked_ms=now_ms()).returning(keys)
    with database.begin() as connection:
        revoked = connection.execute(change).all()
        # One key's name may be another's id; neither goes by accident.
        if len(revoked) > 1:
            connection.rollback()
            raise CaesuraError(f"`{name}` is the id of one key and the name of another; give the latter's id")
    if not revoked:
        raise CaesuraError(f"no key in use is called `{name[:80]}`; `caesura keys list` shows them")
    return _key(revoked[0])


def note_uses(connection: Connection, last_uses: Mapping[str, int]) -> None:
    """Write down when keys were used last: ids to milliseconds since 1970."""
    change = (
        keys.update().where(keys.c.id == bindparam("used_key")).values(last_used_ms=bindparam("used_at_ms"))
    )
    rows = [{"used_key": key, "used_at_ms": used_ms} for key, used_ms in sorted(last_uses.items())]
    if rows:
        connection.execute(change, rows)


def _values(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "digest": key.digest,
        "name": key.name,
        "workspace": key.workspace,
        "created_ms": key.created_ms,
        "requests_per_minute": key.limits.requests,
        "input_tokens_per_minute": key.limits.input_tokens,
        "output_tokens_per_minute": key.limits.output_tokens,
    }


def _key(row: Row[tuple[object, ...]]) -> Key:
    return Key(
        id=row.id,
        digest=row.digest,
        name=row.name,
        workspace=row.workspace,
        limits=Limits(
            requests=row.requests_per_minute,
            input_tokens=row.input_tokens_per_minute,
            output_tokens=row.output_tokens_per_minute,
        ),
        created_ms=row.created_ms,
        revoked_ms=row.revoked_ms,
        last_used_ms=row.last_used_ms,
    )
