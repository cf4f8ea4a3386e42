"""Random texts of so many tokens.

Enters: a folder's tokenizer. Leaves: texts; which ones, a seed decides. Read next: `storage.py`,
`soak_requests.py`.
"""

from __future__ import annotations

import random
from pathlib import Path

from caesura.tokens import Tokenizer

_TEXT = """once upon a time the hare asked the tortoise what is there to see beyond the hill and the river
but nobody answered because it was late and they had walked for many hours through rain and snow"""
WORDS = tuple(_TEXT.split())


class Texts:
    """Words in random order."""

    def __init__(self, folder: Path) -> None:
        tokenizer = Tokenizer.load(folder)
        # Words are tokenised one by one, each with the space before it, if there is one.
        self._first_sizes = {word: len(tokenizer.encode(word)) for word in WORDS}
        self._sizes = {word: len(tokenizer.encode(f" {word}")) for word in WORDS}

    def text(self, rng: random.Random, num_tokens: int) -> str:
        """A text of about so many tokens, at least one word; never more tokens unless that word has."""
        words = [rng.choice(WORDS)]
        size = self._first_sizes[words[0]]
        while True:
            word = rng.choice(WORDS)
            size += self._sizes[word]
            if size > num_tokens:
                return " ".join(words)
            words.append(word)
