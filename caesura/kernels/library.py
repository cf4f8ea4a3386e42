"""The built library's functions and structures, as Python calls them.

Each structure mirrors the one of its name in `step.cpp`; all fields are eight bytes. Enters: a built file.
Leaves: a `Library`. Read next: `step.cpp`.
"""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_int, c_int64, c_void_p
from pathlib import Path

# Columns that lie side by side in a packed matrix.
PANEL = 32


class Matrix(ctypes.Structure):
    """A packed product (N, K). bias: None, or (N)."""

    _fields_ = [("panels", c_void_p), ("bias", c_void_p), ("outputs", c_int64), ("inputs", c_int64)]


class Layer(ctypes.Structure):
    """A layer's weights, and its pages (2, K, P * page, E)."""

    _fields_ = [
        ("input_norm", c_void_p),
        ("attention_norm", c_void_p),
        ("query_norm", c_void_p),
        ("key_norm", c_void_p),
        ("qkv", Matrix),
        ("output", Matrix),
        ("gate_up", Matrix),
        ("down", Matrix),
        ("pages", c_void_p),
    ]


class Model(ctypes.Structure):
    """A network and the shape of its store."""

    _fields_ = [
        ("num_layers", c_int64),
        ("size", c_int64),
        ("num_heads", c_int64),
        ("num_kv_heads", c_int64),
        ("head_size", c_int64),
        ("hidden", c_int64),
        ("vocabulary", c_int64),
        ("pool_tokens", c_int64),
        ("page_size", c_int64),
        ("eps", c_double),
        ("rope_scale", c_double),
        ("frequencies", c_void_p),
        ("embedding", c_void_p),
        ("norm", c_void_p),
        ("logits", Matrix),
        ("layers", c_void_p),
    ]


class Step(ctypes.Structure):
    """What is computed: pointers to 64-bit integers."""

    _fields_ = [
        ("num_rows", c_int64),
        ("num_clusters", c_int64),
        ("num_scored", c_int64),
        ("tokens", c_void_p),
        ("positions", c_void_p),
        ("scored", c_void_p),
        ("clusters", c_void_p),
        ("pages", c_void_p),
    ]


_MIRRORED = (Matrix, Layer, Model, Step)


class Library:
    """The functions. Raises OSError for a file that cannot be loaded, AttributeError for another one."""

    def __init__(self, path: Path) -> None:
        functions = ctypes.CDLL(str(path))
        self.takes = functions.caesura_takes
        self.pack = functions.caesura_pack
        self.step = functions.caesura_step
        self.takes.argtypes, self.takes.restype = (c_int64,), c_int
        self.pack.argtypes, self.pack.restype = (c_void_p, c_int64, c_int64, c_void_p), None
        self.step.argtypes, self.step.restype = (c_void_p, c_void_p, c_void_p, c_void_p), c_int
        sizes = (c_int64 * len(_MIRRORED))()
        functions.caesura_sizes.restype = None
        functions.caesura_sizes(sizes)
        if list(sizes) != [ctypes.sizeof(each) for each in _MIRRORED]:
            raise AttributeError(f"{path}: structures of {list(sizes)} bytes are not those of {__name__}")
