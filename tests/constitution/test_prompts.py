from __future__ import annotations

from pathlib import Path

import pytest

from caesura.constitution.prompts import WrittenPrompt, identity, read_prompts
from caesura.messages.errors import DataError


def test_prompts_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(
        '{"text": "a", "is_harmful": true, "category": "privacy"}\n{"text": "b", "is_harmful": false}\n'
    )
    first, second = read_prompts(path)
    assert first == WrittenPrompt(text="a", is_harmful=True, category="privacy")
    assert second == WrittenPrompt(text="b", is_harmful=False)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "Expecting"),
        ("[]", "indices|attribute|keys"),
        ('{"text": "a"}', "lacks 'is_harmful'"),
        ('{"is_harmful": true}', "lacks 'text'"),
        ('{"text": " ", "is_harmful": true}', "text is empty"),
        ('{"text": "a", "is_harmful": 1}', "is_harmful must be true or false, not 1"),
        ('{"text": "a", "is_harmful": true, "category": "bombs"}', "category 'bombs' is not one of"),
        ('{"text": "a", "is_harmful": true, "answers": "b"}', "'answers' is no field; there are text"),
        ('{"text": "a", "is_harmful": true, "answer": 3}', "answer must be text, not 3"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"text": "a", "is_harmful": true}\n' + line + "\n")
    with pytest.raises(DataError, match=f"prompts.jsonl:2: .*({words})"):
        list(read_prompts(path))


def test_prompts_are_told_apart_by_all_that_is_read() -> None:
    one, other = (WrittenPrompt(text=text, is_harmful=True) for text in ("a", "b"))
    assert identity(one) == identity(WrittenPrompt(text="a", is_harmful=False, answer="x"))
    assert identity(one) != identity(other)
