"""Rollouts: what was drawn, from what, under which budget, with which weights."""

from __future__ import annotations

import pytest
import torch

from caesura.engine.phases import ANSWER_RESERVE
from caesura.messages.content import Conversation, text_turn
from caesura.model import PackedAttention, Transformer
from caesura.rl.policy import AgreementError, ScoringConfig, check_agreement, largest_gap, pack, scorer
from caesura.rl.rollouts import Ask, Mode, Rollout, RolloutEngine, RolloutError
from caesura.tokens import CaesuraFormat, Tokenizer

SCORING = ScoringConfig(row_tokens=(128, 256, 1024), batch_tokens=512, is_bfloat16=False)
MODES: tuple[tuple[Mode, int], ...] = (("disabled", 0), ("enabled", 5), ("enabled", 40), ("adaptive", 12))


def asks(*, num_siblings: int = 3, temperature: float = 1.0, tag: str = "") -> list[Ask]:
    return [
        Ask(
            id=f"{tag}{mode}/{budget}/{number}",
            conversation=Conversation(turns=(text_turn("user", f"Add 3 and {budget}, then sort 5, 1, 2."),)),
            mode=mode,
            budget=budget,
            seed=100 * budget + number,
            temperature=temperature,
        )
        for mode, budget in MODES
        for number in range(num_siblings)
    ]


def gap(policy: Transformer, engine: RolloutEngine, rollouts: list[Rollout]) -> float:
    score = scorer(engine.table, SCORING, in_float32=True)
    return largest_gap(policy, score, list(pack(rollouts, engine.table, SCORING)))


def test_trainer_and_engine_agree_on_every_sampled_token(engine: RolloutEngine, policy: Transformer) -> None:
    engine.sync(policy)
    rollouts = engine.sample(asks())
    assert gap(policy, engine, rollouts) < 1e-4


def test_one_corrupted_weight_is_noticed(engine: RolloutEngine, policy: Transformer) -> None:
    engine.sync(policy)
    rollouts = engine.sample(asks())
    with torch.no_grad():
        policy.layers[1].get_parameter("mlp.down_proj.weight")[3, 5] += 5.0
    with pytest.raises(AgreementError, match="trainer and engine differ by"):
        check_agreement(gap(policy, engine, rollouts), 1e-3)


def test_a_gap_that_is_no_number_stops_the_run_as_well() -> None:
    check_agreement(1e-3, 1e-3)
    with pytest.raises(AgreementError, match="differ by nan"):
        check_agreement(float("nan"), 1e-3)


def test_log_probabilities_are_of_the_distribution_that_was_drawn_from(
    engine: RolloutEngine, policy: Transformer
) -> None:
    engine.sync(policy)
    rollouts = engine.sample(asks())
    for rollout in rollouts:
        ids = torch.tensor([rollout.ids])
        with torch.inference_mode():
            hidden = policy(ids, torch.arange(ids.shape[1])[None], PackedAttention())
            logits = policy.logits(hidden)[0].float()
        for offset, (token, is_sampled) in enumerate(zip(rollout.reply, rollout.is_sampled, strict=True)):
            if not is_sampled:
                assert rollout.log_probs[offset] == 0
                continue
            row = engine.table.rows([rollout.masks[offset]])
            scores = logits[rollout.prompt_length + offset - 1] + engine.table.penalties_PV[row][0]
            expected = float(scores.log_softmax(-1)[token])
            assert rollout.log_probs[offset] == pytest.approx(expected, abs=1e-4)


def test_after_a_sync_nothing_is_read_that_older_weights_computed(
    engine: RolloutEngine, policy: Transformer, tokenizer: Tokenizer
) -> None:
    engine.sync(policy)
    before = engine.sample(asks())
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(1.1)
    engine.sync(policy)
    after = engine.sample(asks())
    assert [each.ids for each in before] != [each.ids for each in after]
    assert gap(policy, engine, after) < 1e-4


