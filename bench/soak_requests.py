"""What the clients of a soak ask for, and when they leave.

Prompts have lengths of all sizes; some begin with a system prompt that others have too, some ask for a part
to be kept. Enters: a folder, a seed. Leaves: `Ask`s, always the same ones. Read next: `soak_stream.py`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.serving import NAME
from bench.texts import Texts
from caesura.messages.content import conversation
from caesura.tokens.folder_format import load_format

MIN_PROMPT, MAX_PROMPT = 20, 800
_NUM_SYSTEMS = 8
_MIN_SYSTEM, _MAX_SYSTEM = 50, 400
# A question that would be shorter than this goes without a system prompt.
_MIN_QUESTION = 8
_SHARE_WITH_SYSTEM = 0.4
_SHARE_KEPT = 0.5
MIN_NEW, MAX_NEW = 8, 64
_CACHE_CONTROL = {"type": "ephemeral"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """When a client leaves without a word: so many seconds after it has got that many pieces of the reply.

    With none to wait for it leaves while it waits in the queue, or while its prompt is read.
    """

    after_pieces: int
    pause_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request.

    body: as it is sent.
    departure: when its client leaves; None: it stays to the end.
    """

    body: bytes
    departure: Departure | None


class Asks:
    """Where clients get their requests from."""

    def __init__(self, folder: Path, *, share_leaving: float, max_pause_s: float) -> None:
        """share_leaving: of all clients. max_pause_s: the longest that one of them stays in the queue."""
        self._texts = Texts(folder)
        _, chat_format = load_format(folder)
        # What stands around the texts.
        self._num_around = len(chat_format.render(conversation(("user", "a")), opening="answer").ids) - 1
        with_system = chat_format.render(conversation(("user", "a"), system="a"), opening="answer").ids
        self._num_around_system = len(with_system) - 2
        self._share_leaving = share_leaving
        self._max_pause_s = max_pause_s
        rng = random.Random(-1)
        self._systems: list[tuple[int, str]] = []
        for _ in range(_NUM_SYSTEMS):
            size = rng.randint(_MIN_SYSTEM, _MAX_SYSTEM)
            self._systems.append((size, self._texts.text(rng, size)))

    def of(self, client: int) -> Iterator[Ask]:
        """One client's requests, without end."""
        rng = random.Random(client)
        while True:
            departure = self._departure(rng) if rng.random() < self._share_leaving else None
            yield Ask(body=json.dumps(self._body(rng)).encode(), departure=departure)

    def _departure(self, rng: random.Random) -> Departure:
        if rng.random() < 0.5:
            return Departure(after_pieces=0, pause_s=rng.uniform(0.0, self._max_pause_s))
        return Departure(after_pieces=rng.randint(1, 6), pause_s=rng.uniform(0.0, 0.1))

    def _body(self, rng: random.Random) -> dict[str, Any]:
        size = rng.randint(MIN_PROMPT, MAX_PROMPT)
        body: dict[str, Any] = {
            "model": NAME,
            "max_tokens": rng.randint(MIN_NEW, MAX_NEW),
            "stream": True,
        }
        num_system, system = rng.choice(self._systems)
        left = size - num_system - self._num_around_system
        if left >= _MIN_QUESTION and rng.random() < _SHARE_WITH_SYSTEM:
            question = self._texts.text(rng, left)
            body["system"] = [self._block(rng, system)]
        else:
            question = self._texts.text(rng, size - self._num_around)
        return body | {"messages": [{"role": "user", "content": [self._block(rng, question)]}]}

    def _block(self, rng: random.Random, text: str) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "text", "text": text}
        return block | ({"cache_control": _CACHE_CONTROL} if rng.random() < _SHARE_KEPT else {})
