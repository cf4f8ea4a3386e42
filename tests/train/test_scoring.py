"""Probabilities of text, against a computation by hand."""

from __future__ import annotations

import math

import pytest
import torch

from caesura.messages.errors import DataError
from caesura.model import ModelConfig, PackedAttention, Transformer
from caesura.tokens import Tokenizer
from caesura.tokens.markers import BEGIN, END
from caesura.train.encoding import Encoded
from caesura.train.scoring import (
    MinimalPair,
    compression,
    document_nats,
    minimal_pairs,
    nats_of,
    prefers_good,
)

TEXTS = ["The cat sat on the mat. It was a warm day, and naïve too.", "A dog ran.", "One two three four."]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([" ".join(TEXTS) * 10], vocab_size=300)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Transformer:
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        num_layers=2,
        num_heads=2,
        num_kv_heads=1,
        head_dim=16,
        intermediate_size=48,
        max_positions=256,
    )
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(3))
    with torch.no_grad():
        model.embed_tokens.weight.mul_(20.0)
    return model.eval()


@torch.no_grad()
def _by_hand(model: Transformer, document: Encoded) -> float:
    """One id at a time, each from a forward pass of its own."""
    total = 0.0
    for end in range(1, len(document.ids)):
        if document.mask[end]:
            tokens = torch.tensor([document.ids[:end]])
            hidden = model(tokens, torch.arange(end)[None], PackedAttention())
            probabilities = model.logits(hidden)[0, -1].double().softmax(dim=-1)
            total -= math.log(float(probabilities[document.ids[end]]))
    return total


def _documents(tokenizer: Tokenizer) -> list[Encoded]:
    documents: list[Encoded] = []
    for text in TEXTS:
        ids = [tokenizer.marker(BEGIN), *tokenizer.encode(text), tokenizer.marker(END)]
        documents.append(Encoded(ids, [False] + [True] * (len(ids) - 1)))
    return documents


def test_nats_are_those_of_a_computation_by_hand(model: Transformer, tokenizer: Tokenizer) -> None:
    documents = _documents(tokenizer)
    expected = [_by_hand(model, document) for document in documents]
    assert document_nats(model, documents).tolist() == pytest.approx(expected, rel=1e-5)


def test_only_what_is_masked_in_counts(model: Transformer, tokenizer: Tokenizer) -> None:
    document = _documents(tokenizer)[0]
    half = Encoded(document.ids, [index % 2 == 0 for index in range(len(document.ids))])
    assert document_nats(model, [half]).item() == pytest.approx(_by_hand(model, half), rel=1e-5)


def test_batching_changes_neither_values_nor_order(model: Transformer, tokenizer: Tokenizer) -> None:
    documents = _documents(tokenizer) * 3
    whole = nats_of(model, documents)
    told: list[int] = []
    assert nats_of(model, documents, batch_tokens=1, on_progress=told.append) == pytest.approx(
        whole, rel=1e-5
    )
    assert told == [1] * len(documents)


def test_bits_per_byte_are_nats_over_ln_2_and_bytes(model: Transformer, tokenizer: Tokenizer) -> None:
    told: list[int] = []
    size = compression(model, tokenizer, TEXTS, max_tokens=200, on_progress=told.append)
    nats = sum(_by_hand(model, document) for document in _documents(tokenizer))
    num_bytes = sum(len(text.encode()) for text in TEXTS)
    assert size.num_bytes == num_bytes > sum(map(len, TEXTS))
    assert size.bits_per_byte == pytest.approx(nats / math.log(2) / num_bytes, rel=1e-5)
    assert (size.num_documents, sum(told)) == (3, 3)


def test_long_texts_are_read_in_pieces_that_miss_no_id(model: Transformer, tokenizer: Tokenizer) -> None:
    told: list[int] = []
    size = compression(model, tokenizer, TEXTS, max_tokens=4, on_progress=told.append)
    assert size.num_bytes == sum(len(text.encode()) for text in TEXTS)
    assert size.nats > 0
    assert sum(told) == 3


def test_no_text_at_all_is_an_error(model: Transformer, tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match="no held-out text"):
        compression(model, tokenizer, [], max_tokens=8)


def test_the_more_probable_sentence_is_preferred(model: Transformer, tokenizer: Tokenizer) -> None:
    sentences = ["The cat sat.", "The sat cat.", "A dog ran.", "ran dog A."]
    begin = tokenizer.marker(BEGIN)
    nats = [
        _by_hand(model, Encoded([begin, *ids], [False] + [True] * len(ids)))
        for ids in map(tokenizer.encode, sentences)
    ]
    pairs = [
        MinimalPair(good=good, bad=bad, paradigm="order", field="syntax")
        for good, bad in ((sentences[0], sentences[1]), (sentences[3], sentences[2]), (TEXTS[0], TEXTS[0]))
    ]
    told: list[int] = []
    preferred = prefers_good(model, tokenizer, pairs, on_progress=told.append)
    assert preferred == [nats[0] < nats[1], nats[3] < nats[2], False]
    assert sum(told) == 6


def test_rows_of_blimp_become_pairs() -> None:
    row = {"good": "a", "bad": "b", "uid": "u", "field": "syntax_semantics", "pair": "1"}
    assert minimal_pairs([row]) == [MinimalPair(good="a", bad="b", paradigm="u", field="syntax/semantics")]
    with pytest.raises(DataError, match="minimal pair 2 lacks the field 'bad'"):
        minimal_pairs([row, {"good": "a"}])
