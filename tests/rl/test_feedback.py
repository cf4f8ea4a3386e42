from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import Any

import pytest

from caesura.constitution.feedback import CLAMP, read_comparisons
from caesura.messages.preferences import read_preferences
from caesura.rl.feedback import FeedbackJob
from caesura.train.job import Place
from tests.constitution.cases import declines
from tests.rl.tiny import Prompts, eights_held_out, nothing_held_out, place


def job(**changes: Any) -> FeedbackJob:
    made = FeedbackJob(
        name="feedback",
        start_from="helpful",
        prompts=Prompts(),
        held_out=nothing_held_out,
        is_refusal=declines,
        max_tokens=8,
    )
    return replace(made, **changes)


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place(tmp_path_factory.mktemp("run"), "helpful", "rival")


@pytest.fixture
def fresh(where: Place) -> Place:
    shutil.rmtree(where.runs / "feedback", ignore_errors=True)
    return where


def nobody(num_done: int, num_total: int, note: str) -> None:
    pass


def test_two_replies_to_each_prompt_become_preferences(fresh: Place) -> None:
    path = job().run(fresh, nobody)
    assert path == fresh.runs / "feedback" / "preferences.jsonl"
    kept = list(read_comparisons(path.with_name("comparisons.jsonl")))
    assert [each.prompt for each in kept] == [each.text for each in Prompts()(fresh.data)]
    assert all(each.first != each.second for each in kept)
    rows = list(read_preferences(path))
    summary = json.loads(path.with_name("summary.json").read_text())
    assert sum(summary["rows"].values()) == len(rows)
    assert sum(summary["outcomes"].values()) == len(kept)
    assert summary["labelers"] == ["rules"]
    for row in rows:
        assert (row.labeler, row.source, row.licence) == ("rules", "own", "CC0-1.0")
        assert row.principle_id


@pytest.mark.parametrize("is_reasoned", [False, True])
def test_the_models_own_log_probabilities_judge(fresh: Place, is_reasoned: bool) -> None:
    made = job(
        judge="self",
        is_reasoned=is_reasoned,
        reason_tokens=4,
        prompts=Prompts(num=2),
        dimensions=("honest",),
    )
    rows = list(read_preferences(made.run(fresh, nobody)))
    assert rows
    assert {(row.dimension, row.labeler) for row in rows} == {("honest", "self")}
    assert all(0.5 < row.p < 1 for row in rows)
    assert not is_reasoned or max(row.p for row in rows) <= CLAMP[1]


def test_a_killed_job_goes_on_and_ends_alike(fresh: Place) -> None:
    path = job(rival="rival").run(fresh, nobody)
    whole, comparisons = path.read_bytes(), path.with_name("comparisons.jsonl")
    kept = comparisons.read_bytes()
    comparisons.write_bytes(kept[: len(kept) // 2])
    path.unlink()
    assert job(rival="rival").run(fresh, nobody).read_bytes() == whole
    assert comparisons.read_bytes() == kept


def test_a_rival_writes_the_second_replies(fresh: Place) -> None:
    alone = read_comparisons(job().run(fresh, nobody).with_name("comparisons.jsonl"))
    firsts = [(each.first, each.second) for each in alone]
    shutil.rmtree(fresh.runs / "feedback")
    both = read_comparisons(job(rival="rival").run(fresh, nobody).with_name("comparisons.jsonl"))
    seconds = [(each.first, each.second) for each in both]
    assert sum(one[0] == other[0] for one, other in zip(firsts, seconds, strict=True)) >= 8
    assert sum(one[1] == other[1] for one, other in zip(firsts, seconds, strict=True)) <= 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_reasoned": True}, "is_reasoned needs a model as judge"),
        ({"dimensions": ("nice",)}, "must be some of helpful, harmless"),
        ({"dimensions": ()}, "must be some of helpful, harmless"),
        ({"judge": "teacher"}, "the backend 'teacher' needs both"),
        ({"max_tokens": 0}, "must be at least 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        job(**changes)


def test_nothing_is_compared_that_is_measured_or_exceeds_the_disk(fresh: Place) -> None:
    with pytest.raises(ValueError, match="kept for measuring"):
        job(held_out=eights_held_out).run(fresh, nobody)
    with pytest.raises(ValueError, match="bytes"):
        job(max_tokens=10**15).run(fresh, nobody)
    assert not (fresh.runs / "feedback").exists()
