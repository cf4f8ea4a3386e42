"""Claude Code's command line on our servers: what it sends, and whether it gets what it needs.

It runs in a home of its own, without credentials, with everything switched off that would reach for other
machines. Enters: servers and a scratch folder. Leaves: an `Outcome` a scenario. Read next: `recorder.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tests.clients.directions import AFTER, BEFORE
from tests.clients.installing import FOLDER
from tests.clients.passages import faults, num_prompt
from tests.clients.recorder import Passage, Recorder
from tests.clients.servers import Scripted
from tests.web.serving import serving

# Nano writes until it happens to stop; the client takes a cut reply for an error, and asks it to go on.
_MAX_NANO_TOKENS = 64
_CUT_REPLY = "max_output_tokens"
# What the second prompt may take of the first one's time.
MAX_SHARE = 0.1
# On a machine that has other things to do, a prompt of this length takes its time.
_PATIENCE_S = 900
# What the client says of a model that it does not know, and goes on.
_UNKNOWN = '[claude-code:unrecognized_model] {"model":"scripted","query_source":"sdk"}\n'
_OFFLINE = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_BUG_COMMAND": "1",
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one call of the command line left behind.

    code: its exit code. messages: its lines. stderr: its warnings.
    passages: what passed between it and the server meanwhile.
    """

    code: int
    messages: Sequence[dict[str, Any]]
    stderr: str
    passages: Sequence[Passage]

    @property
    def result(self) -> dict[str, Any]:
        """Its last word."""
        return next(each for each in reversed(self.messages) if each["type"] == "result")

    @property
    def replies(self) -> list[Passage]:
        """What it asked the model."""
        return [passage for passage in self.passages if passage.is_reply]


class ClaudeCode:
    """The command line, in one folder, on one server."""

    def __init__(self, folder: Path, recorder: Recorder, url: str, model: str, key: str) -> None:
        """folder: empty. url: of the recorder."""
        self.project = folder / "project"
        self.project.mkdir(parents=True)
        self._recorder = recorder
        self._environment = {
            **_OFFLINE,
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CLAUDE_CONFIG_DIR": str(folder / "config"),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": key,
            "ANTHROPIC_MODEL": model,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
        }

    def run(self, *arguments: str, **environment: str) -> Run:
        """One call in print mode."""
        first = len(self._recorder.passages)
        command = [str(FOLDER / "claude-code/node_modules/.bin/claude"), "--print", *arguments]
        done = subprocess.run(
            [*command, "--output-format", "stream-json", "--verbose"],
            cwd=self.project,
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        lines = [line for line in done.stdout.decode().splitlines() if line.startswith("{")]
        return Run(
            code=done.returncode,
            messages=[json.loads(line) for line in lines],
            stderr=done.stderr.decode(),
            passages=self._recorder.passages[first:],
        )


def _check_protocol(run: Run) -> None:
    """Everything was answered, to the end, with a stream as it should be."""
    assert run.replies, run.stderr
    for passage in run.passages:
        assert passage.status == 200, (passage.path, passage.status, passage.events[:1])
        assert passage.is_whole, passage.path
    for passage in run.replies:
        assert not faults(passage.events), faults(passage.events)


def _check_success(run: Run) -> None:
    assert run.code == 0, run.result
    assert run.result["is_error"] is False, run.result
    assert not run.stderr.replace(_UNKNOWN, ""), run.stderr


def edits_a_file(code: ClaudeCode) -> str:
    """A loop of calls of the client's own tools."""
    file = code.project / "notes.txt"
    file.write_text(f"{BEFORE}\n", encoding="utf-8")
    allowed = ["--permission-mode", "acceptEdits", "--allowedTools", "Read Edit Bash(cat:*)"]
    run = code.run(f"Please [[edit {file}]]", *allowed)
    _check_protocol(run)
    _check_success(run)
    assert file.read_text(encoding="utf-8") == f"{AFTER}\n"
    assert run.result["result"] == "The hare is quick now."
    return f"{len(run.replies)} requests; the file was edited"


def searches_for_tools(code: ClaudeCode) -> str:
    """Deferred tools, a web search that is refused, and a subagent: the session goes on."""
    run = code.run("Please [[search]]", "--allowedTools", "WebSearch ToolSearch Agent")
    refused = [passage for passage in run.passages if passage.status != 200]
    for passage in refused:
        assert "web_search_20250305" in str(passage.events), passage.events
    assert refused, "the client did not search"
    _check_success(run)
    assert run.result["result"] == "I found nothing."
    return "tools are found; the web search is refused by name, and the session goes on"


def counts_its_context(code: ClaudeCode) -> str:
    """What each part of the prompt takes, by `count_tokens`."""
    run = code.run("/context")
    counts = [passage for passage in run.passages if passage.path == "/v1/messages/count_tokens"]
    assert counts
    assert all(passage.status == 200 and passage.events[0]["input_tokens"] > 0 for passage in counts)
    _check_success(run)
    return "every part is counted"


def continues_a_session(code: ClaudeCode) -> str:
    """The second prompt of a session on a real model, whose first one was long."""
    first = _asked_of_nano(code, "What is 23*45?")
    second = _asked_of_nano(code, "And what is 7 plus 5?", "--continue")
    first_s, second_s = first.replies[0].first_s, second.replies[0].first_s
    assert first_s is not None
    assert second_s is not None
    num_tokens = num_prompt(first.replies[0].events)
    assert num_tokens > 10_000, num_tokens
    assert second_s <= MAX_SHARE * first_s, (first_s, second_s)
    return (
        f"first token of a prompt of {num_tokens:,} tokens after {first_s:.2f} s, then after {second_s:.2f} s"
    )


def _asked_of_nano(code: ClaudeCode, *arguments: str) -> Run:
    run = code.run(*arguments, CLAUDE_CODE_MAX_OUTPUT_TOKENS=str(_MAX_NANO_TOKENS))
    _check_protocol(run)
    assert not run.result["is_error"] or run.result.get("api_error") == _CUT_REPLY, run.result
    return run


class Scenario(NamedTuple):
    """Something to do. server: on which. model: by the name that the client is told."""

    name: str
    server: Literal["scripted", "nano"]
    model: str
    play: Callable[[ClaudeCode], str]


# Of a model that the client knows it asks for a thinking budget, of others for adaptive thinking.
SCENARIOS = (
    Scenario("edits a file", "scripted", "claude-sonnet-4-5", edits_a_file),
    Scenario("searches for tools", "scripted", "scripted", searches_for_tools),
    Scenario("counts its context", "scripted", "scripted", counts_its_context),
    Scenario("continues a session", "nano", "nano", continues_a_session),
)


def outcomes(folder: Path, scripted: Scripted, nano: str) -> list[dict[str, str]]:
    """How every scenario went."""
    found: list[dict[str, str]] = []
    for scenario in SCENARIOS:
        is_scripted = scenario.server == "scripted"
        recorder = Recorder(scripted.url if is_scripted else nano)
        home = folder / scenario.name.replace(" ", "-")
        key = scripted.key if is_scripted else "none-needed"
        with serving(lambda _, app=recorder: app) as url:
            found.append(_outcome(scenario, ClaudeCode(home, recorder, url, scenario.model, key)))
    return found


def _outcome(scenario: Scenario, code: ClaudeCode) -> dict[str, str]:
    try:
        return {"scenario": scenario.name, "result": "works", "detail": scenario.play(code)}
    except (AssertionError, subprocess.TimeoutExpired) as error:
        return {"scenario": scenario.name, "result": "fails", "detail": str(error)[:500]}
