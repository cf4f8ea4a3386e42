"""The table of reward models says what their reports say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from caesura.cli.main import app
from caesura.evals.reward_card import read_reward_reports, reward_table
from caesura.messages.errors import DataError

REPORT: dict[str, Any] = {
    "name": "nano-reward-honest",
    "dimension": "honest",
    "num_pairs": {"train": 1600, "reference": 200, "held_out": 210},
    "accuracy": {"value": 0.8125, "low": 0.75, "high": 0.86, "n": 210},
    "length_only_accuracy": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 210},
    "calibration": {"brier": 0.1234, "ece": 0.0456, "bins": []},
    "length_correlation": {"before": 0.3, "after": -0.02},
    "control": {"accuracy": {"value": 0.49, "low": 0.4, "high": 0.6, "n": 210}},
    "seconds": 100.4,
}


def _write(runs: Path, name: str, report: dict[str, Any]) -> None:
    (runs / name).mkdir(parents=True)
    (runs / name / "report.json").write_text(json.dumps(report))


def test_a_report_is_a_row_and_other_jobs_have_none(tmp_path: Path) -> None:
    _write(tmp_path, "nano-reward-honest", REPORT)
    _write(tmp_path, "nano-preferences", {"name": "nano-preferences", "num_steps": 3})
    table = reward_table(read_reward_reports(tmp_path))
    assert table.splitlines()[2:] == [
        "| honest | 1,600 | 210 | 81.2% (75.0% to 86.0%) | 49.0% | 50.0% "
        "| 0.123 | 0.046 | +0.30 → -0.02 | 100 |"
    ]
    assert len(table.splitlines()[0].split("|")) == len(table.splitlines()[2].split("|"))


def test_a_missing_control_is_a_dash(tmp_path: Path) -> None:
    _write(tmp_path, "a", {name: value for name, value in REPORT.items() if name != "control"})
    assert "| – |" in reward_table(read_reward_reports(tmp_path))


def test_a_damaged_report_is_named(tmp_path: Path) -> None:
    _write(tmp_path, "a", {"dimension": "honest"})
    with pytest.raises(DataError, match=r"a/report\.json: not the report of a reward model"):
        read_reward_reports(tmp_path)


def test_the_command_prints_the_table_or_says_what_is_missing(tmp_path: Path) -> None:
    missing = CliRunner().invoke(app, ["rewards", str(tmp_path)])
    assert missing.exit_code == 1
    _write(tmp_path, "nano-reward-honest", REPORT)
    shown = CliRunner().invoke(app, ["rewards", str(tmp_path)])
    assert shown.exit_code == 0
    assert shown.stdout == reward_table(read_reward_reports(tmp_path))
