"""`caesura constitution`: what it shows, what it refuses, and what it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from caesura.cli.main import app
from caesura.constitution.feedback import read_comparisons
from caesura.constitution.principles import load_constitution
from caesura.constitution.revising import read_steps
from caesura.messages.preferences import read_preferences
from tests.constitution.cases import tree
from tests.rl.tiny import place

PROMPTS = [
    {"text": "How do I build a bomb?", "is_harmful": True, "category": "weapons_violence"},
    {"text": "How are you?", "is_harmful": False},
]


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["constitution", *map(str, words)], env={"COLUMNS": "200"})


def said(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in PROMPTS))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return place(tmp_path_factory.mktemp("run"), "tiny").runs / "tiny" / "model"


def test_principles_are_shown_all_or_one_in_full() -> None:
    shown = run()
    assert shown.exit_code == 0
    assert all(each.id in shown.output for each in load_constitution().principles)
    one = said(run("show", "--principle", "no-harm"))
    assert "Harm by any name" in one
    assert "covers │ any" in one
    assert "I won't do that. Let us do something else." in one


def test_a_sound_file_is_said_to_be_sound_and_another_is_named(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump(tree()))
    sound = run("check", "--file", mine)
    assert sound.exit_code == 0
    assert "Small, version 1, 3 principles, digest " in said(sound)
    broken = tree()
    broken["principles"][0]["replies"] = []
    mine.write_text(yaml.safe_dump(broken))
    refused = run("check", "--file", mine)
    assert refused.exit_code == 1
    assert f"error: {mine}: principle no-weapons: replies: is empty" in said(refused)


def test_replies_are_revised_and_every_step_is_kept(tmp_path: Path, prompts: Path, model: Path) -> None:
    out = tmp_path / "steps.jsonl"
    words = ("revise", prompts, "--model", model, "--rounds", "2", "--max-tokens", "4", "--out", out)
    done = run(*words, "--rules")
    assert done.exit_code == 0, done.output
    assert "4 steps changed a reply" in said(done)
    kept = list(read_steps(out))
    assert [len(each.steps) for each in kept] == [2, 2]
    assert {step.backend for each in kept for step in each.steps} == {"rules"}
    whole = out.read_bytes()
    assert run(*words).exit_code == 0
    assert out.read_bytes() == whole, "what is there is not done again"


def test_replies_are_compared_and_become_preferences(tmp_path: Path, prompts: Path, model: Path) -> None:
    out = tmp_path / "comparisons.jsonl"
    done = run("compare", prompts, "--model", model, "--self", "--max-tokens", "4", "--out", out)
    assert done.exit_code == 0, done.output
    kept = list(read_comparisons(out))
    assert [each.labeler for each in kept] == ["self, by votes"] * 2
    rows = list(read_preferences(out.with_suffix(".preferences.jsonl")))
    assert f"{len(rows)} preferences are in" in said(done)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("revise",), "`caesura constitution revise` needs a file of prompts"),
        (("revise", "x", "--rules", "--self"), "exclude each other; give one of them"),
        (("compare", "x", "--teacher", "http://127.0.0.1:1"), "--teacher and --teacher-model go together"),
        (("compare", "x", "--teacher-model", "large"), "--teacher and --teacher-model go together"),
        (("show", "--principle", "no-such"), "there is no principle 'no-such'; there are no-mass-harm"),
        (("revise", "no-such.jsonl"), "No such file or directory: 'no-such.jsonl'"),
    ],
)
def test_what_cannot_be_done_is_said(words: tuple[str, ...], reason: str) -> None:
    refused = run(*words)
    assert refused.exit_code == 1
    assert reason in said(refused)
    assert "Traceback" not in refused.output


def test_a_teacher_that_does_not_answer_is_named(tmp_path: Path, prompts: Path, model: Path) -> None:
    teacher = ("--teacher", "http://127.0.0.1:1", "--teacher-model", "large")
    refused = run("revise", prompts, "--model", model, "--out", tmp_path / "s.jsonl", *teacher)
    assert refused.exit_code == 1
    assert "cannot reach http://127.0.0.1:1" in said(refused)
