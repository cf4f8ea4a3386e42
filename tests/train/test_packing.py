"""Packing and encoding: nothing lost, nothing leaked, everything a function of the step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.content import (
    Conversation,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    text_turn,
)
from caesura.messages.errors import DataError
from caesura.model import document_mask
from caesura.train.data import Mode, Row
from caesura.train.encoding import Encoded, TokenSet, encode_documents, encode_row
from caesura.train.packing import Packer, PackingConfig, best_fit, weights
from tests.tokens.conversations import chat_format

FORMAT = chat_format()


def _numbered(lengths: list[int]) -> TokenSet:
    """Document n is the ids 1000n, 1000n+1, ..., all learnt but the first."""
    docs = [
        Encoded([1000 * n + i for i in range(size)], [i > 0 for i in range(size)])
        for n, size in enumerate(lengths)
    ]
    return TokenSet.collect(docs)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=200))
def test_best_fit_places_each_document_once_and_overfills_no_row(sizes: list[int]) -> None:
    lengths = np.asarray(sizes)
    rows = best_fit(np.arange(len(sizes)), lengths, (16, 40))
    assert sorted(doc for _, row in rows for doc in row) == list(range(len(sizes)))
    assert all(lengths[row].sum() <= limit for limit, row in rows)


@given(st.lists(st.integers(2, 33), min_size=1, max_size=60))
def test_every_pass_shows_every_target_exactly_once(sizes: list[int]) -> None:
    packer = Packer(_numbered(sizes), PackingConfig(batch_tokens=32, row_tokens=(16, 32)))
    wanted = sorted(1000 * n + i for n, size in enumerate(sizes) for i in range(1, size))
    step = 0
    for _ in range(3):
        seen: list[int] = []
        while len(seen) < len(wanted):
            batch = packer.batch(step)
            assert batch.tokens_BT.numel() == 32
            seen += batch.targets_BT[batch.mask_BT.bool()].tolist()
            step += 1
        assert sorted(seen) == wanted


def test_a_target_is_the_id_that_follows_and_positions_restart() -> None:
    batch = Packer(_numbered([9, 5, 7]), PackingConfig(batch_tokens=32, row_tokens=(32,))).batch(0)
    learnt = batch.mask_BT.bool()
    assert torch.equal(batch.targets_BT[learnt], batch.tokens_BT[learnt] + 1)
    assert torch.equal(batch.positions_BT[learnt], batch.tokens_BT[learnt] % 1000)


def test_a_batch_depends_on_its_number_alone() -> None:
    config = PackingConfig(batch_tokens=64, row_tokens=(16, 32), seed=5)
    tokens = _numbered([3, 30, 8, 14, 25, 2, 9] * 9)
    one, other = Packer(tokens, config), Packer(tokens, config)
    forward = [one.batch(step) for step in range(12)]
    backward = [other.batch(step) for step in reversed(range(12))][::-1]
    for left, right in zip(forward, backward, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_documents_do_not_see_each_other() -> None:
    positions = torch.tensor([[0, 1, 2, 0, 1, 0]])
    mask = document_mask(positions)[0, 0]
    assert mask.tolist() == [
        [True, False, False, False, False, False],
        [True, True, False, False, False, False],
        [True, True, True, False, False, False],
        [False, False, False, True, False, False],
        [False, False, False, True, True, False],
        [False, False, False, False, False, True],
    ]


def test_a_document_longer_than_every_row_is_named() -> None:
    with pytest.raises(DataError, match="document 1 has 40 tokens, more than a row of 32"):
        Packer(_numbered([5, 40]), PackingConfig(batch_tokens=64, row_tokens=(16, 32)))


def test_no_rows_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing to train on"):
        TokenSet.collect([])


def test_long_text_continues_in_another_document_and_loses_nothing() -> None:
    text = "one two three four five six seven " * 10
    pieces = list(encode_documents(FORMAT.tokenizer, [text], max_tokens=16))
    joined = pieces[0].ids + [token for piece in pieces[1:] for token in piece.ids[1:]]
    assert FORMAT.tokenizer.decode(joined) == text
    assert all(len(piece.ids) <= 17 for piece in pieces)
    assert sum(sum(piece.mask) for piece in pieces) == len(joined) - 1


def _row(mode: Mode, *, is_cut: bool = False) -> Row:
    reply = Turn(role="assistant", content=(ThinkingBlock(thinking="1:7+5"), TextBlock(text="12")))
    first = Turn(role="assistant", content=(TextBlock(text="hello"),))
    turns = (text_turn("user", "hi"), first, text_turn("user", "7+5?"), reply)
    return Row(conversation=Conversation(turns=turns), mode=mode, source="", licence="", is_cut=is_cut)


def _learnt(row: Row) -> list[int]:
    encoded = encode_row(FORMAT, row)
    return [token for token, is_learnt in zip(encoded.ids, encoded.mask, strict=True) if is_learnt]


def test_only_the_last_reply_is_learnt() -> None:
    encode, tokens = FORMAT.tokenizer.encode, FORMAT.phase_tokens
    expected = [*encode("1:7+5"), tokens.end_think, *encode("12"), *tokens.end]
    assert _learnt(_row("think")) == expected


def test_earlier_replies_are_learnt_too_where_the_row_says_so() -> None:
    encode, tokens = FORMAT.tokenizer.encode, FORMAT.phase_tokens
    first = [*encode("hello"), *tokens.end]
    row = replace(_row("think"), learns_every_reply=True)
    assert _learnt(row) == [*first, *_learnt(_row("think"))]
    adaptive = replace(row, mode="adaptive")
    last = [tokens.think, *_learnt(_row("think"))]
    assert _learnt(adaptive) == [tokens.end_think, *first, *last]


def test_that_a_forced_call_begins_is_not_learnt() -> None:
    tokens = FORMAT.phase_tokens
    call = ToolUseBlock(id="toolu_a", name="add", input={"a": 7})
    turns = (text_turn("user", "7+5?"), Turn(role="assistant", content=(call,)))
    row = replace(_row("fast"), conversation=Conversation(turns=turns))
    assert [tokens.tool_call, *_learnt(replace(row, is_forced=True))] == _learnt(row)


def test_a_call_is_learnt_with_its_markers_and_its_result_is_not() -> None:
    encode, tokens = FORMAT.tokenizer.encode, FORMAT.phase_tokens
    call = ToolUseBlock(id="toolu_a", name="add", input={"a": 7})
    result = ToolResultBlock(tool_use_id="toolu_a", content=(TextBlock(text="12"),))
    turns = (text_turn("user", "7+5?"), Turn(role="assistant", content=(call,)))
    row = replace(_row("fast"), conversation=Conversation(turns=turns))
    written = encode('{"name": "add", "arguments": {"a": 7}}')
    assert _learnt(row) == [tokens.tool_call, *written, tokens.end_tool_call, *tokens.end]
    answered = (*turns, Turn(role="user", content=(result,)), text_turn("assistant", "It is 12."))
    row = replace(row, conversation=Conversation(turns=answered))
    assert _learnt(row) == [*encode("It is 12."), *tokens.end]


def test_the_choice_to_think_is_learnt_only_when_it_is_free() -> None:
    assert _learnt(_row("adaptive")) == [FORMAT.phase_tokens.think, *_learnt(_row("think"))]


def test_a_forced_close_is_not_learnt() -> None:
    encode, tokens = FORMAT.tokenizer.encode, FORMAT.phase_tokens
    assert _learnt(_row("think", is_cut=True)) == [*encode("1:7+5"), *encode("12"), *tokens.end]


def test_what_somebody_else_has_begun_is_not_learnt_and_what_goes_on_in_it_is() -> None:
    begun = TextBlock(text="Sure:")
    rest = TextBlock(text=" no", is_continuation=True)
    turns = (text_turn("user", "7+5?"), Turn(role="assistant", content=(begun, rest)))
    row = replace(_row("fast"), conversation=Conversation(turns=turns), is_begun=True)
    assert _learnt(row) == [*FORMAT.tokenizer.encode(" no"), *FORMAT.phase_tokens.end]
    earlier = (text_turn("user", "hi"), text_turn("assistant", "hello"), *turns)
    every = replace(row, conversation=Conversation(turns=earlier), learns_every_reply=True)
    assert _learnt(every) == [*FORMAT.tokenizer.encode("hello"), *FORMAT.phase_tokens.end, *_learnt(row)]
    asked = replace(row.conversation, turns=(turns[0], Turn(role="assistant", content=(begun,))))
    given = FORMAT.render(asked, opening="answer").ids
    assert encode_row(FORMAT, row).ids[: len(given)] == list(given), "as a server is given it"


def test_the_first_targets_of_a_reply_count_more() -> None:
    config = PackingConfig(lead_targets=2, lead_weight=8)
    learnt = np.asarray([False, True, True, True, False, True, False, False], dtype=np.bool_)
    assert weights(learnt, config).tolist() == [0, 8, 8, 1, 0, 8, 0, 0]
    assert weights(np.ones(3, dtype=np.bool_), config).tolist() == [1, 1, 1], "plain text has no replies"
    assert weights(learnt, PackingConfig()).tolist() == learnt.astype(int).tolist()


@pytest.mark.parametrize(("targets", "weight"), [(-1, 1), (2, 0), (2, -3)])
def test_leads_that_would_count_less_than_once_are_refused(targets: int, weight: int) -> None:
    with pytest.raises(ValueError, match="counts once or more"):
        PackingConfig(lead_targets=targets, lead_weight=weight)
