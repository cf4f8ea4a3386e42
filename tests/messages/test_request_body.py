"""A request written as a body reads back as the same request."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.content import (
    Block,
    CacheControl,
    Conversation,
    ImageBlock,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    conversation,
)
from caesura.messages.context_management import (
    Compaction,
    ContextEdit,
    ThinkingClearing,
    ToolUseClearing,
    Trigger,
)
from caesura.messages.request import (
    Diagnostics,
    Display,
    MessagesRequest,
    OutputFormat,
    Sampling,
    Thinking,
    ToolChoice,
)
from caesura.messages.request_body import count_body, request_body
from caesura.messages.typed_tools import typed_tool
from caesura.messages.validation import parse_count_request, parse_json, parse_request
from tests.messages.pictures import gif, png

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TEXT = ANY_TEXT.filter(lambda text: bool(text.strip()))
TEXT_BLOCKS = st.builds(TextBlock, text=TEXT)
IMAGES = st.sampled_from(
    [ImageBlock(media_type="image/png", data=png(4, 2)), ImageBlock(media_type="image/gif", data=gif(1, 9))]
)
USER_BLOCKS: st.SearchStrategy[Block] = st.one_of(TEXT_BLOCKS, IMAGES)
RESULTS = st.lists(st.one_of(st.builds(TextBlock, text=ANY_TEXT.filter(bool)), IMAGES), max_size=3).map(tuple)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=5,
)
INPUTS = st.dictionaries(ANY_TEXT, JSON, max_size=3)
SCREEN = {"display_height_px": 10, "display_width_px": 20}
TYPED = [
    typed_tool("bash_20250124"),
    typed_tool("text_editor_20250728", {"max_characters": 10}),
    typed_tool("computer_20251124", {**SCREEN, "enable_zoom": True}),
    typed_tool("memory_20250818"),
]
FORMATS = st.one_of(
    st.none(),
    st.builds(OutputFormat, kind=st.sampled_from(["json_schema", "xml", "yaml"]), schema=INPUTS),
    st.builds(OutputFormat, kind=st.sampled_from(["lark", "regex"]), text=TEXT),
)
ASSISTANT_BLOCKS: st.SearchStrategy[Block] = st.one_of(
    TEXT_BLOCKS,
    st.builds(ThinkingBlock, thinking=ANY_TEXT, signature=ANY_TEXT),
    st.builds(RedactedThinkingBlock, data=ANY_TEXT),
)


@st.composite
def called(draw: st.DrawFn, position: int) -> tuple[ToolUseBlock, ...]:
    """Calls with ids that no other turn has."""
    inputs = draw(st.lists(INPUTS, max_size=2))
    return tuple(
        ToolUseBlock(id=f"toolu_{position}_{index}", name="look_up", input=value)
        for index, value in enumerate(inputs)
    )


@st.composite
def answered(draw: st.DrawFn, calls: tuple[ToolUseBlock, ...]) -> tuple[Block, ...]:
    """A result for each call, and now and then something after them."""
    results = [
        ToolResultBlock(tool_use_id=call.id, content=draw(RESULTS), is_error=draw(st.booleans()))
        for call in draw(st.permutations(calls))
    ]
    return (*results, *draw(st.lists(USER_BLOCKS, max_size=1)))


@st.composite
def tools(draw: st.DrawFn) -> tuple[Tool, ...]:
    """Tools of one's own and typed ones, none of them twice."""
    names = draw(st.lists(st.from_regex(r"own_[a-zA-Z0-9_-]{1,9}", fullmatch=True), max_size=2, unique=True))
    own = [
        Tool(
            name=name,
            input_schema={**draw(INPUTS), "type": "object"},
            description=draw(ANY_TEXT),
            strict=draw(st.booleans()),
        )
        for name in names
    ]
    return (*own, *draw(st.lists(st.sampled_from(TYPED), max_size=2, unique_by=lambda tool: tool.name)))


def choices(given: tuple[Tool, ...], *, can_force: bool) -> st.SearchStrategy[ToolChoice]:
    """What may be asked of these tools."""
    if not given:
        return st.sampled_from([ToolChoice(), ToolChoice(mode="none")])
    parallel = st.booleans()
    free = st.builds(ToolChoice, is_parallel=parallel) | st.just(ToolChoice(mode="none"))
    named = st.builds(
        ToolChoice,
        mode=st.just("tool"),
        name=st.sampled_from([tool.name for tool in given]),
        is_parallel=parallel,
    )
    forced = st.builds(ToolChoice, mode=st.just("any"), is_parallel=parallel) | named
    return free | forced if can_force else free


@st.composite
def turns(draw: st.DrawFn) -> tuple[Turn, ...]:
    """User and assistant in turn, now and then a system turn between them; the user last."""
    made: list[Turn] = []
    for _ in range(draw(st.integers(0, 3))):
        made.append(Turn(role="user", content=tuple(draw(st.lists(USER_BLOCKS, min_size=1, max_size=3)))))
        if draw(st.booleans()):
            made.append(Turn(role="system", content=(draw(TEXT_BLOCKS),)))
        blocks = tuple(draw(st.lists(ASSISTANT_BLOCKS, min_size=1, max_size=3)))
        calls = draw(called(len(made)))
        made.append(Turn(role="assistant", content=(*blocks, *calls)))
        if calls:
            made.append(Turn(role="user", content=draw(answered(calls))))
            made.append(Turn(role="assistant", content=blocks))
    return (*made, Turn(role="user", content=(draw(TEXT_BLOCKS),)))


