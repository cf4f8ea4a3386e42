"""Batches in the database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select

from caesura.messages.errors import InvalidRequestError, NotFoundError
from caesura.server.batch_rows import Batch, batches, lines
from caesura.server.batch_store import KEPT_MS, LIFE_MS, BatchStore
from caesura.server.caller import Caller
from tests.server.clock import Clock

CALLER = Caller(tenant="t", key_id="k", workspace="w")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Engine, clock: Clock) -> BatchStore:
    return BatchStore(database, clock)


def put(store: BatchStore, size: int = 3, caller: Caller = CALLER) -> Batch:
    entries = [(f"r{number}", f'{{"n": {number}}}') for number in range(size)]
    return store.create(iter(entries), num_requests=size, caller=caller, version="v", betas="a,b")


def rows(database: Engine, table: Any) -> int:
    with database.connect() as connection:
        return len(connection.execute(select(table)).all())


def test_what_was_put_is_there(store: BatchStore) -> None:
    batch = put(store)
    assert store.find("t", batch.id) == batch
    assert (batch.tenant, batch.key_id, batch.workspace) == ("t", "k", "w")
    assert (batch.version, batch.betas, batch.num_requests) == ("v", "a,b", 3)
    assert batch.expires_ms == batch.created_ms + LIFE_MS
    kept = store.lines(batch.id, after=-1, limit=9)
    assert [(line.position, line.custom_id, line.body) for line in kept] == [
        (0, "r0", '{"n": 0}'),
        (1, "r1", '{"n": 1}'),
        (2, "r2", '{"n": 2}'),
    ]
    assert store.lines(batch.id, after=0, limit=1)[0].position == 1


def test_nobody_else_sees_it(store: BatchStore) -> None:
    batch = put(store)
    for look in (store.find, store.cancel, store.delete):
        with pytest.raises(NotFoundError):
            look("other", batch.id)
    assert store.newest("other", limit=9) == []


def test_a_large_batch_is_kept_whole(store: BatchStore) -> None:
    batch = put(store, 2_500)
    assert len(store.lines(batch.id, after=-1, limit=9_999)) == 2_500


def test_a_batch_that_is_not_complete_is_nobodys(store: BatchStore, clock: Clock, database: Engine) -> None:
    def torn() -> Any:
        yield ("a", "{}")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.create(torn(), num_requests=2, caller=CALLER)
    assert store.newest("t", limit=9) == store.claim("me", 1000) == []
    store.tidy()
    assert rows(database, batches) == 1, "it may still be on its way"
    clock.now_s += LIFE_MS / 1000
    store.tidy()
    assert rows(database, batches) == rows(database, lines) == 0


def test_outcomes_stay_and_what_is_pending_is_found(store: BatchStore) -> None:
    batch = put(store)
    store.finish(batch.id, 1, "succeeded", '{"type": "succeeded"}')
    pending = store.lines(batch.id, after=-1, limit=9, is_pending=True)
    assert [line.position for line in pending] == [0, 2]
    assert store.lines(batch.id, after=0, limit=1)[0].outcome == "succeeded"


def test_an_ended_batch_says_what_became_of_its_lines(store: BatchStore, clock: Clock) -> None:
    batch = put(store, 4)
    store.finish(batch.id, 0, "succeeded", "{}")
    store.finish(batch.id, 2, "errored", "{}")
    clock.now_s += 5
    ended = store.end(batch, "expired")
    assert ended == store.find("t", batch.id)
    assert (ended.num_succeeded, ended.num_errored, ended.unfinished) == (1, 1, "expired")
    assert ended.ended_ms == batch.created_ms + 5_000


def test_a_batch_can_be_cancelled_until_it_has_ended(store: BatchStore, clock: Clock) -> None:
    batch = put(store)
    clock.now_s += 1
    cancelled = store.cancel("t", batch.id)
    clock.now_s += 1
    assert cancelled.cancel_ms == store.cancel("t", batch.id).cancel_ms == batch.created_ms + 1_000
    store.end(cancelled, "canceled")
    with pytest.raises(InvalidRequestError, match="has ended"):
        store.cancel("t", batch.id)


def test_a_batch_can_be_deleted_once_it_has_ended(store: BatchStore, database: Engine) -> None:
    batch, other = put(store, 2_100), put(store)
    with pytest.raises(InvalidRequestError, match="still processing"):
        store.delete("t", batch.id)
    store.end(batch, "expired")
    store.delete("t", batch.id)
    with pytest.raises(NotFoundError):
        store.find("t", batch.id)
    assert rows(database, lines) == 3
    assert [each.id for each in store.newest("t", limit=9)] == [other.id]


def test_batches_are_listed_from_the_newest_on_both_ways(store: BatchStore, clock: Clock) -> None:
    for number in range(6):
        clock.now_s += number % 2
        put(store, 1)
    newest = store.newest("t", limit=99)
    places = [batch.place for batch in newest]
    assert places == sorted(places, reverse=True)
    assert len(places) == 6
    for index, place in enumerate(places):
        assert store.newest("t", limit=2, after=place) == newest[index + 1 : index + 3]
        assert store.newest("t", limit=2, before=place) == newest[max(0, index - 2) : index]


def test_a_batch_has_one_holder_until_its_lease_runs_out(store: BatchStore, clock: Clock) -> None:
    first, second = put(store, 1), put(store, 1)
    assert {batch.id for batch in store.claim("one", 10_000)} == {first.id, second.id}
    assert store.claim("two", 10_000) == []
    clock.now_s += 9
    assert len(store.claim("one", 10_000)) == 2, "it is renewed"
    clock.now_s += 9
    assert store.claim("two", 10_000) == []
    clock.now_s += 1
    assert len(store.claim("two", 10_000)) == 2, "who does not renew it loses it"
    assert store.claim("one", 10_000) == []
    store.release("two")
    assert len(store.claim("one", 10_000)) == 2
    store.end(first, "expired")
    assert [batch.id for batch in store.claim("one", 10_000)] == [second.id]


def test_results_are_kept_29_days(store: BatchStore, clock: Clock, database: Engine) -> None:
    batch = store.end(put(store), "expired")
    clock.now_s += KEPT_MS / 1000 - 1
    store.tidy()
    assert rows(database, lines) == 3
    clock.now_s += 1
    store.tidy()
    assert rows(database, lines) == 0
    assert store.find("t", batch.id).archived_ms == batch.created_ms + KEPT_MS
