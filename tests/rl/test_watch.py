"""Alarms and reasons to stop, and what a checkpoint remembers of them."""

from __future__ import annotations

from caesura.evals.tasks import FAMILIES
from caesura.rl.curriculum import CurriculumConfig
from caesura.rl.learner import Learner
from caesura.rl.watch import Gold, Vitals, WatchConfig, alarms, gold_problems, has_strayed, reason_to_stop
from tests.rl.conftest import tiny_policy

CONFIG = WatchConfig(patience=3, max_gold_drop=0.05)
FIRST = Vitals(entropy=0.1, length=50.0, repetitive=0.0)


def learner() -> Learner:
    return Learner(tiny_policy(), CurriculumConfig())


def test_a_run_in_good_health_rings_no_alarm() -> None:
    assert alarms(FIRST, FIRST, CONFIG) == []


def test_each_sign_of_decay_rings_its_own_alarm() -> None:
    signs = {
        "below": Vitals(1e-6, 50.0, 0.0),
        "times the first": Vitals(0.7, 50.0, 0.0),
        "thoughts of 200": Vitals(0.1, 200.0, 0.0),
        "repeat themselves": Vitals(0.1, 50.0, 0.5),
    }
    for words, now in signs.items():
        (alarm,) = alarms(now, FIRST, CONFIG)
        assert words in alarm


def test_a_run_ends_when_the_held_out_accuracy_falls_or_stands_still() -> None:
    assert reason_to_stop([], CONFIG) is None
    assert reason_to_stop([0.5, 0.6, 0.58, 0.59], CONFIG) is None
    assert "fell from 60.0% to 54.0%" in (reason_to_stop([0.5, 0.6, 0.54], CONFIG) or "")
    assert "for 3 measurements" in (reason_to_stop([0.6, 0.6, 0.59, 0.6], CONFIG) or "")


def test_gold_problems_are_held_out_and_of_every_family_and_difficulty() -> None:
    problems = gold_problems(WatchConfig(gold_problems=2))
    assert len(problems) == 2 * 5 * len(FAMILIES)
    assert all(each.is_held_out for each in problems)


def test_the_best_measurement_is_remembered_and_one_made_again_replaces_itself() -> None:
    state = learner()
    assert state.note_gold(0, Gold(0.5, 10.0))
    assert state.note_gold(5, Gold(0.7, 10.0))
    assert not state.note_gold(10, Gold(0.6, 10.0))
    assert not state.note_gold(10, Gold(0.65, 10.0))
    assert (state.gold_accuracies, state.best_step, state.last_gold) == ([0.5, 0.7, 0.65], 5, 0.65)


def test_a_step_without_alarm_ends_their_row_and_a_checkpoint_keeps_the_counts() -> None:
    state = learner()
    for found in (["a"], ["a", "b"], [], ["a"]):
        state.note_alarms(found)
    state.note_audit(1, 100)
    state.note_bad_step()
    assert state.first_vitals(FIRST) == FIRST
    again = learner()
    again.load_state_dict(state.state_dict())
    assert (again.alarms_in_row, again.audit, again.note_bad_step()) == (1, (1, 100), 2)
    assert again.first_vitals(Vitals(9.0, 9.0, 9.0)) == FIRST


def test_a_policy_that_forgets_what_to_decline_has_strayed() -> None:
    assert has_strayed([], 0.05) is None
    assert has_strayed([Gold(0.5, 10.0, 0.9), Gold(0.6, 10.0, 0.86)], 0.05) is None
    assert "from 90.0% to 80.0%" in (has_strayed([Gold(0.5, 10.0, 0.9), Gold(0.6, 10.0, 0.8)], 0.05) or "")
    assert has_strayed([Gold(0.5, 10.0, 108 / 120), Gold(0.6, 10.0, 102 / 120)], 0.05) is None, "exactly"
    assert has_strayed([Gold(0.5, 10.0), Gold(0.6, 10.0)], 0.0) is None, "without a guard all is kept"


def test_weights_that_strayed_are_never_the_best() -> None:
    state = Learner(tiny_policy(), CurriculumConfig(), max_drop=0.05)
    assert state.note_gold(0, Gold(0.5, 10.0, 0.9))
    assert not state.note_gold(5, Gold(0.9, 10.0, 0.8))
    assert state.best_step == 0
    assert state.note_gold(10, Gold(0.6, 10.0, 0.86))
    assert state.best_step == 10
