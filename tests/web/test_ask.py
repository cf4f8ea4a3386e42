from __future__ import annotations

import pytest

from caesura.messages.content import TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock, text_turn
from caesura.messages.memory_tool import has_server_memory
from caesura.messages.request import Thinking
from caesura.web.ask import ADAPTIVE_ROOM_TOKENS, Settings, request_for
from caesura.web.reply import Exchange, Reply

THOUGHT = ThinkingBlock(thinking="7 * 3 = 21", signature="signed")


def test_a_budget_comes_on_top_of_the_answer() -> None:
    request = request_for(
        Settings(mode="budget", budget_tokens=64, answer_tokens=100), model="nano", past=(), question="Hi"
    )
    assert request.thinking == Thinking(mode="enabled", budget_tokens=64)
    assert request.max_tokens == 164


def test_adaptive_thinking_has_room_of_its_own() -> None:
    request = request_for(Settings(mode="adaptive", answer_tokens=100), model="nano", past=(), question="Hi")
    assert request.thinking == Thinking(mode="adaptive")
    assert request.max_tokens == 100 + ADAPTIVE_ROOM_TOKENS


@pytest.mark.parametrize(("mode", "temperature"), [("off", 0.3), ("budget", 1.0), ("adaptive", 1.0)])
def test_the_temperature_is_sent_only_where_the_api_takes_it(mode: str, temperature: float) -> None:
    settings = Settings(mode=mode, temperature=0.3)  # pyright: ignore[reportArgumentType]
    assert request_for(settings, model="nano", past=(), question="Hi").sampling.temperature == temperature


def test_a_blank_system_prompt_is_not_sent() -> None:
    blank = request_for(Settings(system="  \n"), model="nano", past=(), question="Hi")
    given = request_for(Settings(system="Be brief."), model="nano", past=(), question="Hi")
    assert blank.conversation.system == ()
    assert given.conversation.system == (TextBlock(text="Be brief."),)


def test_the_past_goes_back_with_thoughts_and_signatures_as_they_came() -> None:
    past = (Exchange(question="7 * 3?", reply=Reply(blocks=(THOUGHT, TextBlock(text="21")), outcome="done")),)
    turns = request_for(Settings(), model="nano", past=past, question="And + 8?").conversation.turns
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    assert turns[1].content == (THOUGHT, TextBlock(text="21"))
    assert turns[2] == text_turn("user", "And + 8?")


def test_a_thought_that_was_cut_short_is_not_sent_back_but_its_answer_is() -> None:
    unsigned = ThinkingBlock(thinking="7 *")
    past = (
        Exchange(question="a", reply=Reply(blocks=(unsigned,), outcome="stopped")),
        Exchange(question="b", reply=Reply(blocks=(THOUGHT, TextBlock(text="2")), outcome="stopped")),
        Exchange(question="c", reply=Reply(outcome="failed", error="no")),
    )
    turns = request_for(Settings(), model="nano", past=past, question="d").conversation.turns
    assert [turn.content[-1] for turn in turns] == [TextBlock(text=text) for text in ("b", "2", "d")]


def test_the_memory_is_asked_for_only_where_the_reader_wants_it() -> None:
    asked = request_for(Settings(remembers=True), model="nano", past=(), question="Hi")
    assert has_server_memory(asked)
    assert not request_for(Settings(), model="nano", past=(), question="Hi").conversation.tools


def test_what_the_server_looked_up_goes_back_with_the_answer() -> None:
    call = ToolUseBlock(id="mcptoolu_1", name="memory", input={"command": "view"}, is_server_run=True)
    result = ToolResultBlock(tool_use_id="mcptoolu_1", content=(TextBlock(text="tea"),), is_server_run=True)
    own = ToolUseBlock(id="toolu_2", name="add", input={})
    reply = Reply(blocks=(call, result, own, TextBlock(text="You like tea.")), outcome="done")
    turns = request_for(
        Settings(), model="nano", past=(Exchange(question="a", reply=reply),), question="b"
    ).conversation.turns
    assert turns[1].content == (call, result, TextBlock(text="You like tea."))
