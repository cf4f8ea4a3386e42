"""What a chat template writes around the texts of a conversation.

Enters: a template and a conversation. Leaves: its text, with numbers in the place of what was said. Read
next: `template_traits.py`, which looks for patterns in it.
"""

from __future__ import annotations

from caesura.messages.content import Conversation
from caesura.tokens.jinja_template import ChatTemplate
from caesura.tokens.template_messages import MessageStyle, Placeholders, template_messages, template_tools


def skeleton(
    template: ChatTemplate,
    style: MessageStyle,
    told: Conversation,
    *,
    has_reply: bool,
    is_thinking: bool | None = None,
) -> str:
    """What a template writes around texts, which appear as their numbers between NUL characters."""
    texts = Placeholders()
    rendered = template.render(
        template_messages(told, style, texts),
        has_reply=has_reply,
        is_thinking=is_thinking,
        tools=template_tools(told, texts),
    )
    pieces, numbers = texts.reveal(rendered)
    return "".join(
        piece.text if number is None else slot(number) for piece, number in zip(pieces, numbers, strict=True)
    )


def slot(number: int) -> str:
    """What stands in the place of a text."""
    return f"\0{number}\0"
