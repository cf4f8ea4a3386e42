"""Rows with tools: from our own exercises and from public sets, with no held-out word, and what is learnt."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import jsonschema
import pytest

from caesura.evals.tool_items import tool_items
from caesura.evals.tool_sources import is_kept_for_measuring
from caesura.evals.tools import KINDS, Words
from caesura.messages.content import ToolUseBlock, text_of, thinking_of
from caesura.messages.errors import DataError
from caesura.recipes.nano import ConversationsWithTools, tools
from caesura.recipes.tool_sets import tool_set_kinds
from caesura.recipes.tools import WEIGHTS, tool_rows
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.train.data import Row, row_from_json, row_to_json

BUNDLED = Path(__file__).parents[2] / "caesura" / "bundled" / "nano"
ROWS = list(tool_rows(5, 600))


def _calls(row: Row) -> list[ToolUseBlock]:
    return [
        block for turn in row.conversation.turns for block in turn.content if isinstance(block, ToolUseBlock)
    ]


def test_the_same_seed_gives_the_same_rows() -> None:
    assert list(tool_rows(5, 40)) == ROWS[:40]
    assert list(tool_rows(6, 40)) != ROWS[:40]


def test_every_kind_comes_about_as_often_as_it_weighs() -> None:
    counts = Counter(row.source.removeprefix("tools/") for row in ROWS)
    assert set(counts) == set(WEIGHTS)
    assert abs(counts["lookups"] / len(ROWS) - WEIGHTS["lookups"] / sum(WEIGHTS.values())) < 0.06


def test_calls_come_and_stay_away_alone_and_in_parallel_and_fail() -> None:
    replies = [turn for row in ROWS for turn in row.conversation.turns if turn.role == "assistant"]
    num_calls = Counter(sum(isinstance(block, ToolUseBlock) for block in turn.content) for turn in replies)
    assert {0, 1, 2, 3} <= set(num_calls)
    assert any(not _calls(row) for row in ROWS)
    errors = [
        block
        for row in ROWS
        for turn in row.conversation.turns
        for block in turn.content
        if getattr(block, "is_error", False)
    ]
    assert 0.01 < len(errors) / num_calls[1] < 0.2


def test_a_row_thinks_before_every_reply_or_before_none() -> None:
    for row in ROWS:
        replies = [turn for turn in row.conversation.turns if turn.role == "assistant"]
        thoughts = [bool(thinking_of(turn.content)) for turn in replies]
        assert all(thoughts) if row.mode == "think" else not any(thoughts)


def test_only_rows_with_a_demanded_call_are_forced() -> None:
    assert {row.source for row in ROWS if row.is_forced} == {"tools/recorders"}
    assert all(row.is_forced for row in ROWS if row.source == "tools/recorders")


def test_rows_can_be_written_as_json() -> None:
    for row in ROWS[:100]:
        custom = tuple(replace(tool, kind="custom", settings={}) for tool in row.conversation.tools)
        written = replace(row, conversation=replace(row.conversation, tools=custom))
        assert row_from_json(json.loads(json.dumps(row_to_json(row)))) == written


def test_nothing_that_is_measured_is_trained_on() -> None:
    measured = {text_of(item.conversation.turns[0].content) for item in tool_items([0], 4)}
    trained = {
        text_of(turn.content) for row in ROWS for turn in row.conversation.turns if turn.role == "user"
    }
    # What has no word to draw is the same for both: `Run the tests.`
    assert len(measured & trained) <= 3


def test_kinds_of_public_sets_give_calls_that_keep_to_the_schemas(data_folder: Path) -> None:
    kinds = tool_set_kinds(data_folder)
    rows = list(tool_rows(1, 500, kinds))
    assert {f"tools/{name}" for name in kinds} <= {row.source for row in rows}
    for row in rows:
        schemas = {tool.name: tool.input_schema for tool in row.conversation.tools}
        for call in _calls(row):
            assert jsonschema.Draft202012Validator(schemas[call.name]).is_valid(dict(call.input))


def test_requests_kept_for_measuring_are_not_trained_on(data_folder: Path) -> None:
    _, kind = tool_set_kinds(data_folder)["tool_choice"]
    questions = {
        kit.ask(rng).question
        for seed in range(300)
        for rng in [Random(seed)]
        for kit in [kind(rng, Words(holds_out=False))]
    }
    assert len(questions) > 50
    assert not any(map(is_kept_for_measuring, questions))


def test_placeholders_of_commands_are_filled_with_what_they_say(data_folder: Path) -> None:
    _, kind = tool_set_kinds(data_folder)["commands"]
    rng = Random(0)
    (call,) = kind(rng, Words(holds_out=False)).ask(rng).steps[0]
    assert "-l|--long" not in str(call.arguments)
    assert str(next(iter(call.arguments.values()))).endswith("folder")


def test_a_missing_public_set_is_named(data_folder: Path) -> None:
    (data_folder / "metatool" / "tool_descriptions.json").unlink()
    with pytest.raises(DataError, match="metatool_tools"):
        tool_set_kinds(data_folder)


def test_the_stage_mixes_tools_and_what_came_before(data_folder: Path) -> None:
    documents = tools().documents
    assert isinstance(documents, ConversationsWithTools)
    chat_format = CaesuraFormat(Tokenizer.load(BUNDLED))
    others = replace(
        documents.others,
        num_chat=documents.others.num_chat // 300,
        num_reasoning=documents.others.num_reasoning // 300,
        prose_chars=documents.others.prose_chars // 300,
    )
    small = replace(documents, num_tools=documents.num_tools // 300, others=others)
    lengths = [len(each.ids) for each in small(chat_format, data_folder, data_folder)]
    rest = [len(each.ids) for each in others(chat_format, data_folder, data_folder)]
    assert lengths[len(lengths) - len(rest) :] == rest
    assert 0.35 < 1 - sum(rest) / sum(lengths) < 0.65
    assert max(lengths) <= documents.max_tokens + 1


def test_every_kind_has_a_weight_or_joins_others() -> None:
    assert set(KINDS) - set(WEIGHTS) == {"missing", "talk"}
