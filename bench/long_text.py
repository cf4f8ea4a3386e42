"""A text of so many tokens, as the server counts them.

The server may remember what it has tokenised, so a text is never counted before it is measured: another
one of as many words is. Enters: a server and a length. Leaves: request bodies with a text as a system block
that ends in a cache breakpoint. Read next: `serving.py`.
"""

from __future__ import annotations

import random
from typing import Any

from bench.serving import NAME, Server
from bench.texts import WORDS

_NUM_NEW = 16
_TOLERANCE = 0.01
_SLACK_TOKENS = 8
_TRIALS = 6
_CALIBRATION_SEED = -1


def words_for(server: Server, length: int) -> int:
    """How many words make a prompt of that many tokens. Raises RuntimeError if none is found."""
    empty = server.count(long_body(_CALIBRATION_SEED, 0))
    count, found = length, 0
    for _ in range(_TRIALS):
        found = server.count(long_body(_CALIBRATION_SEED, count))
        # The window is the limit of the longest prompt, so rather below than above.
        if 0 <= length - found <= _TOLERANCE * length + _SLACK_TOKENS:
            return count
        count = int(count * (length - empty - _SLACK_TOKENS // 2) / (found - empty))
    raise RuntimeError(f"a text of {found:,} tokens came out instead of {length:,}")


def long_body(seed: int, num_words: int) -> dict[str, Any]:
    """Random words, different from the first one on for each seed; kept for an hour, because the longest
    prompts take minutes and are asked several times.
    """
    rng = random.Random(seed)
    words = [str(rng.randrange(10**7, 10**8)), *rng.choices(WORDS, k=num_words)]
    kept = {"type": "text", "text": " ".join(words), "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    return {
        "model": NAME,
        "max_tokens": _NUM_NEW,
        "temperature": 0.0,
        "stream": True,
        "system": [kept],
        "messages": [{"role": "user", "content": "Question 1: what did the hare say?"}],
    }
