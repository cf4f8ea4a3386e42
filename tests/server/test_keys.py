"""How keys are kept, and every way to get around them that does not need a server."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from caesura.messages.errors import CaesuraError, OverloadedError
from caesura.server.database import default_url, open_database
from caesura.server.key_ring import MAX_AGE_S, KeyRing
from caesura.server.keys import (
    KEY_PREFIX,
    create_key,
    digest_of,
    id_of,
    is_same,
    keys,
    list_keys,
    note_uses,
    revoke_key,
)
from caesura.server.limits import Limits
from tests.server.clock import Clock


def test_a_key_is_recognisable_random_and_new_each_time(database: Engine) -> None:
    made = [create_key(database, f"key {number}")[0] for number in range(20)]
    assert all(re.fullmatch(r"sk-caesura-[0-9a-f]{12}-[A-Za-z0-9_-]{43}", key) for key in made)
    assert len({key[-43:] for key in made}) == 20
    assert len({id_of(key) for key in made}) == 20


async def test_what_is_kept_opens_nothing(database: Engine, tmp_path: Path) -> None:
    key, kept = create_key(database, "laptop", workspace="home")
    secret = key[-43:]
    with database.connect() as connection:
        (row,) = connection.execute(select(keys)).all()
    assert secret not in str(row)
    assert key not in str(row)
    assert row.digest == hashlib.sha256(key.encode()).digest()
    for path in tmp_path.rglob("*.sqlite*"):
        assert secret.encode() not in path.read_bytes()
    known = await KeyRing(database).keys()
    for stolen in (kept.id, kept.digest.hex(), f"{KEY_PREFIX}{kept.id[4:]}-{kept.digest.hex()[:43]}"):
        assert known.caller(stolen) is None


def test_limits_and_names_are_kept_with_a_key(database: Engine) -> None:
    limits = Limits(requests=5, input_tokens=6, output_tokens=None)
    _, made = create_key(database, "a", workspace="w", limits=limits, now_ms=lambda: 77)
    assert list_keys(database) == [made]
    assert (made.name, made.workspace, made.limits, made.created_ms) == ("a", "w", limits, 77)
    assert made.last_used_ms is None


def test_the_last_use_of_each_key_is_noted(database: Engine) -> None:
    ids = [create_key(database, name, now_ms=lambda: 1)[1].id for name in ("a", "b", "c")]
    with database.begin() as connection:
        note_uses(connection, {ids[0]: 10, ids[2]: 30, "option_1": 40})
    assert {key.name: key.last_used_ms for key in list_keys(database)} == {"a": 10, "b": None, "c": 30}


def test_a_revoked_key_stays_on_the_list_and_its_name_is_free_again(database: Engine) -> None:
    _, first = create_key(database, "ci", now_ms=lambda: 1)
    with pytest.raises(CaesuraError, match="there is a key `ci` already"):
        create_key(database, "ci")
    assert revoke_key(database, "ci", now_ms=lambda: 9).revoked_ms == 9
    _, second = create_key(database, "ci", now_ms=lambda: 2)
    assert [key.id for key in list_keys(database)] == [first.id, second.id]
    assert [key.id for key in list_keys(database, with_revoked=False)] == [second.id]
    assert revoke_key(database, second.id).id == second.id, "the id will do as well as the name"


def test_only_what_is_named_is_revoked(database: Engine) -> None:
    create_key(database, "a")
    create_key(database, "b")
    for wrong in ("c", "", "%", "A", "a' OR '1'='1"):
        with pytest.raises(CaesuraError, match="no key in use is called"):
            revoke_key(database, wrong)
    revoke_key(database, "a")
    assert [key.name for key in list_keys(database, with_revoked=False)] == ["b"]
    with pytest.raises(CaesuraError, match="no key in use"):
        revoke_key(database, "a")


def test_a_name_that_is_another_keys_id_revokes_neither(database: Engine) -> None:
    _, first = create_key(database, "a")
    create_key(database, first.id)
    with pytest.raises(CaesuraError, match="is the id of one key and the name of another"):
        revoke_key(database, first.id)
    assert len(list_keys(database, with_revoked=False)) == 2


@pytest.mark.parametrize("name", ["", " ", "a" * 65, "a\nb", "\x1b[31m", "..", "schl\u00fcssel", "a\x00"])
def test_a_name_that_would_spoil_a_list_is_refused(name: str, tmp_path: Path) -> None:
    opened = open_database(default_url(tmp_path))
    with pytest.raises(CaesuraError, match=r"(?s)the name .* is not 1 to 64 of"):
        create_key(opened, name)
    with pytest.raises(CaesuraError, match=r"(?s)the workspace .* is not 1 to 64 of"):
        create_key(opened, "good", workspace=name)
    assert list_keys(opened) == []
    opened.dispose()


@settings(deadline=None)
@given(st.text(max_size=80) | st.from_regex(r"sk-caesura-[0-9a-f]{11,13}-[A-Za-z0-9_-]{42,44}\n?"))
def test_what_does_not_look_like_a_key_has_no_id(shown: str) -> None:
    looks_like = re.fullmatch(r"sk-caesura-[0-9a-f]{12}-[A-Za-z0-9_-]{43}", shown, re.ASCII)
    assert (id_of(shown) is not None) == (looks_like is not None)


def test_the_comparison_is_of_whole_digests() -> None:
    digest = digest_of("sk-caesura-x")
    assert is_same("sk-caesura-x", digest)
    assert not is_same("sk-caesura-y", digest)
    assert not is_same("sk-caesura-x", digest[:31])
    assert not is_same("sk-caesura-x", b"")


async def test_a_key_opens_its_workspace_until_it_is_revoked(database: Engine) -> None:
    clock = Clock()
    ring = KeyRing(database, clock=clock)
    assert not (await ring.keys()).has_any
    key, kept = create_key(database, "a", workspace="w", limits=Limits(requests=3))
    clock.now_s += MAX_AGE_S
    caller = (await ring.keys()).caller(key)
    assert caller is not None
    assert (caller.key_id, caller.workspace, caller.limits) == (kept.id, "w", Limits(requests=3))
    revoke_key(database, "a")
    clock.now_s += MAX_AGE_S / 2
    assert (await ring.keys()).caller(key) is not None, "not read again yet"
    clock.now_s += MAX_AGE_S / 2
    assert (await ring.keys()).caller(key) is None


async def test_revoking_the_last_key_does_not_open_the_server(database: Engine) -> None:
    create_key(database, "a")
    revoke_key(database, "a")
    ring = KeyRing(database)
    assert (await ring.keys()).by_id == {}
    assert (await ring.keys()).has_any


async def test_every_change_of_a_key_closes(database: Engine) -> None:
    key, _ = create_key(database, "a")
    other, _ = create_key(database, "b")
    known = await KeyRing(database).keys()
    assert known.caller(key) is not None
    prefix, secret = key[:-43], key[-43:]
    for position in range(len(key)):
        changed = "x" if key[position] != "x" else "y"
        assert known.caller(key[:position] + changed + key[position + 1 :]) is None
    for wrong in (
        prefix + other[-43:],
        key[:-1],
        key + "A",
        key.upper(),
        f" {key}",
        f"{key}\n",
        prefix,
        secret,
    ):
        assert known.caller(wrong) is None


async def test_wrong_keys_cost_the_database_nothing(database: Engine) -> None:
    clock = Clock()
    create_key(database, "a")
    ring = KeyRing(database, clock=clock)
    database.dispose()
    for _ in range(1000):
        assert (await ring.keys()).caller(f"{KEY_PREFIX}{'0' * 12}-{'x' * 43}") is None
    assert database.pool.status().startswith("Pool size: 5  Connections in pool: 0")


async def test_nobody_is_let_in_while_keys_cannot_be_read(tmp_path: Path) -> None:
    clock = Clock()
    opened = open_database(default_url(tmp_path))
    key, _ = create_key(opened, "a")
    ring = KeyRing(opened, clock=clock)
    opened.dispose()
    (tmp_path / "caesura.sqlite").write_bytes(b"rubbish" * 999)
    assert (await ring.keys()).caller(key) is not None
    clock.now_s += MAX_AGE_S
    with pytest.raises(OverloadedError, match="keys cannot be checked"):
        await ring.keys()
    opened.dispose()
