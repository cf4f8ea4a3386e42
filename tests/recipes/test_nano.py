"""The stages of the bundled model: what the second one is made of, and how its prose is learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from caesura.recipes.nano import Conversations, Prose, control, sft
from caesura.recipes.reasoning import ReasoningMix
from caesura.recipes.text import held_out_documents
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.tokens.markers import BEGIN, END
from caesura.train.encoding import Encoded
from caesura.train.stage import Stage

BUNDLED = Path(__file__).parents[2] / "caesura" / "bundled" / "nano"
ROWS = Conversations(num_chat=20, num_reasoning=20, mix=ReasoningMix(), seed=2, max_tokens=128)


@pytest.fixture(scope="module")
def chat_format() -> CaesuraFormat:
    return CaesuraFormat(Tokenizer.load(BUNDLED))


def _prose(chat_format: CaesuraFormat, data: Path, rows: Conversations) -> list[Encoded]:
    """What `prose_chars` adds to the rows."""
    every = list(rows(chat_format, data, data))
    without = list(replace(rows, prose_chars=0)(chat_format, data, data))
    assert every[: len(without)] == without
    return every[len(without) :]


def test_rows_ask_for_no_prose_unless_told(chat_format: CaesuraFormat, data_folder: Path) -> None:
    assert _prose(chat_format, data_folder, ROWS) == []


def test_prose_comes_as_plain_documents_of_which_all_but_the_first_id_is_learnt(
    chat_format: CaesuraFormat, data_folder: Path
) -> None:
    documents = _prose(chat_format, data_folder, replace(ROWS, prose_chars=5_000))
    begin, end = (chat_format.tokenizer.marker(name) for name in (BEGIN, END))
    assert documents[0].ids[0] == begin
    assert end in documents[-1].ids
    for document in documents:
        assert document.mask == [False] + [True] * (len(document.ids) - 1)
        assert len(document.ids) <= ROWS.max_tokens + 1


def test_prose_is_the_pretraining_text_in_another_order_and_the_same_each_time(
    chat_format: CaesuraFormat, data_folder: Path
) -> None:
    rows = replace(ROWS, prose_chars=5_000)
    documents = _prose(chat_format, data_folder, rows)
    assert documents == _prose(chat_format, data_folder, rows)
    own, other = (
        list(
            Prose(max_chars=5_000, max_tokens=rows.max_tokens, seed=seed)(
                chat_format, data_folder, data_folder
            )
        )
        for seed in (rows.seed, 0)
    )
    assert documents == own
    assert documents != other


def test_held_out_prose_is_not_replayed(chat_format: CaesuraFormat, data_folder: Path) -> None:
    # More than one pass over the small folder, so that every document that may come does.
    documents = _prose(chat_format, data_folder, replace(ROWS, prose_chars=600_000))
    seen = {tuple(document.ids) for document in documents}
    texts = list(held_out_documents(data_folder))
    begin, end = (chat_format.tokenizer.marker(name) for name in (BEGIN, END))
    assert texts
    for ids in chat_format.tokenizer.encode_many(texts):
        assert (begin, *ids, end) not in seen


def test_a_tenth_of_the_tokens_are_prose_in_the_model_and_in_its_control(
    chat_format: CaesuraFormat, data_folder: Path
) -> None:
    for stage in (sft(), control().stages[-1]):
        assert isinstance(stage, Stage)
        documents = stage.documents
        assert isinstance(documents, Conversations)
        fewer = replace(
            documents,
            num_chat=documents.num_chat // 300,
            num_reasoning=documents.num_reasoning // 300,
            prose_chars=documents.prose_chars // 300,
        )
        sizes = [sum(len(each.ids) for each in rows) for rows in _split(chat_format, data_folder, fewer)]
        assert 0.07 < sizes[1] / sum(sizes) < 0.14


def _split(
    chat_format: CaesuraFormat, data: Path, rows: Conversations
) -> tuple[list[Encoded], list[Encoded]]:
    """The conversations, and the prose."""
    talk = list(replace(rows, prose_chars=0)(chat_format, data, data))
    return talk, list(rows(chat_format, data, data))[len(talk) :]
