"""Answers that cite, from the engine: what exists can be named and nothing else, whatever is sampled."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.cli.bundled import bundled_folder
from caesura.engine import EngineConfig, LoadedModel, LocalClient
from caesura.engine.citation_grammar import citation_grammar
from caesura.engine.constraint import BitBlock, BitRow, Constraint
from caesura.engine.core import Finished
from caesura.engine.grammar import GrammarCompiler
from caesura.engine.grammar_sources import GrammarSource, citations_source
from caesura.engine.loading import load
from caesura.engine.sequence import SequenceRequest
from caesura.engine.token_grammar import TokenGrammar
from caesura.messages.chunks import sources_of
from caesura.messages.cited_events import CitedEvents
from caesura.messages.cited_text import CitedTextReader
from caesura.messages.cleared_sources import places_in
from caesura.messages.content import Conversation, TextBlock, Turn
from caesura.messages.errors import InvalidRequestError
from caesura.messages.events import Event
from caesura.messages.fold import MessageFold, fold
from caesura.messages.request import MessagesRequest, OutputFormat, Sampling, Thinking
from caesura.messages.response import Message
from caesura.tokens.stop_sequences import StopMatcher
from tests.engine.conftest import EngineFactory
from tests.messages.reading import asked, conversations, found, paged, plain
from tests.messages.test_citations import holds, text_events
from tests.tokens.conversations import chat_format

TOLD = asked(plain(), paged("One. Two.", "Three."), found("a", "b"))
BYTES = chat_format().tokenizer.token_bytes


@pytest.fixture(scope="module")
def compiler() -> Iterator[GrammarCompiler]:
    compiler = GrammarCompiler(BYTES)
    yield compiler
    compiler.close()


def accepts(grammar: TokenGrammar, text: str) -> bool:
    """Whether a whole text is one of the grammar's, byte by byte."""
    single = {piece: token for token, piece in enumerate(BYTES) if len(piece) == 1}
    matcher, row = grammar.matcher(), chat_row()
    for byte in text.encode():
        matcher.allow(row)
        token = single[bytes([byte])]
        if not row.bits[token >> 5] >> (token & 31) & 1:
            return False
        matcher.advance(token)
    return matcher.allow(row).may


def chat_row() -> BitRow:
    """Bits for the vocabulary."""
    return BitBlock(1, len(BYTES)).rows[0]


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 20, 99, 100, 101, 112])
def test_exactly_the_ranges_that_exist_can_be_named(compiler: GrammarCompiler, count: int) -> None:
    grammar = compiler.compile(GrammarSource(kind="citations", text=f"[0, {count}]", path=("messages",)))
    for first in {0, 1, 8, 9, 10, 11, 19, 20, 90, 98, 99, 100, 101, 110, count - 1, count, count + 1}:
        for more in (0, 1, 5, 9, 10):
            named = f"1:{first}+{more}" if more else f"1:{first}"
            is_there = first + more < count and more <= 9
            assert accepts(grammar, f"<cite {named}>x</cite>") == is_there, named
    assert not accepts(grammar, "<cite 0:0>x</cite>")
    assert not accepts(grammar, "<cite 1:00>x</cite>")
    assert not accepts(grammar, "<cite 2:0>x</cite>")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("", True),
        ("free text, 1 < 2 and <b>", True),
        ("a <cit", True),
        ("a <\\cite 0:0>b<\\/cite>", True),
        ("a <cite 0:0,1:1,0:2>b c</cite> d<cite 0:1>é</cite>", True),
        ("<<cite 0:0>a <</cite>", True),
        ("a <cite", False),
        ("a </cite>", False),
        ("<cite 0:0>a", False),
        ("<cite 0:0></cite>", False),
        ("<cite 0:0> a</cite>", False),
        ("<cite 0:0>a\u00a0</cite>", False),
        ("<cite 0:0>a<cite 0:0>b</cite></cite>", False),
        ("<cite 0:0,0:1,0:2,1:0>a</cite>", False),
    ],
)
def test_markers_stand_where_they_mean_something(compiler: GrammarCompiler, text: str, is_one: bool) -> None:
    grammar = compiler.compile(citations_source(sources_of(asked(plain(), found("a", "b")))))
    assert accepts(grammar, text) == is_one


def test_where_nothing_can_be_cited_there_are_no_markers(compiler: GrammarCompiler) -> None:
    grammar = compiler.compile(citations_source(sources_of(asked(paged("", " ")))))
    assert accepts(grammar, "free")
    assert not accepts(grammar, "<cite 0:0>a</cite>")


