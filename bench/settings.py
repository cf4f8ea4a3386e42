"""How much a run of the benches measures, as one value.

Enters: the options of `bench/run.py`. Leaves: `Settings`, which every part reads. Read next: `run.py`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user asked for.

    is_quick: a smoke run: tiny sizes and one repeat; its figures mean nothing.
    is_long: also prompts of 100,000 and 200,000 tokens, which take minutes each.
    has_peers: whether peers take part.
    threads: to compute with, for everyone; None: the engine chooses its own, peers take all processors.
    """

    is_quick: bool = False
    is_long: bool = False
    has_peers: bool = True
    threads: int | None = None

    @property
    def repeats(self) -> int:
        """Counted rounds; a warm-up comes on top."""
        return 1 if self.is_quick else 5

    @property
    def peer_threads(self) -> int:
        """What the peers compute with."""
        return self.threads or len(os.sched_getaffinity(0))
