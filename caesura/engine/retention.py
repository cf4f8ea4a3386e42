"""Until when a stored page is to be kept: a time of day, which another process or a wrong clock may have set.

A clock that jumped leaves times that no request can have asked for. They count for nothing, so a jump back
keeps nothing for ever; a jump forward ends retentions early, which costs their pages only their precedence.
Enters: times, in seconds since 1970. Leaves: a verdict. Read next: `tiers.py`.
"""

from __future__ import annotations

# An hour is the longest that a request can ask for; twice that forgives a clock that was set right since.
LONGEST_RETENTION_S = 7200.0


def is_retained(until: float, now: float) -> bool:
    """Whether what is to be kept until then still is."""
    return now < until <= now + LONGEST_RETENTION_S


def later(until: float, other: float, now: float) -> float:
    """The later of two ends; 0 if neither counts."""
    return max((each for each in (until, other) if is_retained(each, now)), default=0.0)
