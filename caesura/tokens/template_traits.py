"""What a foreign template does, found by rendering small conversations with it.

Enters: a template and its tokenizer. Leaves: `Traits`. Read next: `foreign_format.py`, which acts on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from caesura.messages.content import Conversation, TextBlock, ThinkingBlock, Turn, text_turn
from caesura.tokens.foreign_tokenizer import ForeignTokenizer
from caesura.tokens.jinja_template import ChatTemplate
from caesura.tokens.layout import Layout
from caesura.tokens.template_calls import FoundCalls, find_calls
from caesura.tokens.template_messages import MessageStyle, ThoughtPlace
from caesura.tokens.template_skeleton import skeleton, slot

THINK, END_THINK = "<think>", "</think>"

# What DeepSeek's and Qwen's models write, for templates that leave thoughts out.
_USUAL_LAYOUT = Layout(before_thought="\n", after_thought="\n", before_answer="\n\n")

_ASKED = text_turn("user", "a question")
_ANSWERED = text_turn("assistant", "an answer")
_THOUGHT = Turn(role="assistant", content=(ThinkingBlock(thinking="a thought"), TextBlock(text="an answer")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What was found.

    style: how messages have to be made.
    can_think: whether both thinking markers are tokens and the template knows them.
    has_switch: whether telling the template about thinking changes how a reply opens.
    tail: the whitespace that the template writes behind an answer, and no model does.
    end: the special token that it writes there, if any.
    calls: how it writes calls of tools, if that is a form that is known and the tokenizer holds its markers.
    """

    style: MessageStyle
    can_think: bool
    has_switch: bool
    tail: str
    end: int | None
    calls: FoundCalls | None


def find_traits(template: ChatTemplate, tokenizer: ForeignTokenizer) -> Traits:
    """Raises ValueError for a template that does not even show a question and an answer."""
    can_think = {THINK, END_THINK} <= tokenizer.markers.keys() and END_THINK in template.source
    style = _plain_style(template)
    replied = skeleton(template, style, _talk(_ASKED, _ANSWERED), has_reply=False)
    if can_think:
        style = _with_thoughts(template, style)
    opened, opened_thinking = (
        skeleton(template, style, _talk(_ASKED), has_reply=True, is_thinking=each) for each in (False, True)
    )
    calls = find_calls(template, style, tokenizer)
    if calls is not None:
        layout = replace(style.layout, before_call=calls.before)
        style = replace(style, layout=layout, has_short_ids=calls.form.has_short_ids)
    _, _, after = replied.rpartition(slot(1))
    end = tokenizer.leading_marker(after.lstrip())
    return Traits(
        style=style,
        can_think=can_think,
        has_switch=opened != opened_thinking,
        tail=after[: len(after) - len(after.lstrip())],
        end=end if end in tokenizer.special else None,
        calls=calls,
    )


def _talk(*turns: Turn, system: str = "") -> Conversation:
    return Conversation(turns=turns, system=(TextBlock(text=system),) if system else ())


def _plain_style(template: ChatTemplate) -> MessageStyle:
    style = MessageStyle(thoughts=None, has_system=True, has_later_system=True, layout=_USUAL_LAYOUT)
    later = _talk(_ASKED, text_turn("system", "an order"), _ANSWERED, _ASKED)
    return replace(
        style,
        has_system=_shows(template, style, _talk(_ASKED, system="an order")),
        has_later_system=_shows(template, style, later),
    )


def _shows(template: ChatTemplate, style: MessageStyle, told: Conversation) -> bool:
    """Whether a template takes a conversation and leaves none of its texts out."""
    try:
        skeleton(template, style, told, has_reply=True)
    except ValueError:
        return False
    return True


def _with_thoughts(template: ChatTemplate, style: MessageStyle) -> MessageStyle:
    """Where the template looks for a thought, and the whitespace that it puts around one."""
    places: tuple[ThoughtPlace, ...] = ("field", "inline")
    for place in places:
        candidate = replace(style, thoughts=place)
        shown = skeleton(template, candidate, _talk(_ASKED, _THOUGHT), has_reply=False)
        # The question is text 0, the thought 1, the answer 2.
        found = re.search(rf"{THINK}(\s*)\0001\0(\s*){END_THINK}(\s*)\0002\0", shown)
        if found:
            before, after, answer = found.groups()
            layout = Layout(before_thought=before, after_thought=after, before_answer=answer)
            return replace(candidate, layout=layout)
    return style
