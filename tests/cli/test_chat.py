from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from caesura.cli.chat import with_think
from caesura.cli.connect import is_caesura
from caesura.cli.main import app
from caesura.cli.screen import printable
from caesura.messages.content import text_of, thinking_of
from caesura.messages.errors import CaesuraError, OverloadedError
from caesura.messages.request import Thinking
from caesura.messages.scripted import ScriptedClient, ScriptedReply
from caesura.web.ask import Settings
from tests.web.serving import api_app, serving

REPLY = ScriptedReply(thinking="7 * 3 = 21", text="The answer is 21.")


def chat(client: ScriptedClient, *arguments: str, typed: str = "") -> Result:
    with serving(api_app(client)) as url:
        return CliRunner().invoke(app, ["chat", "--base-url", url, *arguments], input=typed)


def test_a_prompt_is_answered_with_thought_answer_and_counts() -> None:
    result = chat(ScriptedClient([REPLY]), "--think", "64", "7 times 3?")
    assert result.exit_code == 0
    assert "7 * 3 = 21\n\nThe answer is 21.\n" in result.output
    assert "5 thinking · 4 answer" in result.output


def test_think_and_system_and_model_reach_the_server() -> None:
    client = ScriptedClient([REPLY])
    chat(client, "--think", "16", "--system", "Be brief.", "--model", "claude-any", "--max-tokens", "9", "Hi")
    (request,) = client.history
    assert request.thinking == Thinking(mode="enabled", budget_tokens=16)
    assert text_of(request.conversation.system) == "Be brief."
    assert (request.model, request.max_tokens) == ("scripted", 25)


def test_several_lines_are_one_conversation_and_commands_are_obeyed() -> None:
    client = ScriptedClient([REPLY, "second", "third"])
    typed = "one\n/think off\ntwo\n/clear\n/think soon\nthree\n/quit\nnever\n"
    result = chat(client, typed=typed)
    assert result.exit_code == 0
    first, second, third = client.history
    assert first.thinking.budget_tokens == 256
    assert second.thinking == Thinking()
    assert len(second.conversation.turns) == 3
    assert thinking_of(second.conversation.turns[1].content) == "7 * 3 = 21"
    assert len(third.conversation.turns) == 1
    assert "not `soon`" in result.output


def test_an_error_is_shown_and_the_chat_goes_on() -> None:
    client = ScriptedClient([OverloadedError("Overloaded"), "fine"])
    result = chat(client, typed="one\ntwo\n")
    assert result.exit_code == 0
    assert "The server is busy" in result.output
    assert "fine" in result.output


def test_a_single_prompt_that_fails_fails_the_command() -> None:
    assert chat(ScriptedClient([OverloadedError("Overloaded")]), "Hi").exit_code == 1


def test_a_server_that_is_not_there_is_said_to_be_missing() -> None:
    result = CliRunner().invoke(app, ["chat", "--base-url", "http://127.0.0.1:9", "Hi"])
    assert result.exit_code == 1
    assert "cannot reach http://127.0.0.1:9" in result.output


@pytest.mark.parametrize("word", ["", "-1", "soon", "1.5", "²"])
def test_a_wrong_thinking_word_is_refused_by_name(word: str) -> None:
    with pytest.raises(CaesuraError, match="number of tokens"):
        with_think(Settings(), word)


def test_no_thinking_tokens_means_off() -> None:
    assert with_think(Settings(), "0").thinking == Thinking()


def test_an_interrupt_ends_the_reply_and_not_the_chat(tmp_path: Path) -> None:
    client = ScriptedClient([ScriptedReply(text="word " * 5000, delay_s=0.02), "still here"])
    output = tmp_path / "output"
    with serving(api_app(client)) as url, output.open("w") as sink:
        command = [sys.executable, "-c", "from caesura.cli.main import app; app()", "chat", "--base-url", url]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=sink,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdin is not None
        process.stdin.write(b"talk\n")
        process.stdin.flush()
        _wait_for(output, "word word")
        process.send_signal(signal.SIGINT)
        _wait_for(output, "stopped")
        process.stdin.write(b"and now?\n/quit\n")
        process.stdin.close()
        assert process.wait(timeout=20) == 0
    assert "still here" in output.read_text()
    assert client.num_closed_early == 1


def _wait_for(output: Path, text: str) -> None:
    for _ in range(400):
        if text in output.read_text():
            return
        time.sleep(0.05)
    pytest.fail(f"`{text}` did not come; what came is: {output.read_text()[-2000:]}")


HOSTILE = "a\x1b]52;c;aGk=\x07b\x1b[2Jc\x9b31md\x00\r\x7f\te"


def test_what_a_model_says_cannot_rule_the_terminal() -> None:
    result = chat(ScriptedClient([ScriptedReply(thinking=HOSTILE, text=HOSTILE)]), "Hi")
    assert "a]52;c;aGk=b[2Jc31md" in result.output
    assert not set(result.output) & set("\x1b\x07\x9b\x00\r\x7f")


def test_what_a_server_says_of_an_error_cannot_either() -> None:
    result = chat(ScriptedClient([OverloadedError(HOSTILE)]), "Hi")
    assert result.exit_code == 1
    assert not set(result.output) & set("\x1b\x07\x9b\x00\r\x7f")


def test_a_failure_is_printed_without_controls_too() -> None:
    assert printable(HOSTILE) == "a]52;c;aGk=b[2Jc31md\te"
    assert printable("one\ntwo\u2028\u00e9") == "one\ntwo\u2028\u00e9"


async def test_a_server_of_ours_is_known_without_a_key() -> None:
    with serving(api_app(ScriptedClient())) as url:
        assert await is_caesura(url)


async def test_what_else_listens_is_not_taken_for_a_server_of_ours() -> None:
    def build(_: str) -> FastAPI:
        app = FastAPI()
        app.get("/health")(lambda: ["ok"])
        return app

    with serving(build) as url:
        assert not await is_caesura(url)
    assert not await is_caesura("http://127.0.0.1:9")
