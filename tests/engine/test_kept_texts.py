from __future__ import annotations

import threading
from dataclasses import replace

from caesura.engine.grammar_sources import GrammarSource
from caesura.engine.grammar_text import GrammarText
from caesura.engine.kept_texts import KeptTexts
from caesura.messages.errors import InvalidRequestError


def source(text: str, path: str = "p") -> GrammarSource:
    return GrammarSource(kind="regex", text=text, path=(path,))


def text(size: int) -> GrammarText:
    return GrammarText(text="x" * size)


def test_what_is_kept_is_found_by_kind_place_and_text() -> None:
    kept = KeptTexts(10_000)
    kept.keep(source("a"), known := text(5))
    assert kept.find(source("a")) is known
    assert kept.find(source("b")) is None
    assert kept.find(source("a", "q")) is None
    assert kept.find(GrammarSource(kind="lark", text="a", path=("p",))) is None


def test_what_is_kept_for_one_tenant_is_not_found_by_another() -> None:
    kept = KeptTexts(10_000)
    kept.keep(mine := replace(source("a"), tenant="mine"), known := text(5))
    assert kept.find(mine) is known
    assert kept.find(replace(mine, tenant="yours")) is None
    assert kept.find(source("a")) is None


def test_a_refusal_is_kept_as_well() -> None:
    kept = KeptTexts(10_000)
    kept.keep(source("a"), refused := InvalidRequestError("p: no"))
    assert kept.find(source("a")) is refused


def test_the_longest_unused_leave_first() -> None:
    kept = KeptTexts(10_000)
    for name in "abc":
        kept.keep(source(name), text(3000))
    assert kept.find(source("a")) is not None
    kept.keep(source("d"), text(3000))
    assert kept.find(source("b")) is None
    assert all(kept.find(source(name)) for name in "acd")


def test_the_first_of_two_equal_ones_stays() -> None:
    kept = KeptTexts(10_000)
    kept.keep(source("a"), first := text(3000))
    kept.keep(source("a"), text(4000))
    assert kept.find(source("a")) is first


def test_small_ones_count_too_so_their_number_is_limited() -> None:
    kept = KeptTexts(10_000)
    for number in range(100):
        kept.keep(source(str(number)), InvalidRequestError("p: no"))
    assert sum(kept.find(source(str(number))) is not None for number in range(100)) == 10


def test_what_is_larger_than_the_memory_is_not_kept() -> None:
    kept = KeptTexts(10_000)
    kept.keep(source("a"), text(10_001))
    assert kept.find(source("a")) is None
    kept.keep(source("b"), text(10))
    assert kept.find(source("b")) is not None


def test_many_threads_may_use_it_at_once() -> None:
    kept, failures = KeptTexts(50_000), list[BaseException]()

    def work(seed: int) -> None:
        try:
            for number in range(300):
                kept.keep(source(str(number * seed % 97)), text(2000))
                kept.find(source(str(number)))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
