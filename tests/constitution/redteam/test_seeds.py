"""Prompts from files, and settings that must not change under a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from caesura.constitution.redteam.seeds import Seed, read_seeds, require
from caesura.constitution.redteam.settings import keep_settings
from caesura.messages.errors import DataError


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "Expecting value"),
        ("[]", "a JSON object, not list"),
        ('{"text": "a"}', "lacks 'is_harmful'"),
        ('{"text": "a", "is_harmful": "yes"}', "true or false"),
        ('{"text": " ", "is_harmful": true}', "text is empty"),
        ('{"text": "a", "is_harmful": true, "category": "magic"}', "category 'magic' is not one of"),
    ],
)
def test_a_row_that_is_no_prompt_is_named_by_file_and_line(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "prompts.jsonl"
    good = json.dumps({"text": "a", "is_harmful": True, "category": "privacy"})
    path.write_text(f"{good}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"prompts\.jsonl:3: ") as caught:
        list(read_seeds(path))
    assert reason in str(caught.value)


def test_without_a_harmful_prompt_there_is_nothing_to_try() -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl has no harmful prompt"):
        require([Seed(text="Hello", is_harmful=False)], "rows.jsonl")
    with pytest.raises(DataError, match="nothing to try"):
        require([], "rows.jsonl")


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        list(read_seeds(tmp_path / "none.jsonl"))


def test_a_folder_takes_the_same_settings_again_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    assert not keep_settings(path, {"budget": 500, "seed": 0})
    assert keep_settings(path, {"budget": 500, "seed": 0})
    with pytest.raises(DataError, match="holds a run with budget 500, not 300"):
        keep_settings(path, {"budget": 300, "seed": 0})
