from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from caesura.engine.constraint import GrammarError
from caesura.engine.grammar import GrammarCompiler, GrammarLimits
from caesura.engine.grammar_sources import GrammarSource, calls_source, format_source
from caesura.messages.content import Tool
from caesura.messages.errors import InvalidRequestError, OverloadedError
from caesura.messages.request import OutputFormat, ToolChoice
from tests.engine.schemas.texts import PIECES, accepts, grammar, grammar_or_refusal, source, walker, written

ADD = Tool(
    name="add",
    input_schema={"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
)
LIST = Tool(name="list", input_schema={"type": "object"})


class Clock:
    """Stands still till it is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(**more: Any) -> GrammarCompiler:
    return GrammarCompiler(PIECES, **more)


@pytest.fixture
def compiler() -> Iterator[GrammarCompiler]:
    compiler = make()
    yield compiler
    compiler.close()


# Sources.


def test_the_source_of_a_format_knows_its_place_and_keeps_the_order_of_keys() -> None:
    found = format_source(OutputFormat(kind="xml", schema={"b": 1, "a": 2}))
    assert found == GrammarSource(kind="xml", text='{"b":1,"a":2}', path=("output_config.format.xml.schema",))
    assert format_source(OutputFormat(kind="regex", text="a+")).path == (
        "output_config.format.regex.pattern",
    )
    assert format_source(OutputFormat(kind="lark", text="start:")).path == (
        "output_config.format.lark.grammar",
    )


def test_the_source_of_calls_holds_the_tools_that_may_be_called() -> None:
    both = calls_source([ADD, LIST], ToolChoice(mode="auto"))
    assert both is not None
    assert both.path == ("tools.0.custom.input_schema", "tools.1.custom.input_schema")
    chosen = calls_source([ADD, LIST], ToolChoice(mode="tool", name="list"))
    assert chosen is not None
    assert (chosen.path, json.loads(chosen.text)[0]["name"]) == (("tools.1.custom.input_schema",), "list")
    assert calls_source([ADD], ToolChoice(mode="none")) is None
    assert calls_source([], ToolChoice(mode="auto")) is None


def test_half_a_character_is_refused_where_it_stands() -> None:
    for kind in ("json_schema", "xml", "yaml"):
        with pytest.raises(InvalidRequestError, match=rf"^output_config\.format\.{kind}\.schema: .*half"):
            format_source(OutputFormat(kind=kind, schema={"enum": ["\ud800"]}))
    with pytest.raises(InvalidRequestError, match=r"^output_config\.format\.regex\.pattern: .*half"):
        format_source(OutputFormat(kind="regex", text="\udfff"))
    with pytest.raises(InvalidRequestError, match=r"^tools: .*half"):
        calls_source([Tool(name="x", input_schema={"const": "\ud800"})], ToolChoice(mode="auto"))


def test_a_schema_that_nests_beyond_all_measure_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100_000):
        schema = {"not": schema}
    with pytest.raises(InvalidRequestError, match="nested too deep"):
        format_source(OutputFormat(kind="json_schema", schema=schema))


# Calls.


def test_a_call_is_a_name_and_the_arguments_of_that_tool() -> None:
    found = grammar("calls", [{"name": each.name, "schema": each.input_schema} for each in (ADD, LIST)])
    assert accepts(found, '{"name": "add", "arguments": {"a": 5}}')
    assert accepts(found, '\n{"name": "list", "arguments": {}}\n')
    assert not accepts(found, '{"name": "add", "arguments": {}}')
    assert not accepts(found, '{"name": "subtract", "arguments": {}}')
    assert not accepts(found, '{"arguments": {}, "name": "list"}')
    for text in written(found, 8):
        call = json.loads(text)
        assert call["name"] == "list" or isinstance(call["arguments"]["a"], int)


def test_arguments_are_an_object_whatever_the_schema_says() -> None:
    found = grammar("calls", [{"name": "any", "schema": {}}])
    assert accepts(found, '{"name": "any", "arguments": {}}')
    assert not accepts(found, '{"name": "any", "arguments": 5}')
    with pytest.raises(InvalidRequestError, match=r"^tools\.0\.type: contradicts"):
        grammar("calls", [{"name": "none", "schema": {"type": "string"}}])


def test_a_tool_that_cannot_be_enforced_is_named() -> None:
    bad = {"name": "b", "schema": {"type": "object", "properties": {"x": {"pattern": r"\b"}}}}
    with pytest.raises(InvalidRequestError, match=r"^tools\.1\.properties\.x\.pattern: .*word boundaries"):
        grammar("calls", [{"name": "a", "schema": {}}, bad])


# Grammars of the user's own.


def test_a_lark_grammar_is_followed() -> None:
    found = grammar("lark", 'start: greeting " " /[a-z]+/ "!"?\ngreeting: "hello" | "bye"i // who\n')
    assert accepts(found, "hello world!")
    assert accepts(found, "BYE x")
    assert not accepts(found, "hello")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('%llguidance {"no_forcing": false}\nstart: "a"', "settings are the server's"),
        ("start: <[7]>", "tokens cannot be named"),
        ("start: <|end|>", "tokens cannot be named"),
        ('start[stop="]"]: /.*/', "`stop` of a rule"),
        ("start: a\na[max_tokens=3]: /x*/", "`max_tokens`"),
        ("start: a\na[temperature=0.5]: /x*/", "`temperature`"),
        ('start: %json {"type": "array", "uniqueItems": true}', "json_schema"),
        ('start: "a', "cannot be enforced"),
        ("start: b", 'unknown name: "b"'),
        ("start: start", "cannot be enforced"),
        ("start: @other", "cannot be enforced"),
    ],
)
def test_a_lark_grammar_is_refused_with_its_place_and_a_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^schema: .*{why}"):
        grammar("lark", text)


def test_texts_and_comments_of_a_lark_grammar_may_spell_anything() -> None:
    found = grammar("lark", 'start: "<[7]>" /<|stop=/ # %llguidance <[7]>\n// stop=\n')
    assert accepts(found, "<[7]><")


def test_a_regular_expression_describes_the_whole_text() -> None:
    found = grammar("regex", r"[A-Z]{2}-\d+(/x)?")
    assert accepts(found, "AB-12/x")
    assert not accepts(found, "xAB-12")
    assert not accepts(found, "AB-12 ")


@pytest.mark.parametrize("pattern", ["(", r"\bword", r"(a)\1", "(?=a)", "a$b"])
def test_a_regular_expression_that_cannot_be_followed_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^schema: it cannot be enforced"):
        grammar("regex", pattern)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("regex", "(.*a.{30}){20}b.{40}c.{40}"),
        ("lark", "start: (a | b)*\na: /(.*x.{30}){12}y/\nb: /(.*y.{30}){12}x/"),
    ],
)
def test_what_takes_too_much_work_is_refused_or_followed_to_the_end(kind: Any, text: str) -> None:
    found = grammar_or_refusal(kind, text)
    if isinstance(found, InvalidRequestError):
        assert found.message.startswith("schema: it")
        return
    walker.write(found, random.Random(0), max_tokens=200)


# What is kept.


def test_the_same_source_is_read_once(clock: Clock) -> None:
    reads: list[float] = []

    def counted() -> float:
        reads.append(clock.now_s)
        return clock.now_s

    compiler = make(clock=counted)
    wanted = source("json_schema", {"type": "object", "properties": {"a": {"type": "string"}}})
    compiler.compile(wanted)
    after_one = len(reads)
    compiler.compile(wanted)
    assert len(reads) == after_one > 0
    compiler.close()


def test_a_refusal_is_kept_and_each_request_gets_its_own(compiler: GrammarCompiler) -> None:
    wanted = source("json_schema", {"type": "text"})
    errors = list[InvalidRequestError]()
    for _ in range(2):
        with pytest.raises(InvalidRequestError) as refused:
            compiler.compile(wanted)
        errors.append(refused.value)
    assert str(errors[0]) == str(errors[1])
    assert errors[0] is not errors[1]


def test_a_refusal_for_want_of_time_is_not_kept() -> None:
    clock = Clock()
    is_hurried = True

    def ticking() -> float:
        clock.now_s += 1.0 if is_hurried else 0.0
        return clock.now_s

    compiler = make(clock=ticking)
    # Small schemas are read between two looks at the clock.
    names = [f"field_{number}" for number in range(300)]
    wanted = source(
        "json_schema", {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    )
    with pytest.raises(InvalidRequestError, match="not compiled within 2 s"):
        compiler.compile(wanted)
    is_hurried = False
    assert accepts(compiler.compile(wanted), '{"field_7":"x"}')
    compiler.close()


def test_a_trial_that_was_too_slow_is_repeated() -> None:
    work = Clock()
    step_s = 1.0

    def working() -> float:
        work.now_s += step_s
        return work.now_s

    compiler = make(clock=working)
    wanted = source("regex", "[a-z]+0")
    with pytest.raises(InvalidRequestError, match=r"^schema: it takes too much work to enforce: 24 tokens"):
        compiler.compile(wanted)
    step_s = 0.0
    assert accepts(compiler.compile(wanted), "abc0")
    compiler.close()


def test_a_grammar_that_is_too_long_is_refused() -> None:
    compiler = make(limits=GrammarLimits(max_characters=500))
    with pytest.raises(
        InvalidRequestError, match=r"^schema: it cannot be enforced: its grammar has \d+ characters"
    ):
        compiler.compile(source("json_schema", {"enum": [f"value {number}" for number in range(100)]}))
    compiler.close()


# At once.


async def test_many_are_compiled_at_once(compiler: GrammarCompiler) -> None:
    wanted = [source("json_schema", {"const": number % 10}) for number in range(30)]
    found = await asyncio.gather(*map(compiler.compiled, wanted))
    assert all(accepts(each, str(number % 10)) for number, each in enumerate(found))


class Gate:
    """A clock at which a compilation waits."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.is_open = threading.Event()

    def __call__(self) -> float:
        self.reached.set()
        assert self.is_open.wait(30)
        return 0.0


async def test_too_many_that_wait_are_turned_away_and_places_come_back() -> None:
    gate = Gate()
    compiler = make(clock=gate, limits=GrammarLimits(num_workers=1, max_waiting=2))
    waiting = [asyncio.ensure_future(compiler.compiled(source("regex", each))) for each in "ab"]
    await asyncio.to_thread(gate.reached.wait, 30)
    with pytest.raises(OverloadedError, match="2 grammars wait already"):
        await compiler.compiled(source("regex", "c"))
    waiting[1].cancel()
    await asyncio.wait([waiting[1]])
    third = asyncio.ensure_future(compiler.compiled(source("regex", "c")))
    gate.is_open.set()
    assert accepts(await waiting[0], "a")
    assert accepts(await third, "c")
    assert waiting[1].cancelled()
    compiler.close()


async def test_a_refusal_gives_its_place_back() -> None:
    compiler = make(limits=GrammarLimits(max_waiting=1))
    for _ in range(3):
        with pytest.raises(InvalidRequestError):
            await compiler.compiled(source("regex", "("))
    assert accepts(await compiler.compiled(source("regex", "a")), "a")
    compiler.close()


def test_one_request_cannot_exhaust_another(compiler: GrammarCompiler) -> None:
    """What one matcher learns counts against its own grammar's limit."""
    wanted = source("json_schema", {"type": "string", "pattern": "^[ab]*a[ab]{9}$"})
    for seed in range(20):
        found = compiler.compile(wanted)
        try:
            walker.write(found, random.Random(seed), max_tokens=100)
        except GrammarError as error:
            raise AssertionError(f"after {seed} others") from error
