"""The inverse of the chat format: ids in, block events out.

One parser follows one reply, token by token, and yields the Messages API's own events; a whole reply is
the fold of them, so streamed and whole replies cannot differ. Bytes of an unfinished character and the
beginnings of a stop sequence are held back, and the whitespace that the format puts around thoughts and
calls, or the tokenizer before a text, is taken off. White space that opens an answer waits for its first
word: before a call it is nothing.

A call opens its block with its name, and its arguments are passed on as they come, unread. One that is cut
ends where it was cut; before its name was there, nothing is left of it. What stands in a call's place and is
no call (a grammar lets no such thing happen) becomes a text block, from where it goes wrong; a stop sequence
is looked for in neither. Where calls need no marker, a brace that opens the answer begins one.
Enters: ids. Leaves: block events, and the stop sequence that matched. Read next: `call_reader.py`,
`stop_sequences.py`, `layout.py`.
"""

from __future__ import annotations

import codecs
import secrets
from collections.abc import Callable, Sequence
from typing import Literal

from caesura.messages.content import Block, TextBlock, ThinkingBlock, ToolUseBlock
from caesura.messages.events import BlockStart, BlockStop, Event, InputJsonDelta, TextDelta, ThinkingDelta
from caesura.tokens.call_reader import call_reader
from caesura.tokens.call_scanner import Scanned
from caesura.tokens.layout import Layout, hold_back, trim_start
from caesura.tokens.phase_tokens import Opening, PhaseTokens
from caesura.tokens.stop_sequences import StopMatcher

# "stray": inside the markers of a call that turned out to be none.
_State = Literal["choose", "think", "answer", "call", "stray"]


def random_call_id() -> str:
    """An id for a call that no other call has."""
    return f"toolu_{secrets.token_hex(12)}"


