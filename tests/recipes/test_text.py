"""The pretraining mixture: what it contains, what it keeps out, and that it is reproducible."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.errors import DataError
from caesura.recipes.plain import bucket, opening, pieces, plain
from caesura.recipes.text import (
    MAX_DOCUMENT_CHARS,
    gloss,
    held_out_documents,
    is_held_out,
    pretraining_documents,
)
from caesura.train.sets import SETS, open_set


def test_the_same_seed_gives_the_same_documents_and_another_seed_another_order(data_folder: Path) -> None:
    first = list(pretraining_documents(data_folder, 1))
    assert first == list(pretraining_documents(data_folder, 1))
    other = list(pretraining_documents(data_folder, 2))
    assert first != other


def test_each_source_has_its_weight(data_folder: Path) -> None:
    documents = list(pretraining_documents(data_folder, 1))
    trained = [row for row in open_set(data_folder, "stories") if not is_held_out(row["id"])]
    assert sum(document.startswith("Title: Tale") for document in documents) == 4 * len(trained)
    assert sum("Celand" in document for document in documents) == 6


def test_held_out_prose_is_never_trained_on(data_folder: Path) -> None:
    held_out = set(held_out_documents(data_folder))
    assert held_out
    assert held_out.isdisjoint(pretraining_documents(data_folder, 1))


def test_held_out_prose_is_about_a_hundredth(data_folder: Path) -> None:
    assert 0 < sum(is_held_out(f"asp-{number}") for number in range(10_000)) < 200


def test_a_budget_gives_a_prefix_and_never_more_characters(data_folder: Path) -> None:
    whole = list(pretraining_documents(data_folder, 1))
    some = list(pretraining_documents(data_folder, 1, max_chars=5_000))
    assert some == whole[: len(some)]
    assert 3_000 < sum(map(len, some)) <= 5_000


def test_a_budget_beyond_one_pass_goes_round_again(data_folder: Path) -> None:
    whole = sum(map(len, pretraining_documents(data_folder, 1)))
    twice = sum(map(len, pretraining_documents(data_folder, 1, max_chars=2 * whole)))
    assert twice > 1.9 * whole


def test_the_mixture_does_without_an_optional_set_and_says_so(
    data_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data_folder / SETS["textbooks"].file).unlink()
    assert list(pretraining_documents(data_folder, 1))
    assert "textbooks" in caplog.text


def test_a_missing_set_that_is_needed_is_an_error(data_folder: Path) -> None:
    (data_folder / SETS["stories"].file).unlink()
    with pytest.raises(DataError, match="stories"):
        list(pretraining_documents(data_folder, 1))


def test_documents_are_short(data_folder: Path) -> None:
    assert max(map(len, pretraining_documents(data_folder, 1))) <= MAX_DOCUMENT_CHARS


def test_typography_becomes_ascii() -> None:
    assert plain("“It’s—fine…” caf\u00e9 na\u00efve \u00c6sop") == '"It\'s--fine..." cafe naive Aesop'


@given(st.text(alphabet="ab .\n", max_size=400), st.integers(min_value=5, max_value=60))
def test_pieces_lose_no_letter_and_keep_the_limit(text: str, max_chars: int) -> None:
    cut = list(pieces(text, max_chars))
    assert all(len(piece) <= max_chars for piece in cut)
    assert [char for char in "".join(cut) if char in "ab."] == [char for char in text if char in "ab."]


def test_an_opening_ends_where_a_sentence_ends() -> None:
    assert opening("One is short. Two is longer.\n\nThree.", 20) == "One is short."
    assert opening("One.\n\nTwo. Three.", 12) == "One.\n\nTwo."
    assert opening("Much too long.", 3) == ""


def test_a_gloss_is_a_plain_sentence() -> None:
    row = {
        "words": ["run"],
        "definition": "move fast",
        "examples": [],
        "pos": "verb",
        "is_a": [],
        "topic": "motion",
    }
    assert gloss(row) == "To run means to move fast."


def test_the_hash_rule_is_the_documented_one() -> None:
    assert [bucket(key, 20) for key in ("spc-valid-3", "spc-valid-57")] == [0, 0]