def test_budgets_are_separate_and_forced_tokens_are_not_learnt(
    engine: RolloutEngine, policy: Transformer, tokenizer: Tokenizer
) -> None:
    engine.sync(policy)
    rollouts = engine.sample(asks(num_siblings=6))
    tokens = CaesuraFormat(tokenizer).phase_tokens
    num_closing = len(tokens.closing)
    assert {each.mode for each in rollouts} == {"disabled", "enabled", "adaptive"}
    assert any(each.is_cut for each in rollouts)
    for each in rollouts:
        forced = [token for token, ok in zip(each.reply, each.is_sampled, strict=True) if not ok]
        assert forced == ([*tokens.closing, tokens.end_think] if each.is_cut else [])
        assert each.thinking_tokens <= each.budget + num_closing
        is_answered = [name in ("start", "answer") for name in each.masks]
        # A model that chose to answer at once may also use what a thought would have taken.
        assert sum(is_answered) <= ANSWER_RESERVE or not each.has_thought
        assert each.finish in ("end", "max_tokens")
        # However long it thought, a reply that was cut off had its whole reserve for the answer.
        if each.finish == "max_tokens" and each.is_cut:
            assert sum(is_answered) == ANSWER_RESERVE


def test_siblings_share_their_prompt_and_differ(engine: RolloutEngine, policy: Transformer) -> None:
    engine.sync(policy)
    rollouts = engine.sample([each for each in asks(num_siblings=8) if each.mode == "disabled"])
    assert len({each.ids[: each.prompt_length] for each in rollouts}) == 1
    assert len({each.reply for each in rollouts}) > 1


def test_the_same_seeds_give_the_same_rollouts_to_the_last_bit(
    engine: RolloutEngine, policy: Transformer
) -> None:
    engine.sync(policy)
    first = engine.sample(asks())
    engine.sync(policy)
    assert engine.sample(asks()) == first


def test_a_choice_that_is_tried_is_learnt_with_the_models_own_likelihood(
    engine: RolloutEngine, policy: Transformer, tokenizer: Tokenizer
) -> None:
    engine.sync(policy)
    free = next(each for each in asks() if each.mode == "adaptive")
    tried = [
        Ask(
            id=opening,
            conversation=free.conversation,
            mode="adaptive",
            budget=12,
            seed=1,
            opening=opening,
        )
        for opening in ("think", "answer")
    ]
    think, answer, drawn = engine.sample([*tried, free])
    tokens = CaesuraFormat(tokenizer).phase_tokens
    assert (think.reply[0], answer.reply[0]) == (tokens.think, tokens.end_think)
    assert (think.has_thought, answer.has_thought) == (True, False)
    assert [each.is_tried for each in (think, answer, drawn)] == [True, True, False]
    assert drawn.ids[: drawn.prompt_length] == think.ids[: think.prompt_length]
    probabilities = torch.tensor([think.log_probs[0], answer.log_probs[0]]).exp()
    assert float(probabilities.sum()) == pytest.approx(1.0, abs=1e-5)
    assert think.masks[0] == answer.masks[0] == "choose"
    assert gap(policy, engine, [think, answer]) < 1e-4


def test_weights_that_are_no_numbers_give_an_error_and_no_rollout(
    engine: RolloutEngine, policy: Transformer
) -> None:
    with torch.no_grad():
        policy.norm.weight.fill_(float("nan"))
    engine.sync(policy)
    with pytest.raises(RolloutError, match="no numbers"):
        engine.sample(asks())


def test_a_rollout_longer_than_the_longest_row_is_refused_by_name(
    engine: RolloutEngine, policy: Transformer
) -> None:
    engine.sync(policy)
    rollouts = engine.sample(asks(num_siblings=1))
    with pytest.raises(ValueError, match="longer than the longest row, 16"):
        list(pack(rollouts, engine.table, ScoringConfig(row_tokens=(8, 16))))
