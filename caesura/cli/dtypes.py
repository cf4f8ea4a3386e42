"""The number formats that `--dtype` takes, apart from torch so that `--help` need not import it.

Enters: nothing. Leaves: an enumeration. Read next: `local.py`, which translates it.
"""

from __future__ import annotations

from enum import StrEnum


class Dtype(StrEnum):
    """How weights, keys and values are kept; AUTO is bfloat16 where that is fast, else float32."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
