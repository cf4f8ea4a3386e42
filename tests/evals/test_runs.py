"""Whole runs through inspect-ai, with a Client whose answers are known."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from caesura.evals.attempts import Condition, at_budget, pose, prompts_digest
from caesura.evals.results import Provenance, obedience_results, padding_results, reasoning_results
from caesura.evals.runs import RunConfig, run
from caesura.evals.tasks import FAMILIES, MAX_DIFFICULTY
from caesura.messages.content import ThinkingBlock, text_of
from caesura.messages.errors import CaesuraError
from caesura.messages.scripted import ScriptedClient
from tests.evals.conftest import CLOSING, SmallRun

# inspect-ai leaves a stream open in every run.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")


def test_problems_cover_families_seeds_and_difficulties_evenly() -> None:
    problems = pose(range(3), 10)
    assert len(problems) == 3 * 10 * len(FAMILIES)
    assert len({each.id for each in problems}) == len(problems)
    difficulties = [each.difficulty for each in problems if each.family == "chain" and each.seed == 1]
    assert sorted(difficulties) == sorted([*range(1, MAX_DIFFICULTY + 1)] * 2)


def test_the_digest_tells_whether_the_same_was_asked() -> None:
    assert prompts_digest(pose([0], 2)) == prompts_digest(pose([0], 2))
    assert prompts_digest(pose([0], 2)) != prompts_digest(pose([1], 2))


def test_every_problem_is_attempted_once_under_every_condition_in_order(small_run: SmallRun) -> None:
    problems = [(each.family, each.seed, each.index) for each in small_run.problems]
    asked = [(each.family, each.seed, each.index) for each in small_run.reasoning]
    assert asked == problems * 3
    assert [each.budget for each in small_run.reasoning] == [
        budget for budget in (0, 16, 64) for _ in problems
    ]
    assert small_run.num_replies == len(problems) * (3 + 2 + 3)


def test_answers_are_graded_and_budgets_kept(small_run: SmallRun) -> None:
    for attempt in small_run.reasoning:
        assert attempt.is_correct is (attempt.budget == 64)
        assert attempt.thinking_tokens == attempt.streamed_thinking_tokens == attempt.budget
        assert attempt.has_thought is (attempt.budget > 0)
        assert attempt.has_answer
        assert attempt.stop_reason == "end_turn"


def test_decoding_is_greedy_unless_it_is_asked_for(small_run: SmallRun, tmp_path: Path) -> None:
    assert {request.sampling.temperature for request in small_run.client.history} == {0.0}
    client = ScriptedClient(otherwise="The answer is 4.")
    config = RunConfig(model="scripted", log_folder=tmp_path, temperature=1.0)
    run(client, pose([0], 1, ["chain"]), [at_budget(16)], config)
    gc.collect()
    assert client.history[0].sampling.temperature == 1.0


def test_the_curve_follows_the_attempts(small_run: SmallRun, provenance: Provenance) -> None:
    results = reasoning_results(small_run.reasoning, provenance)
    assert {budget: each.mean for budget, each in results.accuracy.items()} == {0: 0.0, 16: 0.0, 64: 1.0}
    assert results.by_seed == {seed: {0: 0.0, 16: 0.0, 64: 1.0} for seed in (0, 1)}
    assert (results.gain.mean, results.is_non_decreasing, results.largest_drop) == (1.0, True, 0.0)
    assert list(results.families) == list(FAMILIES)
    chain = results.families["chain"]
    assert (chain.accuracy[64].n, chain.thinking_tokens[16], chain.chance) == (
        2,
        16.0,
        FAMILIES["chain"].chance,
    )


def test_padding_puts_filler_where_the_thought_would_be(small_run: SmallRun, provenance: Provenance) -> None:
    padded = [each for each in small_run.client.history if each.conversation.is_prefilled]
    assert len(padded) == len(small_run.problems)
    for request in padded:
        assert request.thinking.mode == "disabled"
        (block,) = request.conversation.turns[-1].content
        assert isinstance(block, ThinkingBlock)
        assert block.thinking == " ." * 16 + CLOSING
        assert text_of(request.conversation.turns[-1].content) == ""
    results = padding_results(small_run.padding, provenance)
    assert list(results.accuracy) == [0, 16]
    assert results.gain.mean == 0.0


def test_obedience_is_counted_over_all_modes(small_run: SmallRun, provenance: Provenance) -> None:
    results = obedience_results(small_run.obedience, provenance, closing_tokens=0)
    assert results.modes.mean == results.budget_kept.mean == results.count_exact.mean == 1.0
    assert results.disabled.n == results.enabled.n == len(small_run.problems)
    # It thinks whenever it may, so it is wrong about the one family that needs no thinking.
    assert results.chose_to_think["addition"].mean == 1.0
    assert results.chose_rightly.mean == pytest.approx(12 / 13)


def test_logs_are_written_where_they_were_asked_for(small_run: SmallRun) -> None:
    names = sorted(path.name for path in small_run.log_folder.glob("*.eval"))
    assert len(names) == 3 + 2 + 3
    assert sum("_enabled-16_" in name for name in names) == 1


def test_a_request_that_fails_for_good_ends_the_run(tmp_path: Path) -> None:
    client = ScriptedClient(otherwise=None)
    config = RunConfig(model="scripted", log_folder=tmp_path)
    with pytest.raises(CaesuraError, match=r"disabled did not finish: .*no further reply"):
        run(client, pose([0], 1, ["chain"]), [at_budget(0)], config)
    gc.collect()


def test_a_conditions_label_names_its_budget() -> None:
    assert [at_budget(0).label, at_budget(16).label] == ["disabled", "enabled-16"]
    assert [Condition("padding", 8).label, Condition("adaptive", 0).label] == ["padding-8", "adaptive"]


def test_the_room_needs_no_torch() -> None:
    modules = ", ".join(f"caesura.evals.{name}" for name in ("model_card", "plots", "runs", "targets"))
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
