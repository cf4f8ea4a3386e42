"""Exercises with tools: solvable as they stand, of two parts that share no word, and graded exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import jsonschema
import pytest

from caesura.evals.tool_grading import MadeCall, Reply, grade, says
from caesura.evals.tool_items import ToolItem, items_digest, tool_items
from caesura.evals.tool_results import figures
from caesura.evals.tools import KINDS, Words
from caesura.evals.tools.scenes import exchange_turns, make_scene, num_calls
from caesura.evals.tools.words import CHORES, PEOPLE, TOPICS, is_held_out
from caesura.messages.content import ToolResultBlock, ToolUseBlock

ITEMS = tool_items([0], 3)


def _right(item: ToolItem) -> Reply:
    """The reply that is wanted."""
    text = item.answer if item.record is None else json.dumps(item.record)
    return Reply(
        calls=tuple(MadeCall(call.name, call.arguments) for call in item.calls),
        text=text,
        is_broken=False,
        thinking_tokens=0,
        output_tokens=9,
        stop_reason="end_turn",
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("holds_out", [False, True])
def test_every_call_is_of_a_tool_at_hand_and_keeps_to_its_schema(kind: str, holds_out: bool) -> None:
    for seed in range(60):
        rng = Random(f"{kind}/{seed}")
        scene = make_scene(rng, Words(holds_out=holds_out), [KINDS[kind]], num_exchanges=2)
        schemas = {tool.name: tool.input_schema for tool in scene.tools}
        assert len(schemas) == len(scene.tools)
        for exchange in scene.exchanges:
            assert len(exchange.thoughts) == len(exchange.steps) + 1
            assert exchange.answer.casefold() in exchange.reply.casefold()
            for call in (call for step in exchange.steps for call in step):
                assert jsonschema.Draft202012Validator(schemas[call.name]).is_valid(dict(call.arguments))


@pytest.mark.parametrize("kind", ["lookups", "chained_lookups", "extraction", "recorders"])
def test_every_text_argument_stands_in_the_question_or_in_a_result_before_it(kind: str) -> None:
    for seed in range(60):
        scene = make_scene(Random(seed), Words(holds_out=False), [KINDS[kind]], num_exchanges=1)
        exchange = scene.exchanges[0]
        known = exchange.question
        for step in exchange.steps:
            for call in step:
                texts = [value for value in call.arguments.values() if isinstance(value, str)]
                assert all(text in known for text in texts)
            known += " ".join(call.result for call in step)


def test_the_two_parts_share_no_word() -> None:
    rng = Random(0)
    for pool in (PEOPLE, CHORES, TOPICS):
        train, held_out = (
            {Words(holds_out=holds_out).pick(rng, pool) for _ in range(400)} for holds_out in (False, True)
        )
        assert train | held_out == set(pool)
        assert not train & held_out
    made_up = {Words(holds_out=True).made_up(rng) for _ in range(200)}
    assert all(map(is_held_out, made_up))


def test_where_no_tool_fits_none_speaks_of_what_is_asked() -> None:
    words, others = Words(holds_out=False), [KINDS["lookups"]] * 4
    for seed in range(80):
        scene = make_scene(Random(seed), words, [KINDS["missing"]], num_exchanges=1, others=others)
        quality = scene.exchanges[0].thoughts[0].removeprefix("No tool tells the ").removesuffix(".")
        assert not any(quality in tool.description.lower() for tool in scene.tools)


def test_turns_alternate_and_every_call_has_its_result() -> None:
    for seed in range(40):
        scene = make_scene(Random(seed), Words(holds_out=False), [KINDS["chained_lookups"]], num_exchanges=1)
        turns = exchange_turns(scene.exchanges[0], 7, thinks=True)
        assert [turn.role for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
        calls = [block.id for turn in turns for block in turn.content if isinstance(block, ToolUseBlock)]
        results = [
            block.tool_use_id
            for turn in turns
            for block in turn.content
            if isinstance(block, ToolResultBlock)
        ]
        assert calls == results == [f"toolu_{7 + at}" for at in range(num_calls(scene.exchanges[0]))]


def test_the_same_items_are_asked_each_time_and_no_id_comes_twice() -> None:
    assert items_digest(tool_items([0], 3)) == items_digest(ITEMS)
    assert items_digest(tool_items([1], 3)) != items_digest(ITEMS)
    assert len({item.id for item in ITEMS}) == len(ITEMS)
    assert {item.kind for item in ITEMS} == set(KINDS)


def test_the_wanted_reply_is_right_in_every_respect() -> None:
    for item in ITEMS:
        attempt = grade(item, _right(item), "free")
        assert attempt.correct
        assert attempt.valid
        assert attempt.decided


def test_a_wrong_value_is_named_right_but_not_exact() -> None:
    item = next(item for item in ITEMS if item.kind == "actions" and item.calls)
    call = item.calls[0]
    key = next(iter(call.arguments))
    wrong = replace(_right(item), calls=(MadeCall(call.name, {**call.arguments, key: "other"}),))
    attempt = grade(item, wrong, "free")
    assert (attempt.decided, attempt.named, attempt.exact, attempt.correct) == (True, True, False, False)
    other = grade(item, replace(wrong, calls=(MadeCall("other", call.arguments),)), "free")
    assert (other.decided, other.named, other.valid) == (True, False, False)


def test_the_order_of_calls_does_not_matter_but_their_number_does() -> None:
    item = next(item for item in tool_items(range(4), 3) if len(item.calls) > 1)
    right = _right(item)
    assert grade(item, replace(right, calls=right.calls[::-1]), "free").exact
    assert not grade(item, replace(right, calls=(*right.calls, right.calls[0])), "free").exact
    assert not grade(item, replace(right, calls=right.calls[1:]), "free").exact


def test_a_call_that_cannot_be_read_counts_as_a_call_and_is_never_valid() -> None:
    item = next(item for item in ITEMS if item.calls)
    broken = replace(_right(item), calls=(MadeCall(item.calls[0].name, None),), is_broken=True)
    attempt = grade(item, broken, "free")
    assert (attempt.decided, attempt.named, attempt.valid, attempt.exact) == (True, True, False, False)


def test_a_call_where_none_fits_is_a_wrong_decision() -> None:
    item = next(item for item in ITEMS if item.kind == "talk")
    called = replace(_right(item), calls=(MadeCall(item.conversation.tools[0].name, {}),))
    attempts = [grade(item, reply, "free") for reply in (called, _right(item))]
    assert [attempt.correct for attempt in attempts] == [False, True]
    refrained = figures(attempts).refrained
    assert refrained is not None
    assert refrained.mean == 0.5
    assert figures(attempts).answered is None


def test_a_record_must_be_equal_and_is_valid_without_being_so() -> None:
    item = next(item for item in ITEMS if item.record is not None)
    assert item.record is not None
    changed = {key: "x" if isinstance(value, str) else value for key, value in item.record.items()}
    attempt = grade(item, replace(_right(item), text=json.dumps(changed)), "free")
    assert (attempt.valid, attempt.correct) == (True, False)
    assert not grade(item, replace(_right(item), text="{}"), "free").valid
    assert not grade(item, replace(_right(item), text="It is Anna."), "free").valid


@pytest.mark.parametrize(
    ("text", "answer", "is_said"),
    [
        ("It is 58.", "58", True),
        ("It is 581.", "58", False),
        ("It is 58.5.", "58", False),
        ("It is 158", "58", False),
        ("158 and 58", "58", True),
        ("The Motto is Bla.", "bla", True),
        ("blabla", "bla", False),
    ],
)
def test_an_answer_counts_only_as_words_of_its_own(text: str, answer: str, is_said: bool) -> None:
    assert says(text, answer) is is_said
