"""What was used most recently, up to so many bytes.

Enters: keys, values and their sizes. Leaves: the values that are still there. Safe on several threads. Read
next: `caesura/tokens/text_memory.py` and `caesura/messages/fingerprints.py`, which keep something in one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

# About what an entry takes beside its value: the key, its place in the order, its size.
ENTRY_BYTES = 256


class Recent(Generic[Key, Value]):
    """A mapping that forgets what was used longest ago."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._num_bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def num_bytes(self) -> int:
        """About how much is held."""
        return self._num_bytes

    def get(self, key: Key) -> Value | None:
        """The value, which counts as used; None if it was forgotten or never there."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Key, value: Value, size_bytes: int) -> None:
        """Keep a value; one that is larger than everything together may be is not kept."""
        size = size_bytes + ENTRY_BYTES
        with self._lock:
            replaced = self._entries.pop(key, None)
            if replaced is not None:
                self._num_bytes -= replaced[1]
            if size > self._max_bytes:
                return
            self._entries[key] = (value, size)
            self._num_bytes += size
            while self._num_bytes > self._max_bytes:
                _, (_, oldest) = self._entries.popitem(last=False)
                self._num_bytes -= oldest
