"""Which dialect of the Messages API a request is read in.

Enters: headers, and what the operator allows. Leaves: a `Dialect`. Read next:
`caesura/messages/validation.py`, which reads by it.
"""

from __future__ import annotations

from collections.abc import Collection

from caesura.messages.request import WINDOW_BETA
from caesura.messages.validation import Dialect, version_of
from caesura.server.config import ServerConfig

INTERLEAVED_BETA = "interleaved-thinking-2025-05-14"
TOKEN_COUNT_BETA = "thinking-token-count-2026-05-13"


def dialect_of(config: ServerConfig, version: str | None, betas: Collection[str]) -> Dialect:
    """The dialect. version: the header `anthropic-version`, if there is one. betas: those that are named."""
    return Dialect(
        version=version_of(version),
        is_strict=config.is_strict,
        allows_sampling=config.allows_sampling,
        is_interleaved=INTERLEAVED_BETA in betas,
        fills_window=WINDOW_BETA in betas,
        pdf_limits=config.pdf_limits,
    )
