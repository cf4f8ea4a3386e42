"""Rows and documents to token ids with a loss mask, kept on disk so that a run can resume anywhere.

Enters: `Row`s or plain documents, and the chat format that also serves requests. Leaves: a `TokenSet`:
flat arrays of ids and mask with document borders. Loss masks come from role spans, never from string
search. Read next: `packing.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from caesura.messages.content import Conversation
from caesura.messages.errors import DataError
from caesura.tokens import CaesuraFormat, Span, Tokenizer
from caesura.tokens.markers import BEGIN, END
from caesura.tokens.prompt import SpanKind
from caesura.train.data import Row

_LEARNT: tuple[SpanKind, ...] = ("thinking", "text", "call", "end")


class Encoded(NamedTuple):
    """One document: its ids, and which of them are to be predicted."""

    ids: list[int]
    mask: list[bool]


def encode_row(chat_format: CaesuraFormat, row: Row) -> Encoded:
    """The last turn's ids are learnt, or those of every turn of the assistant's: thought, answer, calls, end;
    the opening, and that a call begins, only where they are a choice.
    """
    prompt = chat_format.render(row.conversation, opening=None, is_cut=row.is_cut)
    mask = [False] * len(prompt.ids)
    spans = prompt.spans if row.learns_every_reply else _last_turn(prompt.spans)
    for span in spans:
        if span.role != "assistant":
            continue
        if span.kind in _LEARNT or (span.kind == "opening" and row.mode == "adaptive"):
            mask[span.start : span.stop] = [True] * (span.stop - span.start)
        if span.kind == "call" and row.is_forced:
            mask[span.start] = False
    if row.is_begun:
        reply, given = _last_turn(prompt.spans)[0].start, _num_given(chat_format, row.conversation)
        mask[reply:given] = [False] * (given - reply)
    return Encoded(list(prompt.ids), mask)


def _num_given(chat_format: CaesuraFormat, conversation: Conversation) -> int:
    """How many ids a server is given of a reply that was begun for the assistant, all before it included."""
    *turns, last = conversation.turns
    given = replace(conversation, turns=(*turns, replace(last, content=last.content[:1])))
    return len(chat_format.render(given, opening="answer").ids)


def _last_turn(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    start = max(index for index, span in enumerate(spans) if span.kind == "header")
    return spans[start + 1 :]


def encode_documents(tokenizer: Tokenizer, texts: Iterable[str], *, max_tokens: int) -> Iterator[Encoded]:
    """Plain text between `<|begin|>` and `<|end|>`, every id but the first to be predicted.

    A text longer than `max_tokens` goes on in another document that opens without `<|begin|>`.
    """
    begin, end = tokenizer.marker(BEGIN), tokenizer.marker(END)
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == 1000:
            yield from _documents(tokenizer, batch, (begin, end), max_tokens)
            batch = []
    yield from _documents(tokenizer, batch, (begin, end), max_tokens)


def _documents(
    tokenizer: Tokenizer, batch: list[str], borders: tuple[int, int], max_tokens: int
) -> Iterator[Encoded]:
    begin, end = borders
    for text_ids in tokenizer.encode_many(batch):
        ids = [begin, *text_ids, end]
        for start in range(0, len(ids) - 1, max_tokens):
            piece = ids[start : start + max_tokens + 1]  # one id more: the last one's target
            yield Encoded(piece, [False] + [True] * (len(piece) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """Encoded documents as flat arrays.

    ids: all ids, one document after the other. mask: which of them are to be predicted.
    starts: where each document begins, and at the end the total.
    """

    ids: npt.NDArray[np.uint32]
    mask: npt.NDArray[np.bool_]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Each document's number of ids."""
        return np.diff(self.starts)

    @classmethod
    def collect(cls, documents: Iterable[Encoded]) -> TokenSet:
        """Gather documents in memory."""
        ids, masks, lengths = [], [], [0]
        for document in documents:
            ids.append(np.asarray(document.ids, dtype=np.uint32))
            masks.append(np.asarray(document.mask, dtype=np.bool_))
            lengths.append(len(document.ids))
        if not ids:
            raise DataError("there is nothing to train on: the data holds no rows")
        starts = np.cumsum(np.asarray(lengths, dtype=np.int64))
        return cls(ids=np.concatenate(ids), mask=np.concatenate(masks), starts=starts)

    def save(self, folder: Path) -> None:
        """Write the arrays; the manifest comes last, so a folder without one is unfinished."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("ids", "mask", "starts"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        manifest = {"documents": len(self), "tokens": int(self.starts[-1]), "learnt": int(self.mask.sum())}
        partial = folder / "manifest.json.part"
        partial.write_text(json.dumps(manifest) + "\n", encoding="utf-8")
        os.replace(partial, folder / "manifest.json")

    @classmethod
    def load(cls, folder: Path) -> TokenSet:
        """Map the arrays into memory. Raises DataError if the folder is unfinished."""
        if not (folder / "manifest.json").is_file():
            raise DataError(f"{folder} holds no finished token set; prepare the recipe's data again")
        ids, mask, starts = (
            np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("ids", "mask", "starts")
        )
        return cls(ids=ids, mask=mask, starts=starts)
