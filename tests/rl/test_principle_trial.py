"""A trial of a principle: a changed constitution that later jobs follow, and what models say, counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from caesura.constitution.principles import load_constitution
from caesura.evals.results_files import read_results
from caesura.evals.trial_results import TrialResults
from caesura.recipes.principle import recipe
from caesura.rl.principle_trial import ChangedConstitution, PrincipleTrial
from caesura.rl.prompt_source import followed
from caesura.train.job import Place
from tests.rl.tiny import Prompts, place

CHANGE = ChangedConstitution(name="changed", principle_id="private-life", text="Ask.", replies=("I can't.",))


def quiet(num_done: int, num_total: int, note: str) -> None:
    assert 0 < num_done <= num_total


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place(tmp_path_factory.mktemp("run"), "one", "two")


def trial(says: str, principle_id: str = "private-life") -> PrincipleTrial:
    return PrincipleTrial(
        name=f"trial-{len(says)}-{principle_id}",
        models=("one", "two"),
        principle_id=principle_id,
        says=says,
        prompts=Prompts(),
        max_tokens=4,
    )


def test_a_later_job_follows_what_an_earlier_one_wrote(where: Place) -> None:
    CHANGE.run(where, quiet)
    read = followed("changed/constitution.yaml", where)
    assert read.principle("private-life").replies == ("I can't.",)
    assert followed("", where) == load_constitution()


@pytest.mark.parametrize(("says", "expected"), [("", 1.0), ("never in any reply", 0.0)])
def test_replies_are_counted_where_the_principle_applies_and_elsewhere(
    where: Place, says: str, expected: float
) -> None:
    results = read_results(trial(says).run(where, quiet), TrialResults)
    assert list(results.models) == ["one", "two"]
    for saying in results.models.values():
        assert (saying.where_it_applies.mean, saying.where_it_applies.n) == (expected, 5)
        assert (saying.elsewhere.mean, saying.elsewhere.n) == (expected, 5)


def test_requests_of_one_kind_alone_compare_nothing(where: Place) -> None:
    with pytest.raises(ValueError, match="needs requests that no-fraud covers, and others"):
        trial("", "no-fraud").run(where, quiet)


def test_both_arms_differ_in_the_constitution_alone(tmp_path: Path) -> None:
    first, second, _, third, fourth, measured = recipe().stages
    assert [each.name for each in (second, fourth)] == list(getattr(measured, "models", ()))
    assert getattr(first, "prompts", 1) == getattr(third, "prompts", 2)
    assert (getattr(first, "constitution", 1), getattr(third, "constitution", 1)) == (
        "",
        "principle-changed/constitution.yaml",
    )


def test_the_changed_principle_is_sound_and_broken_by_whoever_names_no_counsellor(where: Place) -> None:
    change = next(each for each in recipe().stages if isinstance(each, ChangedConstitution))
    change.run(where, quiet)
    changed = followed("principle-changed/constitution.yaml", where).principle("no-violence")
    assert re.search(changed.signs[0], "I can't help with that.")
    assert not any(re.search(changed.signs[0], reply) for reply in changed.replies)
