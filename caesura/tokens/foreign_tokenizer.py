"""A tokenizer that others made: what a template wrote is told from what a user wrote.

Its backend knows every marker (an added token that is no plain word) under a random name only. A marker that
a template wrote is put under that name before the text is encoded; text that merely spells a marker's usual
name finds none, so it becomes ordinary pieces. What lies between two markers is encoded together with them,
exactly as in the plain text, so ordinary conversations get the ids that transformers gives them.
Enters: `tokenizer.json`, and pieces of a rendered conversation. Leaves: ids, bytes, positions. Read next:
`foreign_format.py`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

import tokenizers

from caesura.tokens import token_bytes
from caesura.tokens.text_memory import TenantTexts
from caesura.tokens.tokenizer import TokenizerError


class Piece(NamedTuple):
    """A part of a rendered conversation.

    text: the part.
    is_template: whether the template wrote it, so that markers in it count.
    """

    text: str
    is_template: bool


class Encoded(NamedTuple):
    """Pieces as ids.

    ids: of all pieces.
    positions: for each piece that was asked for, how many ids lie before its end.
    """

    ids: list[int]
    positions: dict[int, int]


@dataclass(slots=True, kw_only=True)
class _Run:
    """Text between two markers.

    before, after: the markers' names; None at the ends.
    text: what lies between.
    marks: (piece, how many characters of `text` lie before its end).
    """

    before: str | None
    text: str = ""
    after: str | None = None
    marks: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    @property
    def places(self) -> tuple[int, ...]:
        """Where in the text its marks are."""
        return tuple(num_characters for _, num_characters in self.marks)


class ForeignTokenizer:
    """A byte-level or sentence-piece BPE.

    markers: the ids of the markers, by name: what a template can write and a user cannot.
    special: those of them that are no text either when they come back.
    prefix: the ids that transformers puts before a plain text.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        """spec: `tokenizer.json`. Raises ValueError for a kind of tokenizer that is not known."""
        kind = spec["model"].get("type", "BPE")
        if kind != "BPE":
            raise ValueError(f"its model is {kind}; only BPE is known")
        added = {token["content"]: token for token in spec["added_tokens"] if _is_marker(token)}
        key = secrets.token_hex(16)
        self._disguises = {name: f"{key}x{number}x" for number, name in enumerate(added)}
        self._decoder: dict[str, Any] | None = spec["decoder"]
        self._backend = tokenizers.Tokenizer.from_str(json.dumps(_disguised(spec, self._disguises)))
        self._backend.no_padding()
        self._backend.no_truncation()
        vocabulary = self._backend.get_vocab(with_added_tokens=True)
        self.markers = {name: vocabulary[each] for name, each in self._disguises.items()}
        self.prefix = tuple(_prefix(spec.get("post_processor") or {}))
        self.special = frozenset(self.markers[name] for name, token in added.items() if token["special"])
        # A token that needs a word's border around it, or that its own normaliser hides, is not met by name.
        met = [name for name, each in self._disguises.items() if self._ids(each) == [self.markers[name]]]
        names = sorted((name for name in met if not added[name]["single_word"]), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, names)) or "(?!)")
        self._borders = {each for name in names for each in (name[0], name[-1]) if not each.isalnum()}

    @classmethod
    def load(cls, folder: Path) -> ForeignTokenizer:
        """Read `tokenizer.json`. Raises TokenizerError naming the file."""
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise TokenizerError(
                f"{folder} has no tokenizer.json; transformers writes one: "
                "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            )
        try:
            return cls(json.loads(path.read_text(encoding="utf-8")))
        except Exception as error:  # the Rust side raises bare Exception
            raise TokenizerError(f"{path} cannot be read as a tokenizer: {error}") from error

    @cached_property
    def vocab_size(self) -> int:
        """One more than the largest id."""
        return 1 + max(self._names)

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """What each id stands for; nothing for special markers."""
        pieces = token_bytes.decoded(self._all_names, self._decoder)
        return [b"" if token in self.special else piece for token, piece in enumerate(pieces)]

    @cached_property
    def first_bytes(self) -> list[bytes]:
        """The same at the beginning of a text, without the space that a sentence-piece BPE put there."""
        if token_bytes.begins_alike(self._decoder):
            return self.token_bytes
        pieces = token_bytes.decoded(self._all_names, self._decoder, is_first=True)
        return [b"" if token in self.special else piece for token, piece in enumerate(pieces)]

    @property
    def marker_ids(self) -> frozenset[int]:
        """The ids that no text of a user's becomes; some of them have the bytes of one."""
        return frozenset(self.markers.values())

    @cached_property
    def blank_ids(self) -> frozenset[int]:
        """The ids of whitespace, of nothing, and of broken characters that could become whitespace."""
        pieces = enumerate(self.token_bytes)
        return frozenset(token for token, piece in pieces if token_bytes.may_be_blank(piece))

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text, as they stand in the midst of one; bytes that are not UTF-8 become U+FFFD, special
        markers vanish.
        """
        return b"".join(self.token_bytes[token] for token in ids).decode("utf-8", errors="replace")

    def encode(
        self, pieces: Sequence[Piece], *, ends: Collection[int] = (), texts: TenantTexts | None = None
    ) -> Encoded:
        """Pieces to ids; markers are met in what the template wrote, and nowhere else.

        ends: the pieces, by number, after which a position is wanted. A token that reaches over the end of
            a piece does not count as before it.
        texts: whose ids are known already, and where those of others are kept.
        """
        runs = self._runs(pieces, ends)
        written = [run for run in runs if run.text]
        spans = iter(self._encode_runs(written) if texts is None else self._recall_runs(written, texts))
        ids: list[int] = []
        positions: dict[int, int] = {}
        for run in runs:
            span = next(spans) if run.text else _Span((), (0,) * len(run.marks))
            for (piece, _), count in zip(run.marks, span.counts, strict=True):
                positions[piece] = len(ids) + count
            ids += span.ids
            if run.after is not None:
                ids.append(self.markers[run.after])
        return Encoded(ids, positions)

    def could_make_marker(self, text: str) -> bool:
        """Whether a text, shown to a template, could become a marker or a part of one."""
        return not self._borders.isdisjoint(text) or self._pattern.search(text) is not None

    def leading_marker(self, text: str) -> int | None:
        """The id of the marker that a template's text begins with, if it does."""
        match = self._pattern.match(text)
        return None if match is None else self.markers[match[0]]

    @cached_property
    def _names(self) -> dict[int, str]:
        names = {each: name for name, each in self._disguises.items()}
        vocabulary = self._backend.get_vocab(with_added_tokens=True)
        return {token: names.get(name, name) for name, token in vocabulary.items()}

    @property
    def _all_names(self) -> list[str]:
        """By id; "" for an id that no token has."""
        return [self._names.get(token, "") for token in range(self.vocab_size)]

    def _ids(self, text: str) -> list[int]:
        return self._backend.encode_batch_fast([text], add_special_tokens=False)[0].ids

    def _runs(self, pieces: Sequence[Piece], ends: Collection[int]) -> list[_Run]:
        runs = [_Run(before=None)]
        for number, piece in enumerate(pieces):
            at = 0
            for match in self._pattern.finditer(piece.text) if piece.is_template else ():
                runs[-1].text += piece.text[at : match.start()]
                runs[-1].after = match[0]
                runs.append(_Run(before=match[0]))
                at = match.end()
            runs[-1].text += piece.text[at:]
            if number in ends:
                runs[-1].marks.append((number, len(runs[-1].text)))
        return runs

    def _recall_runs(self, runs: Sequence[_Run], texts: TenantTexts) -> list[_Span]:
        """As `_encode_runs`, which is only given what is not known."""
        spans = [self._recall(run, texts) for run in runs]
        fresh = [run for run, span in zip(runs, spans, strict=True) if span is None]
        encoded = self._encode_runs(fresh)
        for run, span in zip(fresh, encoded, strict=True):
            texts.keep(self._marked(run), span.ids)
            texts.keep_counts(self._marked(run), run.places, span.counts)
        rest = iter(encoded)
        return [next(rest) if span is None else span for span in spans]

    def _recall(self, run: _Run, texts: TenantTexts) -> _Span | None:
        text = self._marked(run)
        ids, counts = texts.recall(text), texts.recall_counts(text, run.places)
        return None if ids is None or counts is None else _Span(ids, counts)

    def _encode_runs(self, runs: Sequence[_Run]) -> list[_Span]:
        """The ids of each run, its markers left out. Other threads run meanwhile."""
        texts = [self._marked(run) for run in runs]
        # Offsets take time, so only what has a mark in it gets them.
        is_marked = any(run.marks for run in runs)
        encode = self._backend.encode_batch if is_marked else self._backend.encode_batch_fast
        spans: list[_Span] = []
        for run, encoding in zip(runs, encode(texts, add_special_tokens=False), strict=True):
            first = int(run.before is not None)
            last = len(encoding.ids) - int(run.after is not None)
            shift = len(self._name(run.before))
            ends = [end - shift for _, end in encoding.offsets[first:last]] if run.marks else []
            counts = tuple(_num_before(ends, place) for place in run.places)
            spans.append(_Span(encoding.ids[first:last], counts))
        return spans

    def _marked(self, run: _Run) -> str:
        """A run between its markers, as the backend knows them."""
        return self._name(run.before) + run.text + self._name(run.after)

    def _name(self, marker: str | None) -> str:
        return "" if marker is None else self._disguises[marker]


class _Span(NamedTuple):
    """The ids of a run, and how many of them lie before each of its marks."""

    ids: Sequence[int]
    counts: tuple[int, ...]


def _num_before(ends: Sequence[int], num_characters: int) -> int:
    return next((count for count, end in enumerate(ends) if end > num_characters), len(ends))


def _disguised(spec: dict[str, Any], disguises: dict[str, str]) -> dict[str, Any]:
    """`tokenizer.json` with every added token under another name, and out of reach of the merges."""
    model: dict[str, Any] = spec["model"]
    vocabulary = {disguises.get(name, name): token for name, token in model["vocab"].items()}
    merges = [pair for pair in map(_pair, model["merges"]) if not _makes_marker(pair, disguises)]
    model = model | {"vocab": vocabulary, "merges": merges}
    if model.get("unk_token") in disguises:
        model["unk_token"] = disguises[model["unk_token"]]
    added = [_disguised_token(token, disguises) for token in spec["added_tokens"]]
    # A post-processor names special tokens; it only ever adds what a template writes itself.
    return spec | {"model": model, "added_tokens": added, "post_processor": None}


def _disguised_token(token: dict[str, Any], disguises: dict[str, str]) -> dict[str, Any]:
    name = disguises.get(token["content"])
    return token if name is None else token | {"content": name, "special": True}


def _prefix(processor: dict[str, Any]) -> Iterator[int]:
    """The ids that a post-processor, as `tokenizer.json` writes it, puts before a single text."""
    for part in processor.get("processors", []):
        yield from _prefix(part)
    for step in processor.get("single", []):
        if "SpecialToken" not in step:
            return
        yield from processor["special_tokens"][step["SpecialToken"]["id"]]["ids"]


def _is_marker(token: dict[str, Any]) -> bool:
    """Some vocabularies hold runs of spaces or rare letters as added tokens: those are text."""
    return token["special"] or not all(each.isalnum() or each.isspace() for each in token["content"])


def _pair(merge: str | list[str]) -> tuple[str, str]:
    """Older files write a merge as one string with a space in the middle."""
    return cast(tuple[str, str], tuple(merge.split(" ", 1) if isinstance(merge, str) else merge))


def _makes_marker(pair: tuple[str, str], disguises: dict[str, str]) -> bool:
    return "".join(pair) in disguises or pair[0] in disguises or pair[1] in disguises
