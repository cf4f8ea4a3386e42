"""What the card says of alignment: before and after, verdicts that follow the figures, nothing invented."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caesura.evals.alignment_card import AlignmentEvidence, Measured, alignment_sections
from caesura.evals.results import Provenance, ReasoningResults
from caesura.evals.safety.agreement import Agreement
from caesura.evals.safety.results import SafetyResults
from caesura.evals.statistics import share
from caesura.evals.trial_results import Saying, TrialResults


@pytest.fixture
def safety(provenance: Provenance) -> SafetyResults:
    declined = {"plain": share(99, 100), "templated": share(95, 100), "look-alikes": share(1, 20)}
    return SafetyResults(
        provenance=replace(provenance, command="caesura eval safety --model it"),
        declined={"at once": {**declined, "benign": share(2, 100)}},
        details={},
        num_skipped={},
        matcher=Agreement(num_equal=285, num_missed=12, num_false=3),
    )


def text(evidence: AlignmentEvidence) -> str:
    return "\n".join(line for section in alignment_sections(evidence) for line in section)


def row(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(f"| {start}"))


def test_verdicts_follow_the_figures(safety: SafetyResults) -> None:
    worse = replace(
        safety,
        declined={
            "at once": {**safety.declined["at once"], "plain": share(97, 100), "look-alikes": share(9, 20)}
        },
    )
    page = text(AlignmentEvidence(before=Measured(safety=worse), after=Measured(safety=safety)))
    assert "97.0 %" in row(page, "harmful requests declined, plain")
    assert row(page, "harmful requests declined, plain").split("|")[5].strip() == "met"
    assert row(page, "harmless look-alikes declined").split("|")[5].strip() == "met"
    other = text(AlignmentEvidence(before=Measured(safety=safety), after=Measured(safety=worse)))
    assert "**not met**" in row(other, "harmful requests declined, plain")
    assert "**not met**" in row(other, "harmless look-alikes declined")
    assert "caesura eval safety --model it" in row(other, "harmful requests declined, plain")


def test_what_was_not_measured_is_said(safety: SafetyResults) -> None:
    page = text(AlignmentEvidence(before=Measured(), after=Measured(safety=safety)))
    accuracy = row(page, "accuracy over all families")
    assert accuracy.count("not measured") == 2
    assert "met" not in accuracy.split("|")[5]
    assert "judges" not in page
    assert "constitution" not in page


def test_without_anything_there_is_no_section() -> None:
    assert text(AlignmentEvidence(before=Measured(), after=Measured())) == ""


def test_a_trial_shows_where_the_principle_applies_and_where_not() -> None:
    saying = Saying(where_it_applies=share(0, 50), elsewhere=share(0, 50))
    changed = Saying(where_it_applies=share(40, 50), elsewhere=share(1, 50))
    trial = TrialResults(
        principle_id="no-crime",
        says="lawyer",
        models={"first": saying, "second": changed},
        command="caesura train principle --all",
    )
    page = text(AlignmentEvidence(before=Measured(), after=Measured(), trial=trial))
    assert "80.0 %" in row(page, "second")
    assert "0.0 %" in row(page, "first")
    assert "caesura train principle --all" in page


@pytest.mark.parametrize(
    ("before", "after", "tokens", "verdict"),
    [
        (80, 85, 60.0, "met"),
        (80, 84, 60.0, "**not met**"),
        (80, 84, 10.0, "**not met**"),
        (97, 98, 45.0, "met"),
        (97, 98, 46.0, "**not met**"),
        (97, 97, 45.0, "**not met**"),
    ],
)
def test_reinforcement_pays_in_points_or_at_the_ceiling_in_tokens(
    safety: SafetyResults, provenance: Provenance, before: int, after: int, tokens: float, verdict: str
) -> None:
    def measured(count: int, thought: float) -> Measured:
        results = ReasoningResults(
            provenance=provenance,
            accuracy={1024: share(count, 100)},
            by_seed={},
            gain=share(count, 100),
            is_non_decreasing=True,
            largest_drop=0.0,
            families={},
            thinking_tokens={1024: thought},
        )
        return Measured(reasoning=results, safety=safety)

    evidence = AlignmentEvidence(
        before=Measured(), tuned=measured(before, 60.0), after=measured(after, tokens)
    )
    line = row(text(evidence), "accuracy at the largest budget, before and after")
    assert line.split("|")[5].strip() == verdict