@st.composite
def requests(draw: st.DrawFn) -> MessagesRequest:
    max_tokens = draw(st.integers(2, 1000))
    displays: list[Display] = ["summarized", "omitted"]
    display = draw(st.sampled_from(displays))
    budget = draw(st.integers(1, max_tokens - 1))
    thinking = draw(
        st.sampled_from(
            [
                Thinking(),
                Thinking(mode="enabled", budget_tokens=budget, display=display),
                Thinking(mode="adaptive", display=display),
            ]
        )
    )
    unit = st.floats(0, 1)
    given = draw(tools())
    sampling = Sampling(
        temperature=draw(unit),
        top_p=draw(unit),
        top_k=draw(st.none() | st.integers(1, 100)),
        seed=draw(st.none() | st.integers(0, 2**63 - 1)),
    )
    return MessagesRequest(
        model=draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)),
        conversation=Conversation(
            turns=draw(turns()), system=tuple(draw(st.lists(TEXT_BLOCKS, max_size=2))), tools=given
        ),
        max_tokens=max_tokens,
        sampling=Sampling(seed=sampling.seed) if thinking.mode == "enabled" else sampling,
        thinking=thinking,
        effort=draw(st.sampled_from(["low", "medium", "high", "xhigh", "max"])),
        tool_choice=draw(choices(given, can_force=thinking.mode != "enabled")),
        output_format=draw(FORMATS),
        stop_sequences=tuple(draw(st.lists(TEXT, max_size=3))),
        stream=draw(st.booleans()),
        user_id=draw(st.none() | ANY_TEXT),
        diagnostics=draw(
            st.none() | st.builds(Diagnostics, previous_message_id=st.none() | st.just("msg_1"))
        ),
    )


@given(requests())
def test_a_request_survives_its_body(request: MessagesRequest) -> None:
    assert parse_request(parse_json(json.dumps(request_body(request)).encode())) == request


@given(requests())
def test_a_request_to_count_survives_its_body(request: MessagesRequest) -> None:
    counted = parse_count_request(parse_json(json.dumps(count_body(request)).encode()))
    assert counted.conversation == request.conversation
    assert counted.tool_choice == request.tool_choice
    assert counted.output_format == request.output_format
    assert counted.thinking == request.thinking


def test_cache_breakpoints_survive() -> None:
    block = TextBlock(text="a", cache_control=CacheControl(ttl="1h"))
    request = MessagesRequest(
        model="m",
        conversation=Conversation(turns=(Turn(role="user", content=(block,)),), system=(block,)),
        max_tokens=5,
    )
    assert parse_request(request_body(request)) == request


def test_cache_breakpoints_on_tools_calls_results_and_pictures_survive() -> None:
    mark = CacheControl(ttl="1h")
    call = ToolUseBlock(id="t", name="f", input={}, cache_control=mark)
    result = ToolResultBlock(tool_use_id="t", cache_control=mark)
    picture = ImageBlock(media_type="image/png", data=png(1, 1), cache_control=mark)
    turns = (
        Turn(role="user", content=(picture,)),
        Turn(role="assistant", content=(call,)),
        Turn(role="user", content=(result,)),
    )
    tool = Tool(name="f", input_schema={"type": "object"}, cache_control=mark)
    request = MessagesRequest(model="m", conversation=Conversation(turns=turns, tools=(tool,)), max_tokens=5)
    assert parse_request(request_body(request)) == request


def test_examples_of_a_typed_tool_survive() -> None:
    sent = {"type": "bash_20250124", "name": "bash", "input_examples": [{"command": "ls"}]}
    hi = [{"role": "user", "content": "hi"}]
    request = parse_request({"model": "m", "max_tokens": 5, "messages": hi, "tools": [sent]})
    assert parse_request(request_body(request)) == request


def test_what_stands_at_its_default_is_left_out() -> None:
    request = MessagesRequest(model="m", conversation=conversation(("user", "hi")), max_tokens=5)
    assert set(request_body(request)) == {"model", "messages", "max_tokens", "stream"}


@pytest.mark.parametrize(
    "edit",
    [
        ThinkingClearing(),
        ThinkingClearing(num_kept_turns=None),
        Compaction(),
        Compaction(trigger_tokens=60_000, pauses=True, instructions="Be brief."),
        ToolUseClearing(),
        ToolUseClearing(
            trigger=Trigger(kind="tool_uses", value=9),
            num_kept=0,
            min_cleared_tokens=100,
            excluded_tools=("f",),
            clears_inputs=("g",),
        ),
        ToolUseClearing(clears_inputs=True),
    ],
)
def test_context_edits_survive(edit: ContextEdit) -> None:
    request = MessagesRequest(
        model="m",
        conversation=Conversation(turns=(Turn(role="user", content=(TextBlock(text="a"),)),)),
        max_tokens=5,
        thinking=Thinking(mode="adaptive"),
        context_edits=(edit,),
    )
    assert parse_request(request_body(request)) == request
    assert parse_count_request(count_body(request)).context_edits == (edit,)
