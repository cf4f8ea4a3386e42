"""The inverse of the chat format: ids in, block events out.

One parser follows one reply, token by token, and yields the Messages API's own events; a whole reply is
the fold of them, so streamed and whole replies cannot differ. Bytes of an unfinished character and the
beginnings of a stop sequence are held back, and the whitespace that the format puts around thoughts, or the
tokenizer before a text, is taken off. Enters: ids. Leaves: block events, and the stop sequence that matched.
Read next: `stop_sequences.py`, `layout.py`.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Literal

from caesura.messages.content import TextBlock, ThinkingBlock
from caesura.messages.events import BlockStart, BlockStop, Event, TextDelta, ThinkingDelta
from caesura.tokens.layout import Layout, hold_back, trim_start
from caesura.tokens.phase_tokens import Opening, PhaseTokens
from caesura.tokens.stop_sequences import StopMatcher

_State = Literal["choose", "think", "answer"]


class BlockParser:
    """Follows one reply. `feed` each sampled or forced id, then `finish`.

    stop_sequence: the stop sequence that has matched in the answer, if any; nothing after it is emitted.
    """

    def __init__(
        self,
        token_bytes: Sequence[bytes],
        tokens: PhaseTokens,
        opening: Opening,
        stop_sequences: Sequence[str] = (),
        layout: Layout = Layout(),  # noqa: B008 (immutable)
        first_bytes: Sequence[bytes] | None = None,
    ) -> None:
        """first_bytes: what the reply's first token stands for; None: what it does anywhere."""
        self._token_bytes = token_bytes
        # Of the next token. Special markers are no text, so what follows them can still be the first.
        self._pieces = token_bytes if first_bytes is None else first_bytes
        self._tokens = tokens
        self._state: _State = opening
        self._matcher = StopMatcher(stop_sequences)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._layout = layout
        # Of the format's whitespace: what may still come before the text, and what may be its end.
        self._lead = self._held = ""
        self._index = 0
        self._is_open = False
        self.stop_sequence: str | None = None

    def feed(self, token: int) -> list[Event]:
        """The events that one more id brings about (often one delta, sometimes none)."""
        if self.stop_sequence is not None or token in self._tokens.end:
            return []
        piece = self._pieces[token]
        if self._token_bytes[token]:
            self._pieces = self._token_bytes
        if token == self._tokens.think:
            return [*self._close(), *self._enter("think", self._layout.before_thought)]
        if token == self._tokens.end_think:
            closed = self._close(self._layout.after_thought)
            return [*closed, *self._enter("answer", self._layout.before_answer)]
        if self._state == "choose":
            self._state = "answer"
        begun = self._begin_thought()
        return [*begun, *self._text(self._decoder.decode(piece), num_tokens=1)]

    def finish(self) -> list[Event]:
        """Whatever was held back, and the end of the open block."""
        return self._close()

    def _enter(self, state: _State, lead: str) -> list[Event]:
        self._state, self._lead = state, lead
        return self._begin_thought()

    def _begin_thought(self) -> list[Event]:
        """A thought is a block even if it stays empty, or the reply, sent back, would not render alike."""
        return self._open() if self._state == "think" and not self._is_open else []

    def _open(self) -> list[Event]:
        self._is_open = True
        block = ThinkingBlock(thinking="") if self._state == "think" else TextBlock(text="")
        return [BlockStart(index=self._index, block=block)]

    def _close(self, tail: str = "") -> list[Event]:
        """tail: the format's whitespace that a closed thought may end with."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        events = [*self._begin_thought(), *self._text(rest, num_tokens=0, is_last=True, tail=tail)]
        if not self._is_open:
            return events
        self._is_open = False
        self._index += 1
        return [*events, BlockStop(index=self._index - 1)]

    def _text(self, text: str, *, num_tokens: int, is_last: bool = False, tail: str = "") -> list[Event]:
        text, self._lead = trim_start(text, self._lead)
        if self._state == "think":
            text, self._held = hold_back(self._held + text, "" if is_last else self._layout.after_thought)
            return self._thinking_delta(text.removesuffix(tail), num_tokens)
        passed, self.stop_sequence = self._matcher.feed(text, is_last=is_last)
        if not passed:
            return []
        opened = [] if self._is_open else self._open()
        return [*opened, TextDelta(index=self._index, text=passed)]

    def _thinking_delta(self, text: str, num_tokens: int) -> list[Event]:
        if not text and not num_tokens:
            return []
        return [ThinkingDelta(index=self._index, thinking=text, num_tokens=num_tokens)]
