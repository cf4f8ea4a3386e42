"""How probable a model finds text: bits per byte on prose, and minimal pairs of sentences.

Enters: a model and encoded documents. Leaves: nats a document, in float64, and what follows from them.
Shapes: B documents, T tokens, V vocabulary. Read next: `encoding.py`, `losses.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from caesura.messages.errors import DataError
from caesura.model import PackedAttention, Transformer
from caesura.tokens import Tokenizer
from caesura.tokens.markers import BEGIN
from caesura.train.encoding import Encoded, encode_documents

# A batch's logits are its largest tensor: at a vocabulary of 4,096, 64 MB.
_BATCH_TOKENS = 4096

OnProgress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimalPair:
    """Two sentences of which one is grammatical.

    good, bad: the sentences. paradigm: what distinguishes them. field: the branch of grammar.
    """

    good: str
    bad: str
    paradigm: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """How short a text could be made by the model's predictions.

    nats: the whole text's. num_bytes: its length in UTF-8. num_documents: in how many documents.
    """

    nats: float
    num_bytes: int
    num_documents: int

    @property
    def bits_per_byte(self) -> float:
        """nats / ln 2 / bytes."""
        return self.nats / math.log(2) / self.num_bytes


@torch.no_grad()
def document_nats(model: Transformer, batch: Sequence[Encoded]) -> Tensor:
    """(B,) float64: for each document, the sum over its masked-in ids of -ln p(id | ids before it)."""
    ids_BT, mask_BT = _padded(batch, model.embed_tokens.weight.device)
    logits_BTV = _next_logits(model, ids_BT).float()
    losses_BT = F.cross_entropy(logits_BTV.flatten(0, 1), ids_BT[:, 1:].flatten(), reduction="none")
    return (losses_BT.view(len(batch), -1).double() * mask_BT[:, 1:]).sum(dim=1).cpu()


def _padded(batch: Sequence[Encoded], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and masks, (B, T) each, padded at the end."""
    width = max(len(document.ids) for document in batch)
    ids_BT = torch.zeros(len(batch), width, dtype=torch.long)
    mask_BT = torch.zeros(len(batch), width, dtype=torch.bool)
    for row, document in enumerate(batch):
        ids_BT[row, : len(document.ids)] = torch.tensor(document.ids)
        mask_BT[row, : len(document.mask)] = torch.tensor(document.mask)
    return ids_BT.to(device), mask_BT.to(device)


def _next_logits(model: Transformer, ids_BT: Tensor) -> Tensor:
    """(B, T - 1, V): what follows each id but the last. Attention is causal, so the padding behind a document
    cannot reach it.
    """
    positions_BT = torch.arange(ids_BT.shape[1] - 1, device=ids_BT.device).expand(len(ids_BT), -1)
    attend = PackedAttention(windows=model.config.windows)
    return model.logits(model(ids_BT[:, :-1], positions_BT, attend))


def nats_of(
    model: Transformer,
    documents: Sequence[Encoded],
    *,
    batch_tokens: int = _BATCH_TOKENS,
    on_progress: OnProgress = lambda _: None,
) -> list[float]:
    """Nats of each document, in order; `on_progress` is told how many more are done."""
    nats = [0.0] * len(documents)
    for indices in _batches([len(document.ids) for document in documents], batch_tokens):
        values = document_nats(model, [documents[index] for index in indices])
        for index, value in zip(indices, values.tolist(), strict=True):
            nats[index] = value
        on_progress(len(indices))
    return nats


@torch.no_grad()
def reproduces(
    model: Transformer, documents: Sequence[Encoded], *, batch_tokens: int = _BATCH_TOKENS
) -> list[bool]:
    """For each document, whether every masked-in id is the most probable one: greedy decoding would write
    just these. One pass over all, where decoding would take as many as there are ids.
    """
    device = model.embed_tokens.weight.device
    results = [False] * len(documents)
    for indices in _batches([len(document.ids) for document in documents], batch_tokens):
        ids_BT, mask_BT = _padded([documents[index] for index in indices], device)
        is_said_BT = _next_logits(model, ids_BT).argmax(dim=-1) == ids_BT[:, 1:]
        for index, is_whole in zip(indices, (is_said_BT | ~mask_BT[:, 1:]).all(dim=1).tolist(), strict=True):
            results[index] = is_whole
    return results


def _batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices of documents of similar length, so that little is padded."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda each: lengths[each]):
        if batch and (len(batch) + 1) * lengths[index] > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def compression(
    model: Transformer,
    tokenizer: Tokenizer,
    texts: Iterable[str],
    *,
    max_tokens: int,
    on_progress: OnProgress = lambda _: None,
) -> Compression:
    """What the texts cost, the end of each included. What is longer than `max_tokens` is read in pieces.

    Raises DataError where there is no text.
    """
    texts = list(texts)
    if not texts:
        raise DataError("there is no held-out text to measure bits per byte on")
    documents = list(encode_documents(tokenizer, texts, max_tokens=max_tokens))
    on_piece = _in_texts(len(texts), len(documents), on_progress)
    nats = nats_of(model, documents, on_progress=on_piece)
    num_bytes = sum(len(text.encode("utf-8")) for text in texts)
    return Compression(nats=math.fsum(nats), num_bytes=num_bytes, num_documents=len(texts))


def _in_texts(num_texts: int, num_pieces: int, on_progress: OnProgress) -> OnProgress:
    """Progress over pieces as progress over texts, which is what callers can count."""
    done = told = 0

    def on_piece(count: int) -> None:
        nonlocal done, told
        done += count
        reached = done * num_texts // num_pieces
        on_progress(reached - told)
        told = reached

    return on_piece


def minimal_pairs(rows: Iterable[Mapping[str, Any]]) -> list[MinimalPair]:
    """Rows of BLiMP. Raises DataError for one that lacks a field."""
    pairs: list[MinimalPair] = []
    for number, row in enumerate(rows, start=1):
        try:
            good, bad, paradigm, field = (str(row[name]) for name in ("good", "bad", "uid", "field"))
        except KeyError as error:
            raise DataError(f"minimal pair {number} lacks the field {error}") from error
        pairs.append(MinimalPair(good=good, bad=bad, paradigm=paradigm, field=field.replace("_", "/")))
    return pairs


def prefers_good(
    model: Transformer,
    tokenizer: Tokenizer,
    pairs: Sequence[MinimalPair],
    *,
    on_progress: OnProgress = lambda _: None,
) -> list[bool]:
    """For each pair, whether the grammatical sentence is the more probable one; a tie is a miss.

    `on_progress` is told how many more sentences are done, two a pair.
    """
    sentences = [sentence for pair in pairs for sentence in (pair.good, pair.bad)]
    begin = tokenizer.marker(BEGIN)
    documents = [
        Encoded([begin, *ids], [False] + [True] * len(ids)) for ids in tokenizer.encode_many(sentences)
    ]
    nats = nats_of(model, documents, on_progress=on_progress)
    return [good < bad for good, bad in zip(nats[::2], nats[1::2], strict=True)]
