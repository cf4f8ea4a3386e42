"""Allowances, by the request: who waits, for how long, and what is given back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.errors import RateLimitError
from caesura.messages.response import Usage
from caesura.server.caller import Caller
from caesura.server.limiter import Limiter
from caesura.server.limits import Limits
from tests.server.clock import Clock


def caller(name: str = "a", **limits: int) -> Caller:
    return Caller(key_id=name, limits=Limits(**limits))


def remaining(limiter: Limiter, who: Caller, what: str) -> int:
    return int(limiter.headers(who)[f"anthropic-ratelimit-{what}-remaining"])


def make() -> tuple[Limiter, Clock]:
    clock = Clock()
    return Limiter(clock=clock, wall_clock=lambda: 1e9 + clock()), clock


def test_requests_beyond_the_allowance_are_told_when_to_come_back() -> None:
    limiter, clock = make()
    who = caller(requests=2)
    limiter.count_request(who)
    limiter.count_request(who)
    with pytest.raises(
        RateLimitError, match="rate limit of 2 requests per minute; try again in 30 s"
    ) as refused:
        limiter.count_request(who)
    assert refused.value.retry_after_s == 30
    assert (refused.value.status, refused.value.type) == (429, "rate_limit_error")
    clock.now_s += refused.value.retry_after_s
    limiter.count_request(who)


def test_a_refusal_takes_nothing() -> None:
    limiter, clock = make()
    who = caller(requests=1)
    limiter.count_request(who)
    for _ in range(100):
        with pytest.raises(RateLimitError):
            limiter.count_request(who)
    clock.now_s += 60
    limiter.count_request(who)


def test_one_keys_requests_are_not_anothers() -> None:
    limiter, _ = make()
    limiter.count_request(caller("a", requests=1))
    limiter.count_request(caller("b", requests=1))
    with pytest.raises(RateLimitError):
        limiter.count_request(caller("a", requests=1))


def test_without_limits_nothing_is_counted() -> None:
    limiter, _ = make()
    for _ in range(1000):
        limiter.count_request(Caller())
        limiter.reserve(Caller(), 10**9).settle(Usage(input_tokens=10**9, output_tokens=10**9))
    assert limiter.headers(Caller()) == {}


def test_output_is_reserved_by_max_tokens_and_settled_by_what_was_written() -> None:
    limiter, _ = make()
    who = caller(output_tokens=1000)
    first = limiter.reserve(who, 600)
    assert remaining(limiter, who, "output-tokens") == 400
    with pytest.raises(RateLimitError, match="1,000 output tokens per minute"):
        limiter.reserve(who, 600)
    first.settle(Usage(input_tokens=5, output_tokens=50))
    assert remaining(limiter, who, "output-tokens") == 950
    limiter.reserve(who, 600)


def test_settling_twice_gives_back_once() -> None:
    limiter, _ = make()
    who = caller(output_tokens=1000)
    limiter.reserve(who, 900)
    second = limiter.reserve(who, 100)
    for _ in range(3):
        second.settle(Usage(input_tokens=0))
    assert remaining(limiter, who, "output-tokens") == 100


def test_more_than_a_bucket_is_let_in_by_a_full_one_only() -> None:
    limiter, _ = make()
    who = caller(output_tokens=1000)
    big = limiter.reserve(who, 32_000)
    with pytest.raises(RateLimitError) as refused:
        limiter.reserve(who, 1)
    assert refused.value.retry_after_s > 60
    big.settle(Usage(input_tokens=0, output_tokens=10))
    assert remaining(limiter, who, "output-tokens") == 990
    with pytest.raises(RateLimitError):
        limiter.reserve(who, 32_000)
    limiter.reserve(who, 990)


def test_cached_input_does_not_count() -> None:
    limiter, _ = make()
    who = caller(input_tokens=1000)
    usage = Usage(input_tokens=30, cache_read_input_tokens=90_000, cache_creation_input_tokens=70)
    reservation = limiter.reserve(who, 10)
    reservation.charge_input(usage)
    reservation.settle(usage)
    assert remaining(limiter, who, "input-tokens") == 900


def test_a_prompt_that_has_to_wait_is_refused_and_takes_nothing() -> None:
    limiter, clock = make()
    who = caller(input_tokens=600, output_tokens=1000)
    limiter.reserve(who, 1).charge_input(Usage(input_tokens=400))
    second = limiter.reserve(who, 500)
    with pytest.raises(RateLimitError, match="600 input tokens per minute") as refused:
        second.charge_input(Usage(input_tokens=400))
    second.settle(Usage(input_tokens=0))
    assert remaining(limiter, who, "input-tokens") == 200
    assert remaining(limiter, who, "output-tokens") == 999
    clock.now_s += refused.value.retry_after_s
    limiter.reserve(who, 1).charge_input(Usage(input_tokens=400))


def test_what_turned_out_to_be_cached_is_given_back_and_what_was_not_is_taken() -> None:
    limiter, _ = make()
    who = caller(input_tokens=1000)
    found = limiter.reserve(who, 1)
    found.charge_input(Usage(input_tokens=800))
    found.settle(Usage(input_tokens=100, cache_read_input_tokens=700))
    assert remaining(limiter, who, "input-tokens") == 900
    lost = limiter.reserve(who, 1)
    lost.charge_input(Usage(input_tokens=0, cache_read_input_tokens=2000))
    lost.settle(Usage(input_tokens=2000))
    assert remaining(limiter, who, "input-tokens") == 0
    with pytest.raises(RateLimitError):
        limiter.reserve(who, 1)


REQUESTS = st.lists(
    st.tuples(
        st.floats(0, 30),
        st.integers(1, 2000),
        st.floats(0, 1),
        st.integers(0, 5000),
        st.floats(0, 1),
        st.integers(0, 3),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(REQUESTS)
def test_whatever_is_asked_no_more_is_written_or_read_than_was_agreed(
    requests: list[tuple[float, int, float, int, float, int]],
) -> None:
    """Requests overlap; each writes up to its max_tokens, and of its prompt a part is cached."""
    limiter, clock = make()
    who = caller(input_tokens=5000, output_tokens=2000)
    begun_s = clock.now_s
    written = read = 0
    running = []
    for passed_s, max_tokens, written_share, prompt, cached_share, num_ended in requests:
        clock.now_s += passed_s
        for reservation, usage in running[:num_ended]:
            reservation.settle(usage)
        running = running[num_ended:]
        cached = int(prompt * cached_share)
        usage = Usage(
            input_tokens=prompt - cached,
            cache_read_input_tokens=cached,
            output_tokens=int(max_tokens * written_share),
        )
        try:
            reservation = limiter.reserve(who, max_tokens)
        except RateLimitError:
            continue
        try:
            reservation.charge_input(usage)
        except RateLimitError:
            reservation.settle(Usage(input_tokens=0))
            continue
        running.append((reservation, usage))
        written += usage.output_tokens
        read += usage.input_tokens
    assert written <= 2000 + (clock.now_s - begun_s) * 2000 / 60 + 1
    assert read <= 5000 + (clock.now_s - begun_s) * 5000 / 60 + 1
