"""The job: it resumes to the same weights, keeps watch, and stops where it would learn what is wrong."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from caesura.constitution.prompts import Prompt
from caesura.evals.safety.prompts import SafetyPrompt
from caesura.evals.tasks import FAMILIES
from caesura.messages.content import Conversation, text_turn
from caesura.messages.errors import DataError
from caesura.model import Transformer, load_model
from caesura.rl.curriculum import CurriculumConfig
from caesura.rl.grpo import NotFiniteError, UpdateConfig
from caesura.rl.guard import GuardConfig
from caesura.rl.losses import DR_GRPO
from caesura.rl.policy import AgreementError, ScoringConfig
from caesura.rl.reinforcement import ReinforcementStage, Run
from caesura.rl.rewards import RewardConfig
from caesura.rl.run_record import cosine
from caesura.rl.watch import WatchConfig
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.train.data import Row
from caesura.train.encoding import Encoded, encode_row
from caesura.train.job import Place
from caesura.train.optimisers import OptimiserConfig
from caesura.train.packing import PackingConfig
from caesura.train.recipe import Recipe, override
from caesura.train.stage import export
from tests.rl.conftest import LIMITS, tiny_policy

# Families with short reasoning, so that no reply is long.
SHORT = {name: float(name in ("dates", "addition")) for name in FAMILIES}


def quiet(num_done: int, num_total: int, note: str) -> None:
    return None


def stage(start: Path, **changes: Any) -> ReinforcementStage:
    # A fresh model solves nothing, so what is learnt from is what the length costs and what is shown.
    scoring = ScoringConfig(row_tokens=(128, 512, 2048), batch_tokens=1024, is_bfloat16=False)
    made = ReinforcementStage(
        name="reasoning",
        start_from=str(start),
        num_steps=3,
        optimiser=OptimiserConfig(name="adamw", learning_rate=1e-2, weight_decay=0.0, warmup_steps=1),
        curriculum=CurriculumConfig(
            num_groups=4, num_siblings=2, num_tried=1, most_budget=24, spare_budget=0, weights=SHORT
        ),
        rollouts=LIMITS,
        reward=RewardConfig(),
        update=UpdateConfig(loss=replace(DR_GRPO, drops_even_groups=False), scoring=scoring, num_compared=4),
        watch=WatchConfig(gold_every=2, gold_problems=1, gold_budget=8, max_alarms=100),
        shown_weight=1.0,
        checkpoint_every_s=0.0,
    )
    return replace(made, **changes)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    folder = tmp_path_factory.mktemp("start") / "model"
    export(tiny_policy(), tokenizer, folder, {"trained_tokens": 512})
    return folder


def place(runs: Path, start: Path) -> Place:
    return Place(runs=runs, data=runs, tokenizer=start)


def rows(runs: Path) -> list[dict[str, Any]]:
    path = runs / "reasoning" / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def weights(policy: Transformer) -> list[torch.Tensor]:
    return [each.detach() for each in policy.parameters()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Requests of one's own."""

    num_harmless: int = 2

    def __call__(self, data: Path) -> Iterator[Prompt]:
        for number in range(2 + self.num_harmless):
            yield SafetyPrompt(
                text=f"Do {number}!",
                is_harmful=number < 2,
                category="illegal_acts" if number < 2 else "none",
                source="",
                licence="",
            )


def never(reply: str) -> bool:
    return False


def kept(chat_format: CaesuraFormat, data: Path, runs: Path) -> Iterator[Encoded]:
    """One conversation, twenty times."""
    turns = (text_turn("user", "hi"), text_turn("assistant", "hello"))
    row = Row(conversation=Conversation(turns=turns), mode="fast", source="", licence="")
    yield from (encode_row(chat_format, row) for _ in range(20))


TIMES = {"sampling_s", "learning_s", "elapsed_s"}


def test_an_interrupted_run_ends_like_one_that_was_not(start: Path, tmp_path: Path) -> None:
    guard = GuardConfig(prompts=Asked(), is_refusal=never, num_each=2)
    packing = PackingConfig(batch_tokens=64, row_tokens=(32,))
    job = stage(start, anchors=kept, anchor_packing=packing, guard=guard)
    whole = job.run(place(tmp_path / "whole", start), quiet)

    def stop(num_done: int, num_total: int, note: str) -> None:
        if num_done == 2:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        job.run(place(tmp_path / "cut", start), stop)
    resumed = job.run(place(tmp_path / "cut", start), quiet)
    pairs = zip(rows(tmp_path / "whole"), rows(tmp_path / "cut"), strict=True)
    for ours, theirs in pairs:
        assert {k: v for k, v in ours.items() if k not in TIMES} == {
            k: v for k, v in theirs.items() if k not in TIMES
        }
    for ours, theirs in zip(weights(load_model(whole)), weights(load_model(resumed)), strict=True):
        assert torch.equal(ours, theirs)


