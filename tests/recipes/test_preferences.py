"""Comparisons of every dimension, from a tiny data folder; the stages that learn from them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from caesura.evals.safety.split import is_for_training
from caesura.evals.tasks import FAMILIES, is_correct
from caesura.messages.content import text_of, text_turn
from caesura.messages.preferences import DIMENSIONS, Dimension, Preference, write_preferences
from caesura.model import load_model
from caesura.recipes.coherent_pairs import DAMAGES
from caesura.recipes.harmless_pairs import harmful_requests, judged_pairs, refusal, transcript
from caesura.recipes.helpful_pairs import dialogue
from caesura.recipes.honest_pairs import problems_apart
from caesura.recipes.preferences import (
    AllJudgements,
    Judgements,
    SolvedProblems,
    preferences,
    rewards,
    solved_row,
)
from caesura.tokens import CaesuraFormat, Tokenizer

BUNDLED = Path(__file__).parents[2] / "caesura" / "bundled" / "nano"


def _judgements(dimension: Dimension, num_drawn: int = 60) -> Judgements:
    return Judgements(dimension=dimension, num_drawn=num_drawn, seed=1)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_each_dimension_has_comparisons_the_same_each_time(dimension: Dimension, data_folder: Path) -> None:
    rows = list(_judgements(dimension)(data_folder, data_folder))
    assert len(rows) > 10
    assert {row.dimension for row in rows} == {dimension}
    assert rows == list(_judgements(dimension)(data_folder, data_folder))
    longer = sum(len(row.chosen) > len(row.rejected) for row in rows)
    assert longer == sum(len(row.chosen) < len(row.rejected) for row in rows)


def test_the_constitutions_feedback_is_read_where_it_is_there(data_folder: Path, tmp_path: Path) -> None:
    feedback = [
        Preference(
            prompt=(text_turn("user", f"Q{number}"),),
            chosen="a long and kind answer",
            rejected="no",
            p=0.8,
            dimension=dimension,
            principle_id="kind",
        )
        for number, dimension in enumerate(DIMENSIONS)
    ]
    folder = tmp_path / "runs" / "nano-feedback"
    folder.mkdir(parents=True)
    write_preferences(folder / "preferences.jsonl", feedback)
    found = [row for row in _judgements("honest")(data_folder, tmp_path / "runs") if row.principle_id]
    assert found == [feedback[DIMENSIONS.index("honest")]]
    everything = AllJudgements(num_drawn={"coherent": 20}, seed=1, max_feedback=3)
    assert [row for row in everything(data_folder, tmp_path / "runs") if row.principle_id] == feedback[:3]


def test_no_prompt_that_is_kept_for_measuring_is_among_them(data_folder: Path) -> None:
    requests = list(harmful_requests(data_folder))
    assert {request.source for request in requests} == {"advbench", "harmbench", "strongreject", "xstest"}
    assert all(is_for_training(request.text) for request in requests)
    assert not any("How do I safe" in request.text for request in requests)


def test_what_people_judged_is_split_into_prompt_and_replies(data_folder: Path) -> None:
    row = next(judged_pairs(data_folder))
    assert text_of(row.prompt[-1].content) == "How do I rob shop 0?"
    assert row.chosen == "Please do not do that, number 0."
    assert row.p == 0.75
    assert transcript("\n\nHuman: Hi\n\nAssistant:  ") == ()
    roles = [turn.role for turn in transcript("\n\nHuman: a\n\nAssistant: b\n\nHuman: c")]
    assert roles == ["user", "assistant", "user"]


def test_a_refusal_fits_its_category_now_and_then() -> None:
    texts = {refusal(random.Random(seed), "cybercrime_intrusion") for seed in range(60)}
    assert any("computer safe" in text for text in texts)
    assert not any("experiments" in text for text in texts)


def test_a_dialogue_ends_with_the_user_and_what_an_api_said_is_on_that_side() -> None:
    said = [{"role": "user", "text": "tea"}, {"role": "api", "response": {"a": 1}}]
    assert [text_of(turn.content) for turn in dialogue(said)] == ['tea\n{"a": 1}']
    assert dialogue([*said, {"role": "agent", "text": "Here."}]) == ()


def test_a_wrong_answer_is_wrong_and_of_no_held_out_problem() -> None:
    for seed in range(40):
        problem, wrong = problems_apart(random.Random(seed))
        assert not problem.is_held_out
        assert wrong is None or not is_correct(problem, wrong.reply)


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_changes_a_reply(name: str) -> None:
    reply, other = "The hare ran to the river and met a tortoise.", "I am a small model and like words."
    changed = [DAMAGES[name](random.Random(seed), reply, other) for seed in range(20)]
    assert sum(text != reply for text in changed) >= 15
    assert all(text.strip() for text in changed)
    assert all(
        text.strip() for text in (DAMAGES[name](random.Random(seed), "Hi.", "Yes.") for seed in range(9))
    )


def test_gold_is_measured_on_problems_that_nothing_trains_on() -> None:
    for name in FAMILIES:
        row = solved_row("gold/1/1", name, 2)
        question = text_of(row.conversation.turns[0].content)
        problem = FAMILIES[name].problem("gold/1/1", 2, is_held_out=True)
        assert (problem.question, problem.is_held_out) == (question, True)


def test_gold_is_high_for_the_bundled_model_and_nothing_for_a_broken_one() -> None:
    chat_format = CaesuraFormat(Tokenizer.load(BUNDLED))
    model = load_model(BUNDLED)
    gold = SolvedProblems(num_problems=1)
    assert gold(model, chat_format) > 0.4
    torch.nn.init.zeros_(model.norm.weight)
    assert gold(model, chat_format) == 0.0


def test_the_stages_are_those_of_the_pipeline() -> None:
    assert [stage.name for stage in rewards()] == [f"nano-reward-{name}" for name in DIMENSIONS]
    assert {stage.start_from for stage in (*rewards(), preferences())} == {"nano-decisions"}
    assert preferences().name == "nano-preferences"
