"""What was encoded before is not encoded again, means the same, and is nobody else's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.content import CacheControl, Conversation, TextBlock, Turn, conversation
from caesura.tokens.text_memory import TextMemory
from tests.tokens.conversations import any_text, chat_format, conversations
from tests.tokens.foreign_folders import FAMILIES, foreign_tokenizer
from tests.tokens.test_foreign_format import foreign

FORMAT = chat_format()


class Counting:
    """An encoder that notes what it was given."""

    def __init__(self, encode: Callable[[str], list[int]] = FORMAT.tokenizer.encode) -> None:
        self.texts: list[str] = []
        self._encode = encode

    def __call__(self, text: str) -> list[int]:
        self.texts.append(text)
        return self._encode(text)


def memory(max_bytes: int = 1_000_000) -> TextMemory:
    return TextMemory(FORMAT.tokenizer.vocab_size, max_bytes)


@given(conversations())
def test_a_prompt_is_the_same_with_and_without_memory(told: Conversation) -> None:
    texts = memory().of("")
    plain = FORMAT.render(told, opening=None)
    assert FORMAT.render(told, opening=None, texts=texts) == plain
    assert FORMAT.render(told, opening=None, texts=texts) == plain


@pytest.mark.parametrize("name", FAMILIES)
@given(texts=st.lists(any_text.filter(str.strip), min_size=3, max_size=3), marks=st.integers(0, 7))
def test_a_foreign_prompt_is_the_same_with_and_without_memory(
    name: str, texts: list[str], marks: int
) -> None:
    """marks: a bit for each text that a breakpoint follows."""
    mark = CacheControl(ttl="1h")
    blocks = [
        TextBlock(text=text, cache_control=mark if marks >> bit & 1 else None)
        for bit, text in enumerate(texts)
    ]
    told = Conversation(turns=(Turn(role="user", content=tuple(blocks[1:])),), system=(blocks[0],))
    known = TextMemory(foreign_tokenizer(name).vocab_size).of("")
    # What was known without marks must not stand in for what has them.
    bare = replace(told, system=(TextBlock(text=texts[0]),))
    foreign(name).render(bare, opening="answer", texts=known)
    plain = foreign(name).render(told, opening="answer")
    assert foreign(name).render(told, opening="answer", texts=known) == plain
    assert foreign(name).render(told, opening="answer", texts=known) == plain


@given(any_text)
def test_a_text_is_encoded_once(text: str) -> None:
    encode, texts = Counting(), memory().of("me")
    first = texts.ids(text, encode)
    assert texts.ids("".join(list(text)), encode) == first == tuple(FORMAT.tokenizer.encode(text))
    assert encode.texts == [text]


def test_a_text_that_grew_is_another_text() -> None:
    encode, texts = Counting(), memory().of("")
    texts.ids("two", encode)
    texts.ids("two and two", encode)
    assert encode.texts == ["two", "two and two"]


@given(st.tuples(any_text, any_text), st.tuples(any_text, any_text))
def test_nobody_profits_from_what_another_tenant_asked(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    encode, shared = Counting(), memory()
    for tenant, text in (first, second):
        shared.of(tenant).ids(text, encode)
    assert encode.texts == [text for _, text in dict.fromkeys((first, second))]


def test_a_foreign_tenant_does_not_profit_either() -> None:
    tokenizer = foreign_tokenizer("qwen3")
    shared = TextMemory(tokenizer.vocab_size)
    told = conversation(("user", "What is left?"))
    held: list[int] = []
    for tenant in ("a", "b", "b"):
        foreign("qwen3").render(told, opening="answer", texts=shared.of(tenant))
        held.append(shared.num_bytes)
    assert held == [held[0], 2 * held[0], 2 * held[0]]


def test_it_holds_no_more_than_it_may() -> None:
    small = memory(max_bytes=20_000)
    texts, encode = small.of(""), Counting()
    for number in range(200):
        texts.ids(f"{number} " * 20, encode)
        assert small.num_bytes <= 20_000
    texts.ids("199 " * 20, encode)
    texts.ids("0 " * 20, encode)
    assert encode.texts[200:] == ["0 " * 20]


def test_threads_may_share_it() -> None:
    shared = memory(max_bytes=30_000)
    wanted = {text: tuple(FORMAT.tokenizer.encode(text)) for text in (f"text {n} " * 9 for n in range(40))}
    wrong: list[str] = []

    def ask(tenant: str) -> None:
        for text, ids in list(wanted.items()) * 20:
            if shared.of(tenant).ids(text, FORMAT.tokenizer.encode) != ids:
                wrong.append(text)

    threads = [threading.Thread(target=ask, args=(f"tenant {number % 2}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert shared.num_bytes <= 30_000
