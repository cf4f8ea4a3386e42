"""Text to ids and back: a byte-level BPE whose markers text cannot forge.

Enters: text, or a folder with `tokenizer.json`. Leaves: ids, bytes, and folders that transformers opens.
Read next: `chat_format.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers

from caesura.tokens import markers
from caesura.tokens.template import CHAT_TEMPLATE
from caesura.tokens.token_bytes import byte_level, may_be_blank

# A digit is always a token of its own, so that numbers look the same wherever they stand; a word takes
# one space before it along; a line break is never glued to what precedes it, so steps end alike.
_PIECES = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|[\r\n]+|\s+(?!\S)|\s+"

# No piece reaches from a visible character over a space, and none looks back, so text can be cut there and
# its parts encoded one by one: the ids are those of the whole.
_BORDER = re.compile(r"(?<=\S)(?= )")
_BLOCK_CHARACTERS = 1 << 16


class TokenizerError(ValueError):
    """A `tokenizer.json` that is missing or damaged."""


class Tokenizer:
    """A byte-level BPE. Ids below `len(MARKERS)` are markers in our own vocabulary."""

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        self._backend = backend
        # Without this, a user who types a marker's name would get the marker itself.
        self._backend.encode_special_tokens = True
        self._backend.no_padding()
        self._backend.no_truncation()

    @classmethod
    def train(cls, texts: Iterable[str], *, vocab_size: int) -> Tokenizer:
        """Learn merges from texts until the vocabulary, markers included, holds `vocab_size` tokens."""
        backend = tokenizers.Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
            [
                pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        backend.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=[AddedToken(name, special=True, normalized=False) for name in markers.MARKERS],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        backend.train_from_iterator(texts, trainer)
        return cls(backend)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read `tokenizer.json`. Raises TokenizerError naming the file."""
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise TokenizerError(f"{folder} has no tokenizer.json")
        try:
            return cls(tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8")))
        except Exception as error:  # the Rust side raises bare Exception
            raise TokenizerError(f"{path} cannot be read as a tokenizer: {error}") from error

    def save(self, folder: Path, *, max_positions: int) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`, chat template included."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(self._backend.to_str(pretty=False), encoding="utf-8")
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": markers.BEGIN,
            "eos_token": markers.END,
            "pad_token": markers.PAD,
            "additional_special_tokens": list(markers.MARKERS),
            "add_bos_token": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": max_positions,
            "chat_template": CHAT_TEMPLATE,
        }
        text = json.dumps(config, indent=2) + "\n"
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")

    @property
    def vocab_size(self) -> int:
        """How many ids there are, markers included."""
        return self._backend.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str) -> list[int]:
        """Text to ids, none of them a marker whatever the text says.

        Other threads run meanwhile: a batch, even of one, is encoded without the interpreter's lock, and
        block by block no step that needs the lock is long.
        """
        ids: list[int] = []
        for block in blocks(text, _BLOCK_CHARACTERS):
            ids += self._backend.encode_batch_fast([block], add_special_tokens=False)[0].ids
        return ids

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """As `encode`, in parallel."""
        return [each.ids for each in self._backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text; bytes that are not UTF-8 become U+FFFD, markers vanish."""
        return b"".join(self.token_bytes[token] for token in ids).decode("utf-8", errors="replace")

    def marker(self, name: str) -> int:
        """A marker's id. Raises KeyError for a name that the vocabulary lacks."""
        token = self._backend.token_to_id(name)
        if token is None:
            raise KeyError(name)
        return token

    @cached_property
    def marker_ids(self) -> frozenset[int]:
        """The ids that are no text. Raises KeyError for a marker that the vocabulary lacks."""
        return frozenset(map(self.marker, markers.MARKERS))

    @cached_property
    def blank_ids(self) -> frozenset[int]:
        """The ids of whitespace, of nothing, and of broken characters that could be whitespace once they
        are complete. So text with any other id in it shows something.
        """
        return frozenset(token for token, piece in enumerate(self.token_bytes) if may_be_blank(piece))

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """What each id stands for; nothing for markers."""
        special = {
            token for token, added in self._backend.get_added_tokens_decoder().items() if added.special
        }
        pieces = byte_level(self._backend.id_to_token(token) or "" for token in range(self.vocab_size))
        return [b"" if token in special else piece for token, piece in enumerate(pieces)]


def blocks(text: str, size: int) -> Iterator[str]:
    """Text in parts of at least `size` >= 1 characters, but the last: their ids together are the whole's."""
    start = 0
    while border := _BORDER.search(text, start + size):
        yield text[start : border.start()]
        start = border.start()
    yield text[start:]
