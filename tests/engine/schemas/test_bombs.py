"""Schemas made to exhaust a server: each ends in time, with a grammar or with a place that is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from caesura.engine.schemas.compiling import Call, calls_grammar, json_grammar, xml_grammar, yaml_grammar
from caesura.engine.schemas.refusal import Effort, SchemaRefusedError
from tests.engine.schemas.bombs import BOMBS, TRIED
from tests.engine.schemas.texts import accepts, grammar

STEPS = 100_000
# Of address space, for the process that compiles all of them.
MAX_BYTES = 4 << 30


def effort() -> Effort:
    return Effort(max_steps=STEPS, deadline_s=1.0, clock=lambda: 0.0)


@pytest.mark.parametrize("name", [name for name, bomb in BOMBS.items() if bomb.place is not None])
def test_a_bomb_is_refused_within_its_steps_and_names_a_place(name: str) -> None:
    bomb = BOMBS[name]
    with pytest.raises(SchemaRefusedError) as refused:
        json_grammar(bomb.schema(), effort())
    assert ".".join(refused.value.pointer).endswith(bomb.place or ""), refused.value


@pytest.mark.parametrize("name", [name for name, bomb in BOMBS.items() if bomb.place is None])
def test_what_looks_like_a_bomb_and_is_none_is_compiled(name: str) -> None:
    assert json_grammar(BOMBS[name].schema(), effort()).text


@pytest.mark.parametrize("write", [json_grammar, xml_grammar, yaml_grammar])
def test_the_deadline_ends_whatever_goes_on(write: Callable[[Any, Effort], Any]) -> None:
    ticks = iter(range(10_000))
    hurried = Effort(max_steps=STEPS, deadline_s=40, clock=lambda: next(ticks))
    with pytest.raises(SchemaRefusedError, match="not compiled within 40 s"):
        write(BOMBS["a chain of properties"].schema(), hurried)


def test_ten_thousand_tools_are_refused_by_the_tool_that_was_too_many() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    calls = [Call(f"tool_{number}", schema) for number in range(10_000)]
    with pytest.raises(SchemaRefusedError, match="too complex") as refused:
        calls_grammar(calls, effort())
    assert refused.value.document > 1000


def test_a_number_of_any_size_costs_little() -> None:
    found = grammar("json_schema", {"type": "number", "minimum": 1e-300})
    assert accepts(found, "1")
    assert not accepts(found, "0")


@pytest.mark.slow
def test_the_worst_of_them_leave_the_process_alive_and_small() -> None:
    """In a process of its own, whose memory is limited, with threads as the server has them."""
    program = (
        "import resource\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({MAX_BYTES}, {MAX_BYTES}))\n"
        "from tests.engine.schemas.bombs import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=280, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = dict(line.split("\t") for line in done.stdout.splitlines())
    assert set(answers) == {
        f"{kind} {name}" for name in [*BOMBS, *TRIED] for kind in ("json_schema", "xml", "yaml")
    }
    assert all(answer == "compiled" or answer.startswith("schema") for answer in answers.values())
