"""Reward models: read at the end token, free of length, kept with their statistics."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from caesura.messages.content import Conversation, TextBlock, ThinkingBlock, Turn, text_turn
from caesura.messages.errors import DataError
from caesura.model import load_model
from caesura.train.pairs import PairSet
from caesura.train.reward_model import (
    RewardModel,
    RewardScorer,
    Standard,
    fit_standard,
    load_reward_model,
    save_reward_model,
)
from tests.train.tiny_pairs import SHAPE, formats, preference, tiny_model

STANDARD = Standard(length_slope=0.25, length_mean=3.0, length_max=50.0, mean=0.5, std=2.0)


def _model() -> RewardModel:
    model = RewardModel(tiny_model())
    model.initialise_head(torch.Generator().manual_seed(2))
    return model.eval()


def _conversation(reply: str = "left 1", thought: str = "") -> Conversation:
    said = (TextBlock(text=reply),)
    content = (ThinkingBlock(thinking=thought), *said) if thought else said
    return Conversation(turns=(text_turn("user", "Q1?"), Turn(role="assistant", content=content)))


def test_a_fresh_head_is_small_and_without_bias() -> None:
    weights = torch.cat([_fresh_head(seed).flatten() for seed in range(40)])
    assert float(weights.std()) == pytest.approx(1 / math.sqrt(SHAPE.hidden_size + 1), rel=0.1)
    assert _model().head.bias.tolist() == [0.0]


def _fresh_head(seed: int) -> torch.Tensor:
    model = RewardModel(tiny_model())
    model.initialise_head(torch.Generator().manual_seed(seed))
    return model.head.weight.detach()


def test_padding_and_neighbours_change_no_reward() -> None:
    model = _model()
    pairs = PairSet.collect(formats(), [preference(number) for number in range(4)], 64)
    with torch.no_grad():
        together = pairs.batch(range(4), (64,))
        whole = model(together.tokens_ST, together.last_S).view(2, 4)
        for pair in range(4):
            alone = pairs.batch([pair], (32,))
            torch.testing.assert_close(model(alone.tokens_ST, alone.last_S), whole[:, pair])


def test_the_reward_is_read_at_the_end_token() -> None:
    model = _model()
    batch = PairSet.collect(formats(), [preference(0)], 64).batch([0], (32,))
    ends = batch.tokens_ST[torch.arange(2), batch.last_S]
    assert ends.tolist() == [formats().phase_tokens.end[0]] * 2
    with torch.no_grad():
        changed = batch.tokens_ST.clone()
        changed[torch.arange(2), batch.last_S] = 5
        assert not torch.allclose(
            model(changed, batch.last_S), model(batch.tokens_ST, batch.last_S), atol=1e-4
        )


def test_nothing_drops_out_while_it_is_trained() -> None:
    model = _model().train()
    batch = PairSet.collect(formats(), [preference(0)], 64).batch([0], (32,))
    assert torch.equal(model(batch.tokens_ST, batch.last_S), model(batch.tokens_ST, batch.last_S))


def test_the_standard_takes_off_the_line_through_lengths() -> None:
    lengths = torch.tensor([1.0, 2.0, 3.0, 4.0])
    standard = fit_standard(2 * lengths + torch.tensor([1.0, -1.0, -1.0, 1.0]), lengths)
    assert standard.length_slope == pytest.approx(2.0)
    assert (standard.length_mean, standard.length_max) == (2.5, 4.0)
    found = standard.standardised(2 * lengths + torch.tensor([1.0, -1.0, -1.0, 1.0]), lengths)
    assert float(found.mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(found.std()) == pytest.approx(1.0)


def test_beyond_the_longest_reply_seen_the_line_is_flat() -> None:
    raw = torch.zeros(2)
    found = STANDARD.without_length(raw, torch.tensor([50.0, 5000.0]))
    assert found[0] == found[1] == pytest.approx(-0.25 * 47)


def test_a_sample_that_says_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="same reward"):
        fit_standard(torch.zeros(5), torch.arange(5.0))
    with pytest.raises(DataError, match="too small"):
        fit_standard(torch.zeros(1), torch.ones(1))


def test_a_saved_model_scores_as_before_and_opens_as_a_model_folder(tmp_path: Path) -> None:
    model = _model()
    model.standard = STANDARD
    asked = [_conversation(), _conversation("down and down"), _conversation("x" * 60)]
    before = RewardScorer(model, formats(), "honest").score(asked)
    save_reward_model(model, formats().tokenizer, tmp_path / "model", "honest", {})
    scorer = load_reward_model(tmp_path / "model")
    assert scorer.dimension == "honest"
    assert scorer.standard == STANDARD
    torch.testing.assert_close(scorer.score(asked), before, atol=0, rtol=0)
    assert load_model(tmp_path / "model").config == SHAPE


def test_a_score_is_standardised_and_what_was_thought_is_not_judged() -> None:
    model = _model()
    model.standard = STANDARD
    scorer = RewardScorer(model, formats(), "helpful")
    ids = torch.tensor([formats().render(_conversation(), opening=None).ids])
    with torch.no_grad():
        raw = float(model(ids, torch.tensor([ids.shape[1] - 1])))
    length = len(formats().tokenizer.encode("left 1")) + 1
    expected = (raw - 0.25 * (length - 3.0) - 0.5) / 2.0
    assert scorer.score([_conversation()]).tolist() == pytest.approx([expected], abs=1e-6)
    assert torch.equal(scorer.score([_conversation(thought="secret")]), scorer.score([_conversation()]))


def test_scores_keep_their_order_whatever_the_lengths() -> None:
    scorer = RewardScorer(_model(), formats(), "helpful")
    asked = [_conversation("a" * 40), _conversation("b"), _conversation("c" * 20)]
    together = scorer.score(asked)
    alone = torch.cat([scorer.score([each]) for each in asked])
    torch.testing.assert_close(together, alone)


def test_what_cannot_be_scored_is_named() -> None:
    scorer = RewardScorer(_model(), formats(), "helpful")
    with pytest.raises(ValueError, match="conversation 1 does not end in a message of the assistant's"):
        scorer.score([_conversation(), Conversation(turns=(text_turn("user", "Hi"),))])
    thought = Turn(role="assistant", content=(ThinkingBlock(thinking="hm"),))
    with pytest.raises(ValueError, match="conversation 0 ends in a message that says nothing"):
        scorer.score([Conversation(turns=(text_turn("user", "Hi"), thought))])
    with pytest.raises(ValueError, match="more than the window of 128"):
        scorer.score([_conversation("long " * 200)])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dimension": "funny"}, "dimension 'funny' is not one of"),
        ({"format_version": 9}, "format version 9"),
        ({"statistics": {"mean": 1}}, "length_slope"),
    ],
)
def test_a_damaged_folder_is_refused_by_name(change: dict[str, object], reason: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_reward_model(_model(), formats().tokenizer, folder, "helpful", {})
    facts = json.loads((folder / "reward.json").read_text())
    (folder / "reward.json").write_text(json.dumps(facts | change))
    with pytest.raises(DataError, match=reason):
        load_reward_model(folder)


def test_a_folder_without_a_head_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_reward_model(_model(), formats().tokenizer, folder, "helpful", {})
    (folder / "reward_head.safetensors").unlink()
    with pytest.raises(DataError, match=r"reward_head\.safetensors: no head of this model"):
        load_reward_model(folder)
