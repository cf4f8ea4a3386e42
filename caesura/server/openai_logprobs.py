"""Log-probabilities as `/v1/completions` tells them.

A token that is not whole characters is written as `bytes:\\xe2\\x80`, so that no two tokens look alike that
are not. Enters: scored tokens. Leaves: JSON. Read next: `completions.py`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from typing import Any

from caesura.messages.texts import ScoredToken


def text_of_pieces(tokens: Iterable[ScoredToken]) -> str:
    """The tokens' text; bytes that are no characters become U+FFFD."""
    return b"".join(token.piece for token in tokens).decode(errors="replace")


def logprobs_json(tokens: Sequence[ScoredToken]) -> dict[str, Any]:
    """The tokens of a text; the first has no log-probability where nothing is before it."""
    return {
        "tokens": [_shown(token.piece) for token in tokens],
        "token_logprobs": [token.log_prob for token in tokens],
        "top_logprobs": [_top(token) for token in tokens],
        "text_offset": _offsets(tokens),
    }


def _shown(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)


def _top(token: ScoredToken) -> dict[str, float] | None:
    """The alternatives and the token itself, which need not be among them. Of two that look alike (markers
    show nothing) the likelier counts.
    """
    if token.log_prob is None:
        return None
    shown: dict[str, float] = {}
    for piece, log_prob in (*token.top, (token.piece, token.log_prob)):
        shown.setdefault(_shown(piece), log_prob)
    return shown


def _offsets(tokens: Sequence[ScoredToken]) -> list[int]:
    """At which character of the text each token begins."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    offsets: list[int] = []
    position = 0
    for token in tokens:
        offsets.append(position)
        position += len(decoder.decode(token.piece))
    return offsets