class BlockParser:
    """Follows one reply. `feed` each sampled or forced id, then `finish`.

    stop_sequence: the stop sequence that has matched in the answer, if any; nothing after it is emitted.
    has_calls: whether a call has begun.
    """

    def __init__(
        self,
        token_bytes: Sequence[bytes],
        tokens: PhaseTokens,
        opening: Opening,
        stop_sequences: Sequence[str] = (),
        layout: Layout = Layout(),  # noqa: B008 (immutable)
        first_bytes: Sequence[bytes] | None = None,
        *,
        call_id: Callable[[], str] = random_call_id,
        may_call: bool = False,
    ) -> None:
        """first_bytes: what the reply's first token stands for; None: what it does anywhere.

        call_id: gives each call its id. may_call: whether an answer can be a call without a marker.
        """
        self._token_bytes = token_bytes
        # Of the next token. Special markers are no text, so what follows them can still be the first.
        self._pieces = token_bytes if first_bytes is None else first_bytes
        self._tokens = tokens
        self._state: _State = opening
        self._matcher = StopMatcher(stop_sequences)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._layout = layout
        self._call_id = call_id
        self._calls = tokens.calls.writing
        self._reader = call_reader(self._calls)
        # Whether the next word could be the first one of a call that no marker opens.
        self._is_bare = may_call and bool(tokens.calls.bare_starts)
        # Of the format's whitespace: what may still come before the text, and what may be its end.
        self._lead = self._held = ""
        self._blank: list[str] = []
        self._index = 0
        self._is_open = False
        self.stop_sequence: str | None = None
        self.has_calls = False

    def feed(self, token: int) -> list[Event]:
        """The events that one more id brings about (often one delta, sometimes none)."""
        if self.stop_sequence is not None or token in self._tokens.end:
            return []
        piece = self._pieces[token]
        if self._token_bytes[token]:
            self._pieces = self._token_bytes
        if token == self._tokens.tool_call:
            return self._begin_call()
        if self._state == "call" and token in self._calls.marks:
            return [*self._flush(), *self._call(self._reader.mark(token))]
        if token == self._tokens.end_tool_call and self._state in ("call", "stray"):
            return [*self._close(), *self._enter("answer", "")]
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
        if self._state == "call":
            # Nothing that could still have become a call is shown as text.
            return self._stop()
        return self._close()

    def _enter(self, state: _State, lead: str) -> list[Event]:
        self._state, self._lead = state, lead
        return self._begin_thought()

    def _begin_thought(self) -> list[Event]:
        """A thought is a block even if it stays empty, or the reply, sent back, would not render alike."""
        return self._open(ThinkingBlock(thinking="")) if self._state == "think" and not self._is_open else []

    def _begin_call(self) -> list[Event]:
        closed = self._close(is_before_call=True)
        if self.stop_sequence is None:
            self._enter("call", "")
            self._reader = call_reader(self._calls)
            self._is_bare = False
            self._matcher.restart()
        return closed

    def _open(self, block: Block) -> list[Event]:
        self._is_open = True
        return [BlockStart(index=self._index, block=block)]

    def _stop(self) -> list[Event]:
        if not self._is_open:
            return []
        self._is_open = False
        self._index += 1
        return [BlockStop(index=self._index - 1)]

    def _close(self, tail: str = "", *, is_before_call: bool = False) -> list[Event]:
        """tail: the format's whitespace that a closed thought may end with."""
        events = [*self._begin_thought(), *self._flush(tail)]
        if self._state == "call":
            events += self._call(self._reader.finish())
        elif self._state in ("choose", "answer"):
            events += self._last_words(is_before_call=is_before_call)
        return [*events, *self._stop()]

    def _flush(self, tail: str = "") -> list[Event]:
        """What the bytes and the text that wait come to, now that nothing follows them."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return self._text(rest, num_tokens=0, is_last=True, tail=tail)

    def _text(self, text: str, *, num_tokens: int, is_last: bool = False, tail: str = "") -> list[Event]:
        text, self._lead = trim_start(text, self._lead)
        match self._state:
            case "think":
                text, self._held = hold_back(self._held + text, "" if is_last else self._layout.after_thought)
                return self._thinking_delta(text.removesuffix(tail), num_tokens)
            case "call":
                return self._call(self._reader.feed(text))
            case "stray":
                return self._text_delta(text)
            case _ if self._opens_call(text):
                return [*self._begin_call(), *self._call(self._reader.feed(text.lstrip()))]
            case _:
                passed, self.stop_sequence = self._matcher.feed(text, is_last=is_last)
                return self._words(passed)

    def _opens_call(self, text: str) -> bool:
        """Whether the answer's first word is here, and begins a call."""
        if not self._is_bare or not text.strip():
            return False
        self._is_bare = False
        return text.lstrip().startswith("{")

    def _words(self, text: str) -> list[Event]:
        """More of an answer, but for the whitespace that could turn out to belong to no text."""
        if not self._is_open and not text.strip():
            self._blank.append(text)
            return []
        whole = "".join([*self._blank, self._held, text])
        self._blank.clear()
        shown, self._held = hold_back(whole, self._layout.before_call)
        return self._text_delta(shown)

    def _last_words(self, *, is_before_call: bool) -> list[Event]:
        """The whitespace at the end of an answer; what stands before or after a call alone is dropped."""
        blank, self._blank = "".join(self._blank), []
        held, self._held = self._held, ""
        if is_before_call:
            return self._text_delta("" if held == self._layout.before_call else held)
        return self._text_delta(held if self.has_calls else blank + held)

    def _call(self, found: Sequence[Scanned]) -> list[Event]:
        """The events of calls that have come further."""
        return [event for scanned in found for event in self._scanned(scanned)]

    def _scanned(self, scanned: Scanned) -> list[Event]:
        events: list[Event] = []
        if scanned.name is not None:
            self.has_calls = True
            call = ToolUseBlock(id=self._call_id(), name=scanned.name, input={})
            events += [*self._stop(), *self._open(call)]
        if scanned.input:
            events.append(InputJsonDelta(index=self._index, partial_json=scanned.input))
        if scanned.rest.strip():
            self._state = "stray"
            events += [*self._stop(), *self._text_delta(scanned.rest)]
        return events

    def _text_delta(self, text: str) -> list[Event]:
        if not text:
            return []
        opened = [] if self._is_open else self._open(TextBlock(text=""))
        return [*opened, TextDelta(index=self._index, text=text)]

    def _thinking_delta(self, text: str, num_tokens: int) -> list[Event]:
        if not text and not num_tokens:
            return []
        return [ThinkingDelta(index=self._index, thinking=text, num_tokens=num_tokens)]
