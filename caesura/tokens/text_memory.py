"""Texts whose ids are known, so that a prompt that was seen is not tokenised again.

A text is known by its hash. Every tenant has texts of its own: how long a prompt takes must not tell anyone
what others have asked. Enters: texts. Leaves: their ids. Read next: `chat_format.py`, which encodes block by
block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from caesura.messages.recent import Recent

_NUMBER_BYTES = 8
_KEY_BYTES = 16


class TextMemory:
    """The ids of texts of one tokenizer, as many as fit."""

    def __init__(self, vocab_size: int, max_bytes: int = 64_000_000) -> None:
        # Every id is one object, however many texts it stands in: a reference takes a quarter of the room.
        self._numbers = tuple(range(vocab_size))
        self._kept: Recent[bytes, tuple[int, ...]] = Recent(max_bytes)

    @property
    def num_bytes(self) -> int:
        """About how much is held."""
        return self._kept.num_bytes

    def of(self, tenant: str) -> TenantTexts:
        """The texts of one tenant."""
        return TenantTexts(self, _extended(blake2b(digest_size=_KEY_BYTES, person=b"caesura-text"), tenant))

    def recall(self, key: bytes) -> tuple[int, ...] | None:
        """What was kept under a key, if it still is."""
        return self._kept.get(key)

    def keep(self, key: bytes, numbers: tuple[int, ...]) -> None:
        """Keep something under a key."""
        self._kept.put(key, numbers, len(numbers) * _NUMBER_BYTES)

    def shared(self, ids: Sequence[int]) -> tuple[int, ...]:
        """The same ids, in the form that takes least room."""
        return tuple(map(self._numbers.__getitem__, ids))


@dataclass(frozen=True, slots=True)
class TenantTexts:
    """What one tenant's prompts have left behind.

    memory: where everyone's lie.
    named: a hash of whose are meant, which the texts' own hashes go on from.
    """

    memory: TextMemory
    named: blake2b

    def ids(self, text: str, encode: Callable[[str], Sequence[int]]) -> tuple[int, ...]:
        """The ids of a text, encoded if it is not known."""
        known = self.recall(text)
        return self.keep(text, encode(text)) if known is None else known

    def recall(self, text: str) -> tuple[int, ...] | None:
        """The ids of a text, if they are known."""
        return self.memory.recall(self._key(text))

    def keep(self, text: str, ids: Sequence[int]) -> tuple[int, ...]:
        """Keep the ids of a text, and give them back as they are kept."""
        kept = self.memory.shared(ids)
        self.memory.keep(self._key(text), kept)
        return kept

    def recall_counts(self, text: str, places: Sequence[int]) -> tuple[int, ...] | None:
        """How many of a text's ids lie before each of these places in it, if that is known."""
        return self.memory.recall(self._key(text, str(places))) if places else ()

    def keep_counts(self, text: str, places: Sequence[int], counts: tuple[int, ...]) -> None:
        """Keep how many of a text's ids lie before each of these places in it."""
        if places:
            self.memory.keep(self._key(text, str(places)), counts)

    def _key(self, text: str, places: str = "") -> bytes:
        return _extended(_extended(self.named.copy(), places), text).digest()


def _extended(named: blake2b, part: str) -> blake2b:
    """The hash with one more part. With its length before each, no two lists of parts read alike."""
    packed = part.encode("utf-8", "surrogatepass")
    named.update(b"%d:" % len(packed))
    named.update(packed)
    return named