def test_many_chunks_make_no_large_grammar() -> None:
    assert len(citation_grammar([100_000] * 100)) < 50_000


@settings(max_examples=60, deadline=None)
@given(conversations, st.integers(0, 2**32))
def test_whatever_the_grammar_lets_through_is_read_as_it_is_meant(
    compiler: GrammarCompiler, told: Conversation, seed: int
) -> None:
    sources = sources_of(told)
    matcher, row, dice = (
        compiler.compile(citations_source(sources)).matcher(),
        chat_row(),
        random.Random(seed),
    )
    written = b""
    wanted = (*b"<cite 0:1+,>/", *b"<<<")
    for _ in range(120):
        matcher.allow(row)
        allowed = np.flatnonzero(np.unpackbits(row.bits.view(np.uint8), bitorder="little"))
        liked = [token for token in allowed if BYTES[token][:1] and BYTES[token][0] in wanted]
        token = int(dice.choice(liked if liked and dice.random() < 0.8 else list(allowed)))
        matcher.advance(token)
        written += BYTES[token]
    text = written.decode("utf-8", errors="ignore")
    reader = CitedTextReader(sources)
    pieces = [*reader.feed(text), *reader.finish()]
    # Every marker was understood: none is left in what is shown, but for escaped ones.
    markers = text.count("<cite ")
    assert len({piece.span for piece in pieces if piece.ranges}) >= markers - 1
    assert all(len(piece.ranges) <= 3 for piece in pieces)


@pytest.fixture
def client(loaded: LoadedModel) -> Iterator[LocalClient]:
    client = LocalClient({"tiny": loaded}, EngineConfig(num_pages=40, num_threads=1))
    yield client
    client.close()


def request_of(told: Conversation, **fields: object) -> MessagesRequest:
    given = {"model": "tiny", "conversation": told, "max_tokens": 40, "sampling": Sampling(seed=3)} | fields
    return MessagesRequest(**given)  # pyright: ignore[reportArgumentType]


async def whole(stream: AsyncIterator[Event]) -> Message:
    return fold([event async for event in stream])


async def test_counting_is_billing(client: LocalClient) -> None:
    for told in (asked(plain()), asked(found("a", "b"), paged("x"))):
        request = request_of(told)
        message = await whole(client.stream(request))
        assert message.usage.prompt_tokens == await client.count_tokens(request)


async def test_of_a_cleared_source_nothing_is_read_or_cited_and_its_number_is_kept(
    client: LocalClient, compiler: GrammarCompiler
) -> None:
    told = asked(*places_in([plain()]), found("a", "b"))
    request = request_of(told)
    counted = await client.count_tokens(request)
    message = await whole(client.stream(request))
    assert message.usage.prompt_tokens == counted
    # A number of one digit takes one token, whichever it is.
    assert counted == await client.count_tokens(request_of(asked(found("a", "b"))))
    grammar = compiler.compile(citations_source(sources_of(told)))
    assert accepts(grammar, "<cite 1:0>x</cite>")
    assert not accepts(grammar, "<cite 0:0>x</cite>")


async def test_whatever_is_sampled_the_reply_is_sound(client: LocalClient) -> None:
    told = asked(plain("A. B. C."))
    for seed in range(8):
        request = request_of(told, sampling=Sampling(seed=seed), thinking=Thinking(mode="adaptive"))
        message = await whole(client.stream(request))
        texts = [block for block in message.content if isinstance(block, TextBlock)]
        assert all(block.text for block in texts)
        assert all(holds(told, citation) for block in texts for citation in block.citations)


async def test_a_form_and_citations_exclude_each_other(client: LocalClient) -> None:
    request = request_of(asked(plain()), output_format=OutputFormat(kind="regex", text="a+"))
    with pytest.raises(InvalidRequestError, match=r"^output_config\.format: Citations cannot be enabled"):
        await whole(client.stream(request))


async def test_a_beginning_of_an_answer_is_gone_on_with(client: LocalClient) -> None:
    begun = Turn(role="assistant", content=(TextBlock(text="It is"),))
    told = asked(plain("A. B."))
    message = await whole(client.stream(request_of(Conversation(turns=(*told.turns, begun)))))
    assert message.usage.output_tokens > 0