def test_a_run_moves_the_weights_and_tells_what_it_did(start: Path, tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []

    def listen(num_done: int, num_total: int, note: str) -> None:
        said.append((num_done, num_total))
        assert "held out" in note

    job = stage(start, watch=replace(stage(start).watch, patience=50))
    folder = job.run(place(tmp_path, start), listen)
    assert said == [(1, 3), (2, 3), (3, 3)]
    row = rows(tmp_path)[-1]
    assert row["gap"] < 1e-3
    assert row["judged"] == 3 * 8
    assert row["disputed"] == row["bad_updates"] == 0
    assert {"reward", "solved", "thinking_tokens", "entropy", "kl", "clip_share", "group_std"} <= row.keys()
    assert json.loads((folder / "caesura.json").read_text(encoding="utf-8"))["trained_tokens"] == 512
    run = Run(job, place(tmp_path, start))
    run.restore()
    first = weights(load_model(start))
    assert any(not torch.equal(a, b) for a, b in zip(first, weights(run.policy), strict=True))


def test_a_run_that_is_done_does_nothing_more(start: Path, tmp_path: Path) -> None:
    folder = stage(start).run(place(tmp_path, start), quiet)
    written = (folder / "model.safetensors").stat().st_mtime_ns
    num_rows = len(rows(tmp_path))
    assert stage(start).run(place(tmp_path, start), quiet) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert len(rows(tmp_path)) == num_rows


def test_other_settings_are_refused_by_name(start: Path, tmp_path: Path) -> None:
    stage(start, num_steps=1).run(place(tmp_path, start), quiet)
    with pytest.raises(ValueError, match=r"reward\.length_cost"):
        stage(start, num_steps=1, reward=RewardConfig(length_cost=0.3)).run(place(tmp_path, start), quiet)


def test_a_field_can_be_overridden_by_name(start: Path) -> None:
    recipe = Recipe(name="r", tokenizer_texts=None, vocab_size=0, stages=(stage(start),), max_positions=0)
    changed = override(recipe, ["update.loss.clip_high=0.28", "curriculum.num_groups=7"]).stages[0]
    assert isinstance(changed, ReinforcementStage)
    assert (changed.update.loss.clip_high, changed.curriculum.num_groups) == (0.28, 7)


def test_updates_that_are_no_numbers_are_left_out_and_the_third_ends_the_run(
    start: Path, tmp_path: Path
) -> None:
    job = stage(start, num_steps=9, shown_weight=float("inf"))
    run = Run(job, place(tmp_path, start))
    before = [each.clone() for each in weights(run.policy)]
    (tmp_path / "reasoning").mkdir()
    run.step()
    run.step()
    with pytest.raises(NotFiniteError, match="3 updates were no numbers"):
        run.step()
    assert [row["bad_updates"] for row in rows(tmp_path)] == [1, 2]
    assert all(torch.equal(a, b) for a, b in zip(before, weights(run.policy), strict=True))


def test_a_trainer_that_differs_from_the_engine_stops_the_run(start: Path, tmp_path: Path) -> None:
    config = stage(start).update
    job = stage(start, update=replace(config, max_gap=1e-12))
    with pytest.raises(AgreementError, match="the run stops"):
        job.run(place(tmp_path, start), quiet)


def test_the_rate_warms_up_and_falls_along_a_cosine_to_zero() -> None:
    factors = [cosine(step, 12, 2) for step in (0, 1, 2, 7, 12)]
    assert factors == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.0])


def test_rows_beside_the_problems_are_learnt_as_before(start: Path, tmp_path: Path) -> None:
    packing = PackingConfig(batch_tokens=64, row_tokens=(32,))
    job = stage(start, num_steps=4, anchors=kept, anchor_packing=packing, shown_weight=0.0)
    job.run(place(tmp_path, start), quiet)
    losses = [row["anchor_loss"] for row in rows(tmp_path)]
    assert losses[-1] < losses[0] - 0.5, losses


def test_what_is_guarded_is_measured_beside_the_problems(start: Path, tmp_path: Path) -> None:
    guard = GuardConfig(prompts=Asked(), is_refusal=never, num_each=2)
    stage(start, guard=guard).run(place(tmp_path, start), quiet)
    assert {row["gold_kept"] for row in rows(tmp_path)} == {0.5}, "half of them were to be declined"


def test_a_guard_without_enough_prompts_says_so(start: Path, tmp_path: Path) -> None:
    guard = GuardConfig(prompts=Asked(num_harmless=1), is_refusal=never, num_each=2)
    with pytest.raises(DataError, match="needs 2 prompts of each side, and found 3"):
        stage(start, guard=guard).run(place(tmp_path, start), quiet)


class ForgetsAtOnce:
    """Finds what should be declined declined at the first measurement of two harmful prompts, never after."""

    def __init__(self) -> None:
        self.num_asked = 0

    def __call__(self, reply: str) -> bool:
        self.num_asked += 1
        return self.num_asked <= 2


def test_weights_that_forget_what_to_decline_end_the_run_and_are_not_its_model(
    start: Path, tmp_path: Path
) -> None:
    guard = GuardConfig(prompts=Asked(), is_refusal=ForgetsAtOnce(), num_each=2)
    watch = replace(stage(start).watch, gold_every=1, patience=50, max_gold_drop=1.0)
    run = Run(stage(start, num_steps=10, guard=guard, watch=watch), place(tmp_path, start))
    (tmp_path / "reasoning").mkdir(parents=True)
    run.restore()
    while not run.is_over:
        run.step()
    assert run.num_done == 2, "it was measured before the first step and before the second"
    for ours, theirs in zip(weights(load_model(start)), weights(load_model(run.export())), strict=True):
        assert torch.equal(ours.to(theirs.dtype), theirs)


def test_a_run_that_was_killed_while_its_best_weights_were_put_in_place_goes_on(
    start: Path, tmp_path: Path
) -> None:
    def stop(num_done: int, num_total: int, note: str) -> None:
        if num_done == 2:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        stage(start).run(place(tmp_path, start), stop)
    folder = tmp_path / "reasoning"
    (folder / "best").rename(folder / "best.part")
    Run(stage(start), place(tmp_path, start)).restore()
    assert (folder / "best" / "model.safetensors").is_file()
    assert not (folder / "best.part").exists()
