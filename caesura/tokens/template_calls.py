"""In which form a template writes calls of tools, found by rendering small conversations with it.

Each row of the table of forms is tried; the first that fits is the template's. With a text before the calls
or without, with two calls or one: what the template shows is what a reply may hold, so whatever the model
writes can be sent back. A form whose markers the tokenizer does not hold is not offered, nor one that nothing
ends.
Enters: a template and its tokenizer. Leaves: `FoundCalls`. Read next: `call_forms.py`, `template_traits.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from caesura.messages.content import (
    Conversation,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    text_turn,
)
from caesura.tokens.call_forms import CALL_FORMS, CallForm
from caesura.tokens.call_writing import CallHabits, CallWriting
from caesura.tokens.foreign_tokenizer import ForeignTokenizer, Piece
from caesura.tokens.jinja_template import ChatTemplate
from caesura.tokens.template_messages import MessageStyle
from caesura.tokens.template_skeleton import skeleton
from caesura.tokens.template_tools import PROBE_TOOL
from caesura.tokens.token_bytes import may_be_blank

_CALLS = (
    ToolUseBlock(id="toolu_probe0", name="probe_tool", input={"probed": "é <b>"}),
    ToolUseBlock(id="toolu_probe1", name="probe_tool", input={"probed": "", "depth": [1, {}]}),
)
_ASKED = text_turn("user", "a question")
_TEXT = (TextBlock(text="an answer"),)
# The question is text 0, the answer, where there is one, text 1.
_BEFORE = r"\0001\0(?P<before>\s*)"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCalls:
    """How a template writes calls.

    form: the row of the table.
    before, between: the white space between a text and a call, and between two calls.
    follow_text, are_parallel: see `CallHabits`.
    has_ids: whether it writes calls' ids into them.
    end: the special token that it writes behind the last call, where nothing else closes one.
    """

    form: CallForm
    before: str
    between: str
    follow_text: bool
    are_parallel: bool
    has_ids: bool
    end: int | None


def find_calls(template: ChatTemplate, style: MessageStyle, tokenizer: ForeignTokenizer) -> FoundCalls | None:
    """None where the template knows no tools, or writes calls in a form that is not known."""
    held = [form for form in CALL_FORMS if tokenizer.markers.keys() >= set(form.needed)]
    for form in held:
        styled = replace(style, has_short_ids=form.has_short_ids)
        for has_text, num_calls in ((True, 2), (False, 2), (True, 1), (False, 1)):
            found = _tried(template, styled, tokenizer, form, _told(has_text, num_calls))
            if found is not None:
                return found
    return None


def why_no_calls(template: ChatTemplate, tokenizer: ForeignTokenizer) -> str:
    """Why none were found, in words that a caller can act on."""
    hinted = next((form for form in CALL_FORMS if form.opens and form.opens in template.source), None)
    if hinted is None:
        return "its chat template knows none, or writes them in a form that is not known"
    missing = [marker for marker in hinted.needed if marker not in tokenizer.markers]
    alike = [form for form in CALL_FORMS if form.opens == hinted.opens]
    if missing and len(alike) == 1:
        return f"its tokenizer does not hold {' and '.join(hinted.needed)} as tokens"
    looks = ", or as ".join(form.look for form in alike)
    return f"its chat template does not write them as {looks}"


def _told(has_text: bool, num_calls: int) -> Conversation:
    calls = _CALLS[:num_calls]
    results = (
        ToolResultBlock(tool_use_id=call.id, content=(TextBlock(text=f"result {number}"),))
        for number, call in enumerate(calls)
    )
    called = Turn(role="assistant", content=(*(_TEXT if has_text else ()), *calls))
    turns = (_ASKED, called, Turn(role="user", content=tuple(results)))
    return Conversation(turns=turns, tools=(PROBE_TOOL,))


def _tried(
    template: ChatTemplate,
    style: MessageStyle,
    tokenizer: ForeignTokenizer,
    form: CallForm,
    told: Conversation,
) -> FoundCalls | None:
    """What is found if the form is the template's, and the template takes such a conversation."""
    calls = [block for block in told.turns[1].content if isinstance(block, ToolUseBlock)]
    has_text, pattern = len(calls) < len(told.turns[1].content), form.pattern(calls)
    if pattern is None or (has_text and form.is_bare):
        return None
    try:
        shown = skeleton(template, style, told, has_reply=True)
        opened = skeleton(template, style, replace(told, turns=told.turns[:1]), has_reply=True)
    except ValueError:
        return None
    if not all(word in shown for word in ("probe_tool", "what probing does", '"probed"')):
        return None
    # Without a marker, what else could be told from a text is only where it stands: a call is a reply.
    start = re.escape(opened) if form.is_bare else _BEFORE if has_text else ""
    found = re.search(start + pattern, shown)
    if found is None:
        return None
    end = tokenizer.leading_marker(shown[found.end() :].lstrip())
    if form.closes is None and end not in tokenizer.special:
        return None
    groups = found.groupdict()
    return FoundCalls(
        form=form,
        before=groups.get("before") or "",
        between=groups.get("between") or "",
        follow_text=has_text,
        are_parallel=len(calls) > 1,
        has_ids='"id": "' in found[0],
        end=None if form.closes else end,
    )


def call_habits(found: FoundCalls, tokenizer: ForeignTokenizer) -> CallHabits:
    """What was found, in the ids of a tokenizer."""
    form = found.form
    starts, unclear = _brace_ids(tokenizer) if form.is_bare else ((), ())
    return CallHabits(
        writing=CallWriting(
            arguments_key=form.arguments_key,
            marks=tuple(tokenizer.markers[mark] for mark in form.marks),
            is_list=form.is_list,
            has_ids=form.is_list and found.has_ids,
        ),
        bare_starts=starts,
        unclear_starts=unclear,
        follow_text=found.follow_text,
        are_parallel=found.are_parallel,
        reopen=form.closes is None and not form.is_list and not form.is_bare,
    )


def _brace_ids(tokenizer: ForeignTokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that every call without a marker can begin with, and those that begin like one and go on."""
    starts, unclear = list[int](), list[int]()
    for token, piece in enumerate(tokenizer.token_bytes):
        blank, brace, _ = piece.partition(b"{")
        if token in tokenizer.marker_ids or not brace or not may_be_blank(blank):
            continue
        (starts if piece in (b"{", b'{"') else unclear).append(token)
    return tuple(starts), tuple(unclear)


def between_ids(found: FoundCalls, tokenizer: ForeignTokenizer) -> tuple[int, ...]:
    """The one id of what stands between two calls; nothing where it takes more, or none."""
    form = found.form
    if form.closes is None or form.opens is None:
        return ()
    around = [
        Piece(form.closes, is_template=True),
        Piece(found.between, False),
        Piece(form.opens, is_template=True),
    ]
    ids = tokenizer.encode(around).ids[1:-1]
    return tuple(ids) if len(ids) == 1 else ()
