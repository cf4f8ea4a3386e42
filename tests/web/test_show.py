from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.content import RedactedThinkingBlock, TextBlock, ThinkingBlock
from caesura.messages.response import Usage
from caesura.web.reply import Exchange, Reply
from caesura.web.show import chat_messages, counts, thinking_title, verbatim

USAGE = Usage(input_tokens=12, output_tokens=121, thinking_tokens=87)


def drawn(reply: Reply) -> list[dict[str, object]]:
    return chat_messages([Exchange(question="q", reply=reply)])[1:]


def test_the_title_counts_thinking_tokens_against_the_budget() -> None:
    assert thinking_title(Reply(budget_tokens=256, thinking_tokens=87)) == "thinking: 87 of 256 tokens"


def test_the_title_names_the_closing_text_apart_from_the_budget() -> None:
    title = thinking_title(Reply(budget_tokens=256, thinking_tokens=262))
    assert title == "thinking: 256 of 256 tokens, 6 more to close"


def test_the_title_without_a_budget_counts_alone() -> None:
    assert thinking_title(Reply(thinking_tokens=1087)) == "thinking: 1,087 tokens"
    assert thinking_title(Reply()) == "thinking"


def test_a_thought_is_open_while_it_grows_and_folded_after() -> None:
    blocks = (ThinkingBlock(thinking="7"),)
    growing = drawn(Reply(blocks=blocks, budget_tokens=8, thinking_tokens=1))
    done = drawn(Reply(blocks=(*blocks, TextBlock(text="21")), budget_tokens=8, thinking_tokens=1))
    assert growing[0]["metadata"] == {"title": "thinking: 1 of 8 tokens", "status": "pending"}
    assert done[0]["metadata"] == {"title": "thinking: 1 of 8 tokens", "status": "done"}
    assert done[1]["content"] == "21"


def test_a_hidden_thought_is_said_to_be_hidden() -> None:
    reply = Reply(blocks=(RedactedThinkingBlock(data="x"), TextBlock(text="21")), outcome="done")
    assert "hidden" in str(drawn(reply)[0]["content"])


def test_a_finished_reply_says_what_it_took() -> None:
    reply = Reply(usage=USAGE, thinking_tokens=87, elapsed_s=1.0, outcome="done", stop_reason="end_turn")
    assert counts(reply) == "12 tokens in · 87 thinking · 34 answer · 121 tokens/s"


def test_a_stopped_reply_says_so_and_what_is_known() -> None:
    reply = Reply(usage=Usage(input_tokens=12), thinking_tokens=9, elapsed_s=1.0, outcome="stopped")
    assert counts(reply) == "stopped · 12 tokens in · 9 thinking"


def test_a_cut_answer_says_why() -> None:
    assert "longest answer" in counts(Reply(usage=USAGE, outcome="done", stop_reason="max_tokens"))


def test_an_error_is_shown_as_text_not_as_html() -> None:
    (message,) = drawn(Reply(outcome="failed", error="<img src=x onerror=alert(1)>"))
    assert 'class="failed"' in str(message["content"])
    assert "<img" not in str(message["content"])


def test_a_reply_that_has_not_begun_shows_that_it_is_awaited() -> None:
    assert "…" in str(drawn(Reply())[0]["content"])


@pytest.mark.parametrize("text", ["3*4*5", "<b>x</b>", "![x](http://a.example/x.png)", "# no", "$$x$$"])
def test_a_question_is_shown_as_it_was_typed(text: str) -> None:
    (question, *_) = chat_messages([Exchange(question=text, reply=Reply())])
    assert question["content"] == verbatim(text)


@given(st.text())
def test_verbatim_escapes_every_mark_and_loses_nothing(text: str) -> None:
    escaped = verbatim(text)
    assert re.search(r"(?<!\\)(\\\\)*[*_<>\[\]`#$]", escaped.replace("&nbsp;", "")) is None
    assert re.sub(r"\\(.)", r"\1", escaped.replace("&nbsp;", " ")).split() == text.split()
