"""What a conversation's next prompt will begin with, as far as that is certain once a reply has ended.

Many templates write former turns otherwise than they were generated: without their thoughts. So the next
prompt parts from what was computed where the last reply begins, and only rendering tells how it goes on.
What the user will say is unknown, so the conversation is rendered with two next turns that have nothing in
common, not even how their first character joins what the template writes before it: what both renderings
begin with, any other will begin with too.
Enters: a conversation and the reply that has ended. Leaves: a `Tail`. Read next: `tail_warming.py`, which
computes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile

from caesura.engine.sequence import SequenceRequest
from caesura.messages.content import Block, Conversation, Turn, text_of, text_turn
from caesura.tokens.chat_format import ChatFormat
from caesura.tokens.text_memory import TenantTexts

# Line breaks are joined with those before them, letters are not.
_NEXT_TEXTS = ("a", "\n\n1")

_STRETCH = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedReply:
    """A reply, and what it replied to.

    conversation: what was asked, without the reply.
    content: the reply.
    request: how it was asked of the engine.
    """

    conversation: Conversation
    content: tuple[Block, ...]
    request: SequenceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """What the next prompt will begin with.

    ids: from the first on.
    num_known: how many of them the last prompt began with too.
    tenant: whose prefix it is.
    """

    ids: tuple[int, ...]
    num_known: int
    tenant: str


# Rendering takes time, so it is put off until there is some.
TailSource = Callable[[], Tail | None]


def next_tail(
    reply: EndedReply, chat_format: ChatFormat, texts: TenantTexts, *, max_tokens: int
) -> Tail | None:
    """None where nothing is certain: a reply without an answer, one that continued the client's own words,
    one that the template does not take back; and where no next prompt of at most `max_tokens` is left.
    """
    told, request = reply.conversation, reply.request
    if told.is_prefilled or not text_of(reply.content).strip():
        return None
    turns = (*told.turns, Turn(role="assistant", content=reply.content))
    nexts = [replace(told, turns=(*turns, text_turn("user", text))) for text in _NEXT_TEXTS]
    try:
        one, other = (chat_format.render(each, opening=request.opening, texts=texts).ids for each in nexts)
    except ValueError:  # the next request will be told why
        return None
    ids = one[: _num_common(one, other)]
    if len(ids) >= max_tokens:
        return None
    return Tail(ids=ids, num_known=_num_common(ids, request.prompt), tenant=request.tenant)


def _num_common(ids: tuple[int, ...], others: tuple[int, ...]) -> int:
    """How many leading ids are the same. Whole stretches are compared first, which is many times as fast."""
    longest = min(len(ids), len(others))
    starts = range(0, longest, _STRETCH)
    start = next((at for at in starts if ids[at : at + _STRETCH] != others[at : at + _STRETCH]), longest)
    pairs = zip(ids[start : start + _STRETCH], others[start : start + _STRETCH], strict=False)
    return start + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
