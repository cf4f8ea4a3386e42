"""How much a key may ask for in a minute: token buckets, as pure arithmetic.

A bucket holds at most a minute's allowance and fills evenly. Three of them belong to a key: requests, input
tokens, output tokens. Output is taken by `max_tokens` when a request is let in, and what was not written is
put back; input is taken as soon as it is known how much of it the cache spares. A request that asks for more
than a whole bucket holds is let in when the bucket is full, and leaves a debt that the next ones wait for.

Enters: limits, amounts and the time, which is passed in. Leaves: buckets, waits, the API's headers. Read
next: `limiter.py`, which keeps the buckets of every key.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

_MINUTE_S = 60.0
# What of a token may be missing all the same: the rounding of many small refills.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A key's allowances for a minute; None: as many as it likes.

    requests: how often it may ask.
    input_tokens: prompt tokens that the cache did not spare.
    output_tokens: tokens that are written, thoughts included.
    """

    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            number = getattr(self, field.name)
            if number is not None and number < 1:
                raise ValueError(f"{field.name}: {number} a minute is less than 1; revoke the key instead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What is left of one allowance.

    capacity: the most that it holds: a minute's worth.
    level: what it held at `updated_at_s`; below zero is a debt.
    updated_at_s: when that was, by a clock that never goes back.
    """

    capacity: int
    level: float
    updated_at_s: float

    @property
    def rate(self) -> float:
        """What comes back in a second."""
        return self.capacity / _MINUTE_S


def full_bucket(capacity: int, now_s: float) -> Bucket:
    """A bucket that nobody has taken from."""
    return Bucket(capacity=capacity, level=float(capacity), updated_at_s=now_s)


def level_at(bucket: Bucket, now_s: float) -> float:
    """What it holds now. A clock that seems to go back adds nothing."""
    passed_s = max(0.0, now_s - bucket.updated_at_s)
    return min(float(bucket.capacity), bucket.level + passed_s * bucket.rate)


def taken(bucket: Bucket, amount: float, now_s: float) -> Bucket:
    """The bucket with so much less in it; a negative amount is put back, up to the brim."""
    level = min(float(bucket.capacity), level_at(bucket, now_s) - amount)
    return replace(bucket, level=level, updated_at_s=max(now_s, bucket.updated_at_s))


def wait_s(bucket: Bucket, amount: int, now_s: float) -> float:
    """How long until the amount is there, or the bucket is full if it never holds so much; 0: now."""
    missing = min(amount, bucket.capacity) - level_at(bucket, now_s)
    return missing / bucket.rate if missing > _TOLERANCE else 0.0


def until_full_s(bucket: Bucket, now_s: float) -> float:
    """How long until nothing is missing."""
    return (bucket.capacity - level_at(bucket, now_s)) / bucket.rate


def limit_headers(buckets: Mapping[str, Bucket], now_s: float, wall_s: float) -> dict[str, str]:
    """`anthropic-ratelimit-*` for the buckets of a key: limit, what remains of it, when it is whole again.

    buckets: by the name that the header has for them (`requests`, `input-tokens`, `output-tokens`).
    wall_s: the same moment by the calendar, in seconds since 1970.
    """
    headers: dict[str, str] = {}
    for name, bucket in buckets.items():
        remaining = max(0, math.floor(level_at(bucket, now_s) + _TOLERANCE))
        _describe(headers, name, bucket.capacity, remaining, wall_s + until_full_s(bucket, now_s))
    _describe_tokens(
        headers, [bucket for name, bucket in buckets.items() if name != "requests"], now_s, wall_s
    )
    return headers


def _describe_tokens(headers: dict[str, str], buckets: list[Bucket], now_s: float, wall_s: float) -> None:
    """`tokens` is input and output together, as far as each of them is limited."""
    if not buckets:
        return
    remaining = sum(max(0, math.floor(level_at(each, now_s) + _TOLERANCE)) for each in buckets)
    whole_again_s = wall_s + max(until_full_s(each, now_s) for each in buckets)
    _describe(headers, "tokens", sum(each.capacity for each in buckets), remaining, whole_again_s)


def _describe(headers: dict[str, str], name: str, limit: int, remaining: int, reset_s: float) -> None:
    # Rounded up: at a time that is stated, what is stated must be true.
    reset = datetime.fromtimestamp(math.ceil(reset_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    prefix = f"anthropic-ratelimit-{name}"
    headers |= {
        f"{prefix}-limit": str(limit),
        f"{prefix}-remaining": str(remaining),
        f"{prefix}-reset": reset,
    }
