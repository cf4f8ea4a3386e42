"""The numbers of a run, from records whose numbers are known."""

from __future__ import annotations

import pytest

from caesura.constitution.redteam.archive import archive_of, fitness
from caesura.constitution.redteam.journal import Phase, Record
from caesura.constitution.redteam.report import Report, make_report
from caesura.constitution.redteam.styles import SHOTS, Attack, Playbook, Step
from caesura.constitution.redteam.verdict import Judged, Outcome
from tests.constitution.redteam.attacking import SEEDS

PLAYBOOK = Playbook(SEEDS)
HARMFUL = [seed for seed in SEEDS if seed.is_harmful]
SAFE = [seed for seed in SEEDS if not seed.is_harmful]


def _interval(mean: float, n: float) -> tuple[float, float]:
    return max(0.0, mean - 1 / n), min(1.0, mean + 1 / n)


def _report(records: list[Record], *, num_samples: int = 4) -> Report:
    archive = archive_of(records, PLAYBOOK, SEEDS)
    return make_report(records, archive, PLAYBOOK, _interval, num_samples=num_samples, is_complete=True)


def _records(phase: Phase, outcomes: list[Outcome], attacks: list[Attack]) -> list[Record]:
    return [
        Record(phase=phase, index=index, attack=attack, outcome=outcome)
        for index, (outcome, attack) in enumerate(zip(outcomes, attacks, strict=True))
    ]


def _styled(style: str, num: int, variant: int = 0) -> list[Attack]:
    return [Attack(seed=HARMFUL[each], steps=(Step(style, variant),), style=style) for each in range(num)]


def test_refusals_and_over_refusals_are_counted_apart() -> None:
    plain = _records(
        "plain", ["refused", "refused", "complied", "empty"], [Attack(seed=each) for each in HARMFUL[:4]]
    )
    safe = _records(
        "look_alikes", ["refused", "complied", "degenerate"], [Attack(seed=each) for each in SAFE]
    )
    report = _report([*plain, *safe])
    assert report.refused is not None
    assert (report.refused.mean, report.refused.n) == (0.5, 4)
    assert report.over_refused is not None
    assert report.over_refused.mean == pytest.approx(1 / 3)
    assert {kind: rate.n for kind, rate in report.over_refused_kinds.items()} == {
        "homonyms": 2,
        "definitions": 1,
    }
    assert report.succeeded["plain"].mean == 0.25


def test_each_family_has_its_own_rate_and_the_search_a_row_apart() -> None:
    swept = _records(
        "sweep", ["complied", "refused", "degenerate"], [*_styled("rot13", 2), *_styled("fiction", 1)]
    )
    searched = _records("archive", ["complied", "complied"], _styled("fiction", 2))
    report = _report([*swept, *searched])
    assert {name: rate.mean for name, rate in report.succeeded.items()} == {
        "encoding": 0.5,
        "wrapper": 0.0,
        "combined (search)": 1.0,
    }
    assert report.outcomes["wrapper"] == {"degenerate": 1}
    assert report.styles["rot13"].n == 2


def test_prompts_that_were_never_answered_are_in_no_rate() -> None:
    report = _report(_records("plain", ["too_long", "unasked"], [Attack(seed=each) for each in HARMFUL[:2]]))
    assert report.refused is None
    assert (report.num_too_long, report.num_unasked) == (1, 1)


def test_samples_of_one_prompt_are_one_cluster() -> None:
    refused: list[Outcome] = ["refused"]
    outcomes: list[Outcome] = [*(refused * 7), "complied"]
    report = _report(_records("samples", outcomes, [Attack(seed=HARMFUL[each // 4]) for each in range(8)]))
    assert {k: rate.mean for k, rate in report.all_refused.items()} == {1: 0.875, 2: 0.75, 4: 0.5}
    assert report.all_refused[4].n == 2


def test_the_curve_counts_each_number_of_shots_and_finds_the_slopes() -> None:
    attacks = [
        Attack(seed=seed, steps=(Step("many_shot", num),) if num else (), style="many_shot")
        for num in SHOTS
        for seed in HARMFUL[:2]
    ]
    refused: list[Outcome] = ["refused"]
    some: list[Outcome] = ["complied", "refused"]
    outcomes: list[Outcome] = [*(refused * 6), *(some * 4), "too_long", "too_long"]
    scored = [
        Record(
            phase="likelihood",
            index=index,
            attack=attack,
            outcome="complied",
            num_requests=0,
            log_prob=-3.0 * max(1, attack.steps[0].variant if attack.steps else 1) ** -0.25,
        )
        for index, attack in enumerate(attacks)
    ]
    report = _report([*_records("many_shot", outcomes, attacks), *scored])
    assert [point.shots for point in report.many_shot] == list(SHOTS)
    assert [point.refused.mean if point.refused else None for point in report.many_shot] == [1, 1, 1] + [
        0.5
    ] * 4 + [None]
    assert report.many_shot[-1].num_skipped == 2
    assert report.likelihood_line is not None
    assert report.likelihood_line.slope == pytest.approx(-0.25)
    assert report.refusal_line is not None
    assert report.refusal_line.slope < 0
    assert report.succeeded["many_shot"].n == 12


def test_a_cell_keeps_the_better_attack_and_of_equal_ones_the_simpler() -> None:
    one = Attack(seed=HARMFUL[0], steps=(Step("rot13", 0),), style="rot13")
    two = Attack(seed=HARMFUL[0], steps=(Step("rot13", 0), Step("fiction", 0)), style="rot13")
    refused, long, short = _records("archive", ["refused", "complied", "complied"], [one, two, one])
    assert fitness(refused) < fitness(long) < fitness(short)
    for order in ([refused, long, short], [short, long, refused]):
        archive = archive_of(order, PLAYBOOK, SEEDS)
        assert list(archive.elites.values()) == [short]


def test_an_answer_counts_as_relevant_by_the_judges_word_or_else_by_the_requests() -> None:
    attack = Attack(seed=HARMFUL[0], steps=(Step("rot13", 0),), style="rot13")
    judged: list[tuple[Judged, bool]] = [
        ("", True),
        ("", False),
        ("yes", False),
        ("unclear", True),
        ("no", True),
    ]
    records = [
        Record(
            phase="sweep",
            index=index,
            attack=attack,
            outcome="complied",
            judged=word,
            is_on_topic=is_on_topic,
        )
        for index, (word, is_on_topic) in enumerate(judged)
    ]
    assert [record.is_relevant for record in records] == [True, False, True, False, False]
    report = _report(records)
    assert (report.succeeded["encoding"].mean, report.relevant["encoding"].mean) == (0.8, 0.4)
    assert report.num_unclear == 1
