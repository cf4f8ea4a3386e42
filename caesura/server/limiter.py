"""Every key's buckets: who may ask now, and who has to wait.

Enters: callers, and what their requests ask for and turn out to take. Leaves: a reservation, or a
`RateLimitError` that says how long to wait; the headers that say what is left. It lives on one event loop, in
memory: a restart fills every bucket. Read next: `limits.py` for the arithmetic, `metering.py`, which settles.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from caesura.messages.errors import RateLimitError
from caesura.messages.response import Usage
from caesura.server.caller import Caller
from caesura.server.limits import Bucket, Limits, full_bucket, limit_headers, taken, wait_s

_REQUESTS, _INPUT, _OUTPUT = "requests", "input-tokens", "output-tokens"


class Limiter:
    """Takes from buckets, puts back, and refuses."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        """clock: seconds that never go back. wall_clock: seconds since 1970, for what clients are told."""
        self._clock = clock
        self._wall_clock = wall_clock
        self._buckets: dict[str, dict[str, Bucket]] = {}

    def count_request(self, caller: Caller) -> None:
        """Take one request, or raise RateLimitError."""
        self._check(caller, _REQUESTS, 1)
        self._take(caller, _REQUESTS, 1)

    def reserve(self, caller: Caller, max_tokens: int) -> Reservation:
        """Take what a reply may write at most, or raise RateLimitError."""
        # Whoever is in debt for a prompt need not render the next one.
        self._check(caller, _INPUT, 1)
        self._check(caller, _OUTPUT, max_tokens)
        self._take(caller, _OUTPUT, max_tokens)
        return Reservation(self, caller, max_tokens)

    def take_input(self, caller: Caller, num_tokens: int) -> None:
        """Take a prompt's tokens, or raise RateLimitError."""
        self._check(caller, _INPUT, num_tokens)
        self._take(caller, _INPUT, num_tokens)

    def correct(self, caller: Caller, *, input_tokens: int, output_tokens: int) -> None:
        """Take more, or put back where negative; what has happened is not refused."""
        self._take(caller, _INPUT, input_tokens)
        self._take(caller, _OUTPUT, output_tokens)

    def headers(self, caller: Caller) -> dict[str, str]:
        """`anthropic-ratelimit-*`, for those of the caller's allowances that are limited."""
        return limit_headers(self._of(caller), self._clock(), self._wall_clock())

    def _of(self, caller: Caller) -> dict[str, Bucket]:
        if caller.limits == Limits():
            return {}
        if caller.key_id not in self._buckets:
            self._buckets[caller.key_id] = _full_buckets(caller.limits, self._clock())
        return self._buckets[caller.key_id]

    def _check(self, caller: Caller, name: str, amount: int) -> None:
        bucket = self._of(caller).get(name)
        if bucket is None:
            return
        missing_s = wait_s(bucket, amount, self._clock())
        if missing_s > 0:
            retry_after_s = max(1, math.ceil(missing_s))
            raise RateLimitError(
                f"This request would exceed your API key's rate limit of {bucket.capacity:,}"
                f" {name.replace('-', ' ')} per minute; try again in {retry_after_s} s",
                retry_after_s=retry_after_s,
            )

    def _take(self, caller: Caller, name: str, amount: int) -> None:
        buckets = self._of(caller)
        if name in buckets:
            buckets[name] = taken(buckets[name], amount, self._clock())


class Reservation:
    """What one request has taken so far; it is settled once, with what it really took."""

    def __init__(self, limiter: Limiter, caller: Caller, max_tokens: int) -> None:
        self._limiter = limiter
        self._caller = caller
        self._output_tokens = max_tokens
        self._input_tokens = 0
        self._is_settled = False

    def charge_input(self, usage: Usage) -> None:
        """Take the prompt, as far as the cache does not spare it. Raises RateLimitError."""
        num_tokens = _charged(usage)
        self._limiter.take_input(self._caller, num_tokens)
        self._input_tokens = num_tokens

    def settle(self, usage: Usage) -> None:
        """Correct both to what the reply took; further calls change nothing."""
        if self._is_settled:
            return
        self._is_settled = True
        self._limiter.correct(
            self._caller,
            input_tokens=_charged(usage) - self._input_tokens,
            output_tokens=usage.output_tokens - self._output_tokens,
        )


def _charged(usage: Usage) -> int:
    """Prompt tokens that count towards the limit: those that the cache did not have."""
    return usage.input_tokens + usage.cache_creation_input_tokens


def _full_buckets(limits: Limits, now_s: float) -> dict[str, Bucket]:
    allowances = {_REQUESTS: limits.requests, _INPUT: limits.input_tokens, _OUTPUT: limits.output_tokens}
    return {
        name: full_bucket(allowance, now_s) for name, allowance in allowances.items() if allowance is not None
    }
