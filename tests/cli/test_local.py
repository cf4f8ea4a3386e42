from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from caesura.cli.bundled import bundled_folder
from caesura.cli.caching import Caching
from caesura.cli.chat import TerminalChat
from caesura.cli.connect import Connection
from caesura.cli.dtypes import Dtype, KVDtype, Loading
from caesura.cli.local import local_client
from caesura.messages.content import thinking_of
from caesura.messages.errors import ModelFolderError
from caesura.model.folder import read_config
from caesura.web.ask import Settings


def test_a_model_in_this_process_answers_several_questions(tiny_folder: Path) -> None:
    settings = Settings(mode="budget", budget_tokens=8, answer_tokens=8)
    with local_client({"tiny": tiny_folder}, num_threads=1) as client, asyncio.Runner() as runner:
        chat = TerminalChat(runner, Connection(client=client, place="here"), "tiny", settings)
        first, second = chat.ask("the sum"), chat.ask("of two numbers")
    assert (first.outcome, second.outcome) == ("done", "done")
    assert thinking_of(first.blocks)
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.prompt_tokens > first.usage.prompt_tokens


def test_int8_keys_and_values_fit_more_tokens_into_a_memory(tiny_folder: Path) -> None:
    def num_pages(kv_dtype: KVDtype) -> int:
        loading = Loading(dtype=Dtype.BFLOAT16, kv_dtype=kv_dtype, kv_bytes=1_000_000)
        with local_client({"tiny": tiny_folder}, num_threads=1, loading=loading) as client:
            return client.engine("tiny").stats().num_pages

    config = read_config(tiny_folder)
    head_bytes = 2 * config.head_dim
    page_bytes = 2 * 32 * config.num_layers * config.num_kv_heads * head_bytes
    assert num_pages(KVDtype.AUTO) == 1_000_000 // page_bytes
    assert num_pages(KVDtype.INT8) == 1_000_000 // (page_bytes * (config.head_dim + 2) // head_bytes)


def test_a_folder_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ModelFolderError, match="model `mine` cannot be loaded"),
        local_client({"mine": tmp_path}),
    ):
        pass


def test_what_may_be_kept_in_ram_must_fit_before_anything_is_loaded(tiny_folder: Path) -> None:
    caching = Caching(disk_bytes=0, ram_bytes=10**15)
    with (
        pytest.raises(ModelFolderError, match=r"`tiny`: does not fit.*--cache-ram 1,000,000,000,000,000"),
        local_client({"tiny": tiny_folder}, num_threads=1, caching=caching),
    ):
        pass


def test_the_bundled_model_lies_in_the_package() -> None:
    assert bundled_folder().parts[-3:] == ("caesura", "bundled", "nano")
