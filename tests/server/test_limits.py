"""Token buckets: that nobody gets more than was agreed, and nobody waits for longer than said."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.server.limits import (
    Bucket,
    Limits,
    full_bucket,
    level_at,
    limit_headers,
    taken,
    until_full_s,
    wait_s,
)

CAPACITIES = st.integers(1, 10**7)
PASSED = st.lists(st.tuples(st.floats(0, 200), st.integers(0, 10**5)), max_size=40)


@settings(deadline=None)
@given(CAPACITIES, PASSED)
def test_in_no_stretch_of_time_is_more_granted_than_a_bucket_and_its_refill(
    capacity: int, asked: list[tuple[float, int]]
) -> None:
    bucket, now = full_bucket(capacity, 0.0), 0.0
    grants: list[tuple[float, int]] = []
    for passed_s, amount in asked:
        now += passed_s
        amount = min(amount, capacity)
        if not wait_s(bucket, amount, now):
            bucket = taken(bucket, amount, now)
            grants.append((now, amount))
    for first, (begin, _) in enumerate(grants):
        for last in range(first, len(grants)):
            granted = sum(amount for _, amount in grants[first : last + 1])
            allowed = capacity + capacity / 60 * (grants[last][0] - begin)
            assert granted <= allowed * (1 + 1e-9) + 1e-3


@settings(deadline=None)
@given(CAPACITIES, PASSED, st.integers(1, 10**7))
def test_after_the_wait_that_was_stated_the_amount_is_there(
    capacity: int, asked: list[tuple[float, int]], amount: int
) -> None:
    bucket, now = full_bucket(capacity, 0.0), 0.0
    for passed_s, taken_amount in asked:
        now += passed_s
        bucket = taken(bucket, taken_amount, now)
    waiting_s = wait_s(bucket, amount, now)
    assert waiting_s >= 0
    assert wait_s(bucket, amount, now + waiting_s + 1e-3) == 0
    if waiting_s > 1e-2:
        assert wait_s(bucket, amount, now + waiting_s - 1e-2) > 0


@settings(deadline=None)
@given(CAPACITIES, PASSED, st.floats(0, 100))
def test_what_is_taken_and_put_back_at_once_changes_nothing(
    capacity: int, asked: list[tuple[float, int]], passed_s: float
) -> None:
    bucket, now = full_bucket(capacity, 0.0), 0.0
    for wait, amount in asked:
        now += wait
        bucket = taken(bucket, amount, now)
    now += passed_s
    before = level_at(bucket, now)
    again = taken(taken(bucket, 17, now), -17, now)
    assert level_at(again, now) == pytest.approx(before, abs=1e-3, rel=1e-9)


@settings(deadline=None)
@given(CAPACITIES, PASSED)
def test_a_bucket_never_holds_more_than_its_capacity(capacity: int, asked: list[tuple[float, int]]) -> None:
    bucket, now = full_bucket(capacity, 0.0), 0.0
    for passed_s, amount in asked:
        now += passed_s
        bucket = taken(bucket, -amount, now)
        assert level_at(bucket, now) <= capacity
        assert level_at(bucket, now + 1e6) == capacity
        assert until_full_s(bucket, now) >= 0


def test_it_fills_in_a_minute_and_evenly() -> None:
    bucket = taken(full_bucket(60, 100.0), 60, 100.0)
    assert level_at(bucket, 100.0) == 0
    assert level_at(bucket, 101.0) == pytest.approx(1)
    assert level_at(bucket, 130.0) == pytest.approx(30)
    assert level_at(bucket, 160.0) == pytest.approx(60)
    assert wait_s(bucket, 1, 100.0) == pytest.approx(1)


def test_what_never_fits_is_granted_by_a_full_bucket_and_leaves_a_debt() -> None:
    bucket = full_bucket(60, 0.0)
    assert wait_s(bucket, 300, 0.0) == 0
    bucket = taken(bucket, 300, 0.0)
    assert level_at(bucket, 0.0) == -240
    assert wait_s(bucket, 1, 0.0) == pytest.approx(241)
    assert wait_s(bucket, 300, 0.0) == pytest.approx(300), "the next one waits for a full bucket"


def test_a_clock_that_goes_back_grants_nothing() -> None:
    bucket = taken(full_bucket(60, 100.0), 60, 100.0)
    assert level_at(bucket, 50.0) == 0
    early = taken(bucket, 0, 50.0)
    assert level_at(early, 101.0) == pytest.approx(1), "and the time that it went back is not granted twice"


@pytest.mark.parametrize("number", [0, -1])
def test_an_allowance_of_nothing_is_no_allowance(number: int) -> None:
    with pytest.raises(ValueError, match=r"requests: .* is less than 1"):
        Limits(requests=number)


def test_the_headers_say_what_is_left_and_when_it_is_whole_again() -> None:
    def bucket(capacity: int, level: float) -> Bucket:
        return Bucket(capacity=capacity, level=level, updated_at_s=10.0)

    wall_s = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC).timestamp()
    buckets = {
        "requests": bucket(60, 59.0),
        "input-tokens": bucket(6000, 2999.5),
        "output-tokens": bucket(600, -60.0),
    }
    assert limit_headers(buckets, 10.0, wall_s) == {
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-requests-remaining": "59",
        "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:01Z",
        "anthropic-ratelimit-input-tokens-limit": "6000",
        "anthropic-ratelimit-input-tokens-remaining": "2999",
        "anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:00:31Z",
        "anthropic-ratelimit-output-tokens-limit": "600",
        "anthropic-ratelimit-output-tokens-remaining": "0",
        "anthropic-ratelimit-output-tokens-reset": "2026-11-21T12:01:06Z",
        "anthropic-ratelimit-tokens-limit": "6600",
        "anthropic-ratelimit-tokens-remaining": "2999",
        "anthropic-ratelimit-tokens-reset": "2026-11-21T12:01:06Z",
    }


def test_what_is_not_limited_has_no_headers() -> None:
    assert limit_headers({}, 0.0, 0.0) == {}
    headers = limit_headers({"requests": full_bucket(5, 0.0)}, 0.0, 0.0)
    assert {name.split("-")[2] for name in headers} == {"requests"}
    only_output = limit_headers({"output-tokens": full_bucket(5, 0.0)}, 0.0, 0.0)
    assert only_output["anthropic-ratelimit-tokens-limit"] == "5"
