"""How much prefill a step can bear while others wait for their next token.

A step without prompts takes a typical time, which depends on how many sequences decode and grows as they do,
so there is one every now and then while prompts are read. With prompts it may take `max_stretch` times as
long, and `target_s` at most, or twice as long where that is more. What a prompt's token costs grows with what
lies before it, so chunks are measured in work: a token after c others counts as 1 + c / CONTEXT; a chunk at
all, however small it is, as CHUNK, and fetching those c for it as c / HISTORY. Seconds per unit of work are
learnt from steps as they come.
Enters: how long steps took. Leaves: work. No clock. Read next: `scheduler.py`.
"""

from __future__ import annotations

# The context at which reading it costs a token about as much as all else, and how much of it is fetched from
# memory in the time that a token takes; then what a chunk's operators cost by themselves. None need be exact.
CONTEXT = 2048
HISTORY = 128
CHUNK = 8
# The share of a new measurement in what is believed.
_LEARNING = 0.25
# After so many steps with prompts beside decode rows, one is to be without.
_QUIET_AFTER = 16
# A measurement counts at most this many times what is believed: the machine may have been busy.
_MAX_SURPRISE = 4.0
# Pages that a step reads from a lower tier before it is known how long that takes.
_FIRST_LOAD = 8
# The seconds that a step may spend on reading pages when nobody waits for it.
_ALONE_LOAD_S = 0.25


def chunk_work(start: int, size: int) -> float:
    """The work of `size` tokens that follow `start` others."""
    return CHUNK + start / HISTORY + size * (1 + (start + size / 2) / CONTEXT)


def tokens_within(work: float, start: int) -> int:
    """How many tokens after `start` others that much work pays for."""
    return max(0, int((work - CHUNK - start / HISTORY) / (1 + start / CONTEXT)))


class Pace:
    """Learns from each step; answers before each step."""

    def __init__(self, *, target_s: float, max_stretch: float) -> None:
        """target_s, max_stretch: the longest a step may take while others decode, see above."""
        self._target_s = target_s
        self._max_stretch = max_stretch
        self._decode_s: dict[int, float] = {}
        self._work_s: float | None = None
        self._page_s: float | None = None
        self._has_learnt_beside = False
        self._num_beside = 0

    @property
    def needs_quiet(self) -> bool:
        """Whether it is long ago that sequences decoded without prompts beside them."""
        return self._num_beside >= _QUIET_AFTER

    def work(self, num_decode: int) -> float:
        """The work that a step with so many decode rows can bear; no limit if there are none."""
        if not num_decode:
            return float("inf")
        return self._spare_s(num_decode) / self._work_s if self._work_s else 0.0

    def pages(self, num_decode: int) -> int:
        """How many pages a step with so many decode rows may read from a lower tier; at least one."""
        if not self._page_s:
            return _FIRST_LOAD
        spare_s = self._spare_s(num_decode) if num_decode else _ALONE_LOAD_S
        return max(1, int(spare_s / self._page_s))

    def learn(self, num_decode: int, work: float, elapsed_s: float) -> None:
        """A step took so long."""
        self._num_beside = self._num_beside + 1 if work and num_decode else 0
        if not work:
            bucket = num_decode.bit_length()
            self._decode_s[bucket] = _learnt(self._decode_s.get(bucket), elapsed_s)
            return
        # Large chunks cost less per token than the small ones that fit beside decode rows.
        if num_decode or not self._has_learnt_beside:
            prefill_s = max(elapsed_s - self._typical_s(num_decode), elapsed_s / 10)
            self._work_s = _learnt(self._work_s, prefill_s / work)
        self._has_learnt_beside |= bool(num_decode)

    def learn_load(self, num_pages: int, elapsed_s: float) -> None:
        """So many pages took so long to read."""
        if num_pages:
            self._page_s = _learnt(self._page_s, elapsed_s / num_pages)

    def _spare_s(self, num_decode: int) -> float:
        typical_s = self._typical_s(num_decode)
        if not typical_s:
            return self._target_s
        # Where decoding alone takes longer than the target, prompts still get as much time as it does.
        longest_s = min(max(self._target_s, 2 * typical_s), self._max_stretch * typical_s)
        return max(0.0, longest_s - typical_s)

    def _typical_s(self, num_decode: int) -> float:
        """How long a step with so many decode rows takes; 0: nothing like it was seen."""
        if not num_decode or not self._decode_s:
            return 0.0
        bucket = num_decode.bit_length()
        return self._decode_s[min(self._decode_s, key=lambda each: abs(each - bucket))]


def _learnt(believed: float | None, measured: float) -> float:
    if believed is None:
        return measured
    return believed + _LEARNING * (min(measured, _MAX_SURPRISE * believed) - believed)
