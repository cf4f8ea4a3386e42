"""Native steps from the command line: built where they are wanted and can be used, and nowhere else."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from caesura.cli.dtypes import Dtype, KVDtype, Loading
from caesura.cli.local import local_client
from caesura.cli.state import state_folder
from caesura.messages.content import conversation
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest
from tests.generated_pages import verbs

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler is installed")
WANTED = Loading(dtype=Dtype.BFLOAT16, is_native=True)


def built(folder: Path, loading: Loading) -> list[str]:
    """What lies in the builds' folder after a reply."""
    request = MessagesRequest(model="tiny", conversation=conversation(("user", "Hi")), max_tokens=4)
    with local_client({"tiny": folder}, num_threads=1, loading=loading) as client, asyncio.Runner() as runner:
        message = runner.run(collect(client.stream(request)))
    assert message.usage.output_tokens
    builds = state_folder(os.environ) / "native"
    return [path.suffix for path in builds.iterdir()] if builds.exists() else []


@needs_compiler
def test_it_is_built_where_it_is_wanted(tiny_folder: Path) -> None:
    assert built(tiny_folder, WANTED) == [".so"]


@pytest.mark.parametrize(
    "loading",
    [
        Loading(dtype=Dtype.BFLOAT16),
        Loading(dtype=Dtype.FLOAT32, is_native=True),
        Loading(dtype=Dtype.BFLOAT16, is_native=True, kv_dtype=KVDtype.INT8),
    ],
    ids=["not wanted", "float32", "int8"],
)
def test_nothing_is_built_that_would_not_be_used(tiny_folder: Path, loading: Loading) -> None:
    assert built(tiny_folder, loading) == []


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [([], None, True), ([], "0", False), (["--no-native"], None, False), (["--native"], "0", True)],
)
def test_a_switch_or_a_variable_turns_it_off(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], variable: str | None, expected: bool
) -> None:
    monkeypatch.delenv("CAESURA_NATIVE")
    if variable is not None:
        monkeypatch.setenv("CAESURA_NATIVE", variable)
    assert verbs()["serve"].make_context("serve", arguments).params["native"] is expected
