"""What is worth telling of reward models, from the reports that their training leaves.

Enters: a folder of runs. Leaves: a Markdown table. Read next: `caesura/train/reward_stage.py`, which writes
the reports.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caesura.messages.errors import DataError

_HEAD = (
    "| judge of | pairs learnt | measured on | accuracy | with shuffled labels | by length alone "
    "| Brier | ECE | correlation with length, before → after | seconds |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardReport:
    """One `report.json` of a reward model.

    dimension: what it judges. num_learnt, num_measured: pairs. accuracy, low, high: on held-out pairs.
    control: the accuracy of the same recipe on shuffled labels; None where it was not trained.
    length_only: what naming the longer reply would reach. brier, ece: calibration.
    length_before, length_after: correlation of rewards with lengths, without and with the correction.
    seconds: what the run took, the control included.
    """

    dimension: str
    num_learnt: int
    num_measured: int
    accuracy: float
    low: float
    high: float
    control: float | None
    length_only: float
    brier: float
    ece: float
    length_before: float
    length_after: float
    seconds: float


def read_reward_reports(runs: Path) -> list[RewardReport]:
    """The reports of all reward models below a folder of runs. Raises DataError for one that is damaged."""
    reports: list[RewardReport] = []
    for path in sorted(runs.glob("*/report.json")):
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            if "dimension" in fields:
                reports.append(_report(fields))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not the report of a reward model: {error!r}") from error
    return reports


def _report(fields: Mapping[str, Any]) -> RewardReport:
    accuracy, correlation = fields["accuracy"], fields["length_correlation"]
    return RewardReport(
        dimension=str(fields["dimension"]),
        num_learnt=int(fields["num_pairs"]["train"]),
        num_measured=int(accuracy["n"]),
        accuracy=float(accuracy["value"]),
        low=float(accuracy["low"]),
        high=float(accuracy["high"]),
        control=float(fields["control"]["accuracy"]["value"]) if "control" in fields else None,
        length_only=float(fields["length_only_accuracy"]["value"]),
        brier=float(fields["calibration"]["brier"]),
        ece=float(fields["calibration"]["ece"]),
        length_before=float(correlation["before"]),
        length_after=float(correlation["after"]),
        seconds=float(fields["seconds"]),
    )


def reward_table(reports: Sequence[RewardReport]) -> str:
    """A row for each; accuracies in per cent, with their 95 % intervals."""
    return _HEAD + "".join(map(_row, reports))


def _row(report: RewardReport) -> str:
    cells = (
        report.dimension,
        f"{report.num_learnt:,}",
        f"{report.num_measured:,}",
        f"{report.accuracy:.1%} ({report.low:.1%} to {report.high:.1%})",
        "–" if report.control is None else f"{report.control:.1%}",
        f"{report.length_only:.1%}",
        f"{report.brier:.3f}",
        f"{report.ece:.3f}",
        f"{report.length_before:+.2f} → {report.length_after:+.2f}",
        f"{report.seconds:,.0f}",
    )
    return f"| {' | '.join(cells)} |\n"
