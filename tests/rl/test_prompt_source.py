from __future__ import annotations

from pathlib import Path

import pytest

from caesura.messages.errors import DataError
from caesura.rl.prompt_source import PromptFile, checked_prompts
from tests.rl.tiny import Prompts, eights_held_out, nothing_held_out


def test_prompts_of_a_file_are_read_and_a_bad_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"text": "a", "is_harmful": true}\n')
    (prompt,) = checked_prompts(PromptFile(path=str(path)), tmp_path, nothing_held_out)
    assert prompt.text == "a"
    path.write_text("{}\n")
    with pytest.raises(DataError, match=r"mine.jsonl:1: lacks 'is_harmful'"):
        checked_prompts(PromptFile(path=str(path)), tmp_path, nothing_held_out)


def test_one_held_out_prompt_among_many_is_found_and_quoted(tmp_path: Path) -> None:
    assert len(checked_prompts(Prompts(num=8), tmp_path, eights_held_out)) == 8
    with pytest.raises(ValueError, match=r"holds 2 of 19 prompts .* the first 'Number 8\?'"):
        checked_prompts(Prompts(num=19), tmp_path, eights_held_out)
