"""Grammars' texts, kept for the tenant that asks for the same again.

The longest unused leave first. Enters: sources with what came of them. Leaves: the same. Read next:
`grammar.py`.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from caesura.engine.grammar_sources import GrammarSource
from caesura.engine.grammar_text import GrammarText
from caesura.messages.errors import InvalidRequestError

# A refusal takes some room too.
_LEAST_CHARACTERS = 1000

Known = GrammarText | InvalidRequestError


class KeptTexts:
    """A memory with room for so many characters. Safe for several threads."""

    def __init__(self, max_characters: int) -> None:
        self._max_characters = max_characters
        self._num_characters = 0
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, source: GrammarSource) -> Known | None:
        """What came of a source, if that is known."""
        key = _key(source)
        with self._lock:
            if key not in self._known:
                return None
            self._known.move_to_end(key)
            return self._known[key]

    def keep(self, source: GrammarSource, known: Known) -> None:
        """Note what came of a source."""
        key = _key(source)
        with self._lock:
            if key in self._known:
                return
            self._known[key] = known
            self._num_characters += _size(known)
            while self._num_characters > self._max_characters:
                _, oldest = self._known.popitem(last=False)
                self._num_characters -= _size(oldest)


def _key(source: GrammarSource) -> bytes:
    tenant = hashlib.sha256(source.tenant.encode()).hexdigest()
    return hashlib.sha256(
        "\0".join([tenant, source.kind, repr(source.writing), *source.path, source.text]).encode()
    ).digest()


def _size(known: Known) -> int:
    return max(_LEAST_CHARACTERS, len(known.text) if isinstance(known, GrammarText) else 0)
