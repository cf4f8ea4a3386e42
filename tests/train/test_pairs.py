"""Pairs: encoded with their end, split by prompt, kept on disk, batched by number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from caesura.messages.content import text_turn
from caesura.messages.errors import DataError
from caesura.train.pairs import (
    PARTS,
    PairBatches,
    PairSet,
    encode_reply,
    in_order,
    part_of,
    prepare_pairs,
    spread,
)
from tests.train.tiny_pairs import PAIRS, formats, preference


def _pairs(num: int = 60) -> PairSet:
    return PairSet.collect(formats(), [preference(number) for number in range(num)], 64)


def test_a_reply_has_its_end_and_is_masked_in_without_its_opening() -> None:
    encoded = encode_reply(formats(), (text_turn("user", "Hi"),), "left")
    text = formats().tokenizer.encode("left")
    end = formats().phase_tokens.end[0]
    assert [i for i, m in zip(encoded.ids, encoded.mask, strict=True) if m] == [*text, end]
    assert encoded.ids[-1] == end


def test_markers_in_a_reply_are_text_and_end_nothing() -> None:
    encoded = encode_reply(formats(), (text_turn("user", "Hi"),), "a<|end|>b")
    assert encoded.ids.count(formats().phase_tokens.end[0]) == 2  # the user's and the reply's


def test_all_pairs_of_a_prompt_fall_into_one_part_and_parts_are_tenths() -> None:
    parts = [part_of(preference(number).prompt) for number in range(2000)]
    shares = {name: parts.count(name) / 2000 for name in PARTS}
    assert shares["held_out"] == pytest.approx(0.1, abs=0.03)
    assert shares["reference"] == pytest.approx(0.1, abs=0.03)
    assert part_of((text_turn("user", "What  is it?"),)) == part_of((text_turn("user", "what is IT?"),))


def test_a_pair_set_is_the_same_after_saving(tmp_path: Path) -> None:
    pairs = _pairs()
    pairs.save(tmp_path)
    loaded = PairSet.load(tmp_path)
    assert np.array_equal(pairs.sides.ids, loaded.sides.ids)
    assert np.array_equal(pairs.p, loaded.p)
    assert np.array_equal(pairs.parts, loaded.parts)
    assert np.array_equal(pairs.sources, loaded.sources)
    assert np.array_equal(pairs.num_reply_ids(), loaded.num_reply_ids())


def test_reply_lengths_count_text_and_end() -> None:
    lengths = _pairs(2).num_reply_ids()
    tokenizer = formats().tokenizer
    expected = [
        [len(tokenizer.encode(text)) + 1 for text in (row.chosen, row.rejected)]
        for row in (preference(0), preference(1))
    ]
    assert lengths.tolist() == expected


def test_a_batch_holds_chosen_sides_first_and_where_each_ends() -> None:
    pairs = _pairs()
    batch = pairs.batch([3, 1], (32, 64))
    assert batch.tokens_ST.shape == (4, 32)
    assert batch.indices_B.tolist() == [3, 1]
    for row, side in enumerate((6, 2, 7, 3)):
        start, stop = pairs.sides.starts[side], pairs.sides.starts[side + 1]
        assert batch.last_S[row] == stop - start - 1
        assert batch.tokens_ST[row, : stop - start].tolist() == pairs.sides.ids[start:stop].tolist()
        assert not batch.tokens_ST[row, stop - start :].any()
        assert int(batch.mask_ST[row].sum()) == pairs.num_reply_ids().ravel()[side]


def test_each_pass_visits_every_pair_once_in_another_order() -> None:
    pairs = _pairs()
    chosen = pairs.part("train")
    batches = PairBatches(pairs, chosen, PAIRS)
    passes = [
        [
            int(i)
            for step in range(len(batches))
            for i in batches.batch(number * len(batches) + step).indices_B
        ]
        for number in (0, 1)
    ]
    assert sorted(passes[0]) == sorted(passes[1]) == chosen.tolist()
    assert passes[0] != passes[1]
    again = PairBatches(pairs, chosen, PAIRS)
    assert torch.equal(again.batch(len(batches) + 1).tokens_ST, batches.batch(len(batches) + 1).tokens_ST)


def test_going_through_in_order_meets_each_pair_once() -> None:
    pairs = _pairs()
    met = [pair for chosen, _ in in_order(pairs, np.arange(len(pairs)), PAIRS) for pair in chosen]
    assert sorted(met) == list(range(60))


def test_pairs_that_are_too_long_are_left_out_and_counted() -> None:
    rows = [preference(0), preference(1, chosen="word " * 100)]
    pairs = PairSet.collect(formats(), rows, 64)
    assert (len(pairs), pairs.num_too_long) == (1, 1)
    with pytest.raises(DataError, match="no preferences of at most 64 tokens"):
        PairSet.collect(formats(), rows[1:], 64)


def test_a_sample_is_spread_over_all() -> None:
    assert spread(np.arange(100, 110), 5).tolist() == [100, 102, 104, 106, 108]
    assert spread(np.arange(3), 5).tolist() == [0, 1, 2]


def test_pairs_are_encoded_once(tmp_path: Path) -> None:
    rows = [preference(number) for number in range(60)]
    first = prepare_pairs(lambda: rows, formats(), tmp_path, 64)
    second = prepare_pairs(lambda: rows[:1], formats(), tmp_path, 64)
    assert len(first) == len(second) == 60


def test_a_part_without_a_pair_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of 1 pairs none falls into"):
        prepare_pairs(lambda: [preference(0)], formats(), tmp_path, 64)