def cited_request(loaded: LoadedModel, lark: str, **fields: object) -> SequenceRequest:
    """A reply of the grammar's form to `TOLD`."""
    prompt = loaded.chat_format.render(TOLD, opening="answer")
    compiler = GrammarCompiler(loaded.tokenizer.token_bytes)
    grammar = compiler.compile(GrammarSource(kind="lark", text=lark, path=("x",)))
    compiler.close()
    given = {"prompt": prompt.ids, "max_tokens": 120, "sources": prompt.sources} | fields
    return SequenceRequest(constraint=Constraint(answer=grammar), **given)  # pyright: ignore[reportArgumentType]


async def replied(make_engine: EngineFactory, request: SequenceRequest) -> tuple[MessageFold, Finished]:
    stream, folding = make_engine().submit(request), MessageFold()
    async for news in stream:
        if isinstance(news, Finished):
            return folding, news
        folding.add(news)
    raise AssertionError("it never ended")


async def test_a_models_markers_become_citations(make_engine: EngineFactory, loaded: LoadedModel) -> None:
    lark = 'start: "So " T " end."\nT: "<cite 0:1,1:0+2>" /[a-z]{3}/ "</cite>"\n'
    folding, finished = await replied(make_engine, cited_request(loaded, lark))
    free, cited, rest = folding.content
    assert (free, rest) == (TextBlock(text="So "), TextBlock(text=" end."))
    assert isinstance(cited, TextBlock)
    assert [each.cited_text for each in cited.citations] == ["The sky is blue.", "One. Two.\nThree."]
    assert finished.reason == "end"
    # What is cited costs nothing: fewer tokens were written than it has characters.
    assert finished.usage.output_tokens == len(finished.output) < 60


@pytest.mark.parametrize(
    ("stop", "texts"),
    [
        ("cite", ["a ", "b c d", " e"]),
        ("0:", ["a ", "b c d", " e"]),
        ("c d", ["a ", "b "]),
        ("d e", ["a ", "b c "]),
    ],
)
async def test_stop_sequences_are_looked_for_in_what_is_shown(
    make_engine: EngineFactory, loaded: LoadedModel, stop: str, texts: list[str]
) -> None:
    lark = 'start: "a <cite 0:0>b c d</cite> e"\n'
    folding, finished = await replied(make_engine, cited_request(loaded, lark, stop_sequences=(stop,)))
    assert [block.text for block in folding.content if isinstance(block, TextBlock)] == texts
    assert finished.stop_sequence == (stop if len(texts) < 3 else None)


async def test_a_reply_that_is_cut_within_a_marker_shows_none_of_it(
    make_engine: EngineFactory, loaded: LoadedModel
) -> None:
    lark = 'start: "a <cite 0:0>b</cite>"\n'
    for max_tokens in range(1, 12):
        folding, _ = await replied(make_engine, cited_request(loaded, lark, max_tokens=max_tokens))
        text = "".join(block.text for block in folding.content if isinstance(block, TextBlock))
        assert "a b".startswith(
            text.removesuffix("<").removesuffix("<c").removesuffix("<ci").removesuffix("<cit")
        )
        assert "<cite" not in text


def test_a_stop_sequence_may_reach_over_the_border_of_a_citation() -> None:
    for size in (1, 2, 50):
        stage = CitedEvents(sources_of(TOLD), lambda: StopMatcher(["green and"]))
        folding = MessageFold()
        for event in [
            *stage.feed(text_events("is <cite 0:0>dark green</cite> and blue", size)),
            *stage.finish(),
        ]:
            folding.add(event)
        assert [block.text for block in folding.content if isinstance(block, TextBlock)] == ["is ", "dark "]
        assert stage.stop_sequence == "green and"


async def test_nano_keeps_to_the_form() -> None:
    loaded = load(bundled_folder())
    assert (loaded.info.can_cite, loaded.info.can_read_pdf) == (True, True)
    client = LocalClient({"nano": loaded}, EngineConfig(num_pages=64, num_threads=1))
    try:
        for seed in range(3):
            request = request_of(TOLD, model="nano", sampling=Sampling(seed=seed), max_tokens=60)
            message = await whole(client.stream(request))
            assert message.usage.prompt_tokens == await client.count_tokens(request)
            texts = [block for block in message.content if isinstance(block, TextBlock)]
            assert texts
            assert all(holds(TOLD, citation) for block in texts for citation in block.citations)
            turns = (*TOLD.turns, Turn(role="assistant", content=message.content), *asked(plain()).turns)
            again = await whole(client.stream(request_of(Conversation(turns=turns), model="nano")))
            assert again.usage.prompt_tokens > message.usage.prompt_tokens
    finally:
        client.close()
