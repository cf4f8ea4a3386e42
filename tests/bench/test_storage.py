from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench.model_folder import endless_folder
from bench.settings import Settings
from bench.storage import QUICK, WANTED_PERCENT, KeepingEngine, Sizes, Stored, converse, work
from bench.texts import Texts
from caesura.engine.pages import PAGE_SIZE_CPU
from caesura.messages.content import conversation
from caesura.tokens import Tokenizer

PAGE = Path(__file__).parent.parent.parent / "docs" / "benchmarks.md"
SETTINGS = Settings(is_quick=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return endless_folder(None, tmp_path_factory.mktemp("storage") / "model", is_quick=True)


def engine(folder: Path) -> KeepingEngine:
    return KeepingEngine(folder, SETTINGS, num_reply=QUICK.num_reply)


def num_pages(made: KeepingEngine) -> int:
    return made.num_bytes // (made.token_bytes * PAGE_SIZE_CPU)


def test_a_share_is_saved_of_either_layout() -> None:
    stored = Stored(of_requests=[10, 20, 30], of_lines=[20, 30], token_bytes=4, num_bytes=80)
    lines, requests = stored.figures("n")
    assert lines.ours == [pytest.approx(60.0)]
    assert requests.ours == [pytest.approx(100.0 * (1 - 80 / 240))]
    assert "2 lines of conversation, each stored once, 50 tokens" in lines.note


def test_a_share_below_the_aim_is_a_miss() -> None:
    stored = Stored(of_requests=[25], of_lines=[25], token_bytes=4, num_bytes=79)
    assert [figure.holds for figure in stored.figures("n")] == [False, False]


def test_one_conversation_takes_its_own_pages_and_no_more(folder: Path) -> None:
    made = engine(folder)
    [reply] = made.replies([conversation(("user", Texts(folder).text(random.Random(0), 100)))])
    assert num_pages(made) == -(-reply.num_tokens // PAGE_SIZE_CPU)
    assert reply.text


def test_the_same_question_at_the_same_time_is_read_once_and_answered_twice(folder: Path) -> None:
    made = engine(folder)
    asked = conversation(("user", "once upon a time the hare asked the tortoise " * 20))
    first, second = made.replies([asked, asked])
    assert first.text != second.text
    assert num_pages(made) <= first.num_tokens // PAGE_SIZE_CPU + 3


def test_conversations_store_their_shared_prompt_once(folder: Path) -> None:
    stored = converse(engine(folder), Texts(folder), QUICK)
    assert len(stored.of_lines) == QUICK.num_conversations
    assert len(stored.of_requests) == QUICK.num_conversations * QUICK.num_turns
    assert stored.of_requests[-QUICK.num_conversations :] == stored.of_lines
    shared = (QUICK.num_conversations - 1) * (QUICK.num_system - PAGE_SIZE_CPU) * stored.token_bytes
    assert stored.num_bytes < sum(stored.of_lines) * stored.token_bytes - 0.8 * shared


def test_a_session_has_a_line_for_each_reply_that_was_dropped(folder: Path) -> None:
    stored = work(engine(folder), Texts(folder), QUICK)
    assert len(stored.of_requests) == QUICK.num_steps + len(QUICK.retried)
    assert stored.of_lines == [stored.of_requests[QUICK.retried[0]], stored.of_requests[-1]]
    assert stored.num_bytes < sum(stored.of_lines) * stored.token_bytes


def test_a_text_has_about_as_many_tokens_as_are_asked_for(folder: Path) -> None:
    tokenizer, rng = Tokenizer.load(folder), random.Random(0)
    for size in (20, 100, 800):
        assert size - 6 <= len(tokenizer.encode(Texts(folder).text(rng, size))) <= size


def test_the_page_says_what_storage_measures() -> None:
    row = next(
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `storage`")
    )
    sizes = Sizes()
    assert (sizes.num_conversations, sizes.num_turns) == (10, 5)
    assert "ten conversations of five turns" in row
    assert f"one system prompt of {sizes.num_system:,} tokens" in row
    assert f"an agent's session of {sizes.num_steps} turns" in row
    assert f">= {WANTED_PERCENT:g} %" in row
