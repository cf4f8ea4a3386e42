"""How `serve` and others load a model, apart from torch so that `--help` need not import it.

Enters: options. Leaves: enumerations, and `Loading`. Read next: `local.py`, which translates them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from caesura.messages.errors import CaesuraError

_UNITS = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}


class Dtype(StrEnum):
    """How weights are kept, and what is computed in; AUTO is bfloat16 where that is fast, else float32."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class Quantise(StrEnum):
    """How the weights of products are packed."""

    INT8 = "int8"
    INT4 = "int4"


class KVDtype(StrEnum):
    """How keys and values are kept; AUTO is as they are computed."""

    AUTO = "auto"
    INT8 = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How models are loaded.

    dtype: of weights, and of what is computed.
    quantise: how the weights of products are packed; None: not at all.
    rope_scaling: such as `yarn:4`; None: as config.json says.
    kv_dtype: of keys and values.
    kv_bytes: of each model's keys and values; None: 4 GB, or what is left beside the weights.
    is_native: whether a C++ compiler, if there is one, makes small steps faster.
    """

    dtype: Dtype = Dtype.AUTO
    quantise: Quantise | None = None
    rope_scaling: str | None = None
    kv_dtype: KVDtype = KVDtype.AUTO
    kv_bytes: int | None = None
    is_native: bool = False


def parse_bytes(option: str, word: str) -> int:
    """`500MB`, `4GB`, `1.5GiB`. Raises CaesuraError naming the option."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(MB|GB|MiB|GiB)", word)
    size = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 1 <= size < 2**63:
        raise CaesuraError(f"{option} takes a size such as 500MB or 4GB, not `{word[:80]}`")
    return int(size)
