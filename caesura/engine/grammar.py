"""Grammars compiled for one vocabulary.

A source becomes the text of a grammar (for schemas by our own reading of them, `schemas/compiling.py`), and
the text a matcher. The text is kept for the next request with the same source; the matcher is made anew for
each request, because what llguidance learns about a grammar is shared by a matcher's copies, counts against
one limit, and would let one request exhaust another's. All of it happens on threads of its own and ends in
time: our own steps are counted, llguidance's are limited and taken without the interpreter's lock. What
cannot be enforced is refused by name, before any token.
Enters: a vocabulary's bytes; sources. Leaves: grammars. Read next: `grammar_sources.py`, `grammar_text.py`,
`token_grammar.py`.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from caesura.engine.constraint import GrammarError
from caesura.engine.grammar_sources import GrammarSource
from caesura.engine.grammar_text import GrammarText, Risk, grammar_text
from caesura.engine.kept_texts import KeptTexts
from caesura.engine.schemas.refusal import Effort
from caesura.engine.token_grammar import TokenGrammar, Vocabulary
from caesura.messages.errors import InvalidRequestError, OverloadedError

# llguidance follows rules to their depth on the stack; so deep that its own limits come first.
_STACK_BYTES = 256 << 20

# A risky terminal is tried for so many tokens, as one sampler among many would write them.
_TRIAL_TOKENS = 24
_TRIAL_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class GrammarLimits:
    """What a grammar may cost.

    deadline_s: seconds of work until it is compiled.
    max_steps: of reading a schema. Real ones take up to some thousand.
    max_characters: of the grammar's text. max_kept_characters: of all texts that are kept.
    max_lexer_states: of one request; each takes one or two kilobytes.
    num_workers: threads that compile. max_waiting: sources that wait for them.
    """

    deadline_s: float = 2.0
    max_steps: int = 100_000
    max_characters: int = 4_000_000
    max_kept_characters: int = 64_000_000
    max_lexer_states: int = 50_000
    num_workers: int = 2
    max_waiting: int = 32


class GrammarCompiler:
    """Compiles grammars for one vocabulary. Safe on any thread."""

    def __init__(
        self,
        token_bytes: Sequence[bytes],
        *,
        markers: Collection[int] = (),
        marks: Collection[int] = (),
        limits: GrammarLimits = GrammarLimits(),
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """token_bytes, markers, marks: see `Vocabulary`. clock: seconds that the thread has worked, so that a
        busy machine makes no schema invalid.
        """
        self._token_bytes = token_bytes
        self._markers = markers
        self._marks = marks
        self._limits = limits
        self._clock = clock
        self._texts = KeptTexts(limits.max_kept_characters)
        self._workers = _deep_workers(limits.num_workers)
        self._num_waiting = 0

    def prepare(self) -> None:
        """Sort the vocabulary in the background."""
        self._workers.submit(lambda: self._vocabulary)

    async def compiled(self, source: GrammarSource) -> TokenGrammar:
        """The grammar of a source, while the event loop goes on. Raises ApiError as `compile` does."""
        if self._num_waiting >= self._limits.max_waiting:
            raise OverloadedError(f"Overloaded: {self._num_waiting} grammars wait already; try again later")
        self._num_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, self._compile, source)
        finally:
            self._num_waiting -= 1

    def compile(self, source: GrammarSource) -> TokenGrammar:
        """The grammar of a source. Raises InvalidRequestError naming what cannot be enforced."""
        return self._workers.submit(self._compile, source).result()

    def close(self) -> None:
        """Compile nothing further."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self._token_bytes, self._markers, self._marks)

    def _compile(self, source: GrammarSource) -> TokenGrammar:
        # Sorting a large vocabulary, which happens once, must not count against a deadline.
        _ = self._vocabulary
        text = self._texts.find(source)
        if text is None:
            text = self._read(source)
        if isinstance(text, InvalidRequestError):
            raise InvalidRequestError(text.message)
        try:
            return self._grammar(text.text)
        except GrammarError as error:
            raise _refusal(source, str(error)) from error

    def _read(self, source: GrammarSource) -> GrammarText | InvalidRequestError:
        """The text of a grammar, tried; or why there is none, which will be asked again as well."""
        effort = Effort(
            max_steps=self._limits.max_steps, deadline_s=self._limits.deadline_s, clock=self._clock
        )
        try:
            text = grammar_text(source, effort)
            num_characters, limit = len(text.text), self._limits.max_characters
            if num_characters > limit:
                raise _refusal(source, f"its grammar has {num_characters} characters, over {limit}")
            for risk in text.risks:
                self._try(risk, text.text, effort)
        except InvalidRequestError as refused:
            if effort.left_s and not isinstance(refused, _TooSlowError):
                self._texts.keep(source, refused)
            return refused
        self._texts.keep(source, text)
        return text

    def _grammar(self, text: str) -> TokenGrammar:
        return self._vocabulary.grammar(text, max_lexer_states=self._limits.max_lexer_states)

    def _try(self, risk: Risk, text: str, effort: Effort) -> None:
        """Follow a terminal for a few tokens, to find out whether it can be followed in time."""
        dice, row, start_s = random.Random(0), self._vocabulary.row(), self._clock()
        try:
            matcher = self._grammar(risk.grammar(text)).matcher()
        except GrammarError as error:
            raise InvalidRequestError(f"{risk.path}: it cannot be enforced: {error}") from error
        try:
            for _ in range(_TRIAL_TOKENS):
                if matcher.allow(row).must:
                    return
                ids = np.flatnonzero(np.unpackbits(row.bits.view(np.uint8), bitorder="little"))
                matcher.advance(int(dice.choice(ids)))
                if self._clock() - start_s > _TRIAL_S or not effort.left_s:
                    why = f"{_TRIAL_TOKENS} tokens take over {_TRIAL_S:g} s"
                    raise _TooSlowError(f"{risk.path}: it takes too much work to enforce: {why}")
        except GrammarError as error:
            raise InvalidRequestError(f"{risk.path}: it takes too much work to enforce: {error}") from error


class _TooSlowError(InvalidRequestError):
    """A refusal that another time, or another machine, might not repeat."""


def _refusal(source: GrammarSource, why: str) -> InvalidRequestError:
    path = "tools" if source.kind == "calls" else source.path[0]
    return InvalidRequestError(f"{path}: it cannot be enforced: {why}")


def _deep_workers(num_workers: int) -> ThreadPoolExecutor:
    """A pool whose threads, all started here, have deep stacks."""
    everyone = threading.Barrier(num_workers + 1)
    before = threading.stack_size(_STACK_BYTES)
    try:
        workers = ThreadPoolExecutor(num_workers, thread_name_prefix="caesura-grammar")
        for _ in range(num_workers):
            workers.submit(everyone.wait)
        everyone.wait()
    finally:
        threading.stack_size(before)
    return workers
