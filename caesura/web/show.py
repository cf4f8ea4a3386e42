"""Draws a chat: exchanges in, the chatbot's messages out.

Enters: `Exchange`s. Leaves: plain dictionaries in the form that `gradio.Chatbot` takes. Everything that
came from a person or a model is escaped here, except the answer, which is Markdown. Read next: `page.py`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

from caesura.messages.content import RedactedThinkingBlock, text_of, thinking_of
from caesura.messages.response import StopReason
from caesura.web.reply import Exchange, Reply

ChatMessage = dict[str, Any]

_MARKDOWN_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)

_ENDINGS: dict[StopReason, str] = {
    "max_tokens": "cut off at the longest answer that Settings allow",
    "stop_sequence": "ended at a stop sequence",
    "refusal": "the model declined",
    "pause_turn": "paused after many looks at its memory; ask it to go on",
    "model_context_window_exceeded": "the chat has filled the model's window; press Clear",
}


def chat_messages(exchanges: Iterable[Exchange]) -> list[ChatMessage]:
    """The whole chat, questions and replies in order."""
    messages: list[ChatMessage] = []
    for exchange in exchanges:
        messages.append({"role": "user", "content": verbatim(exchange.question)})
        messages += _reply_messages(exchange.reply)
    return messages


def _reply_messages(reply: Reply) -> list[ChatMessage]:
    parts: list[ChatMessage] = []
    thought = _thought(reply)
    if thought is not None:
        status = "pending" if reply.is_thinking else "done"
        metadata = {"title": thinking_title(reply), "status": status}
        parts.append({"role": "assistant", "content": thought, "metadata": metadata})
    answer = text_of(reply.blocks)
    if answer:
        parts.append({"role": "assistant", "content": answer})
    footnote = _footnote(reply)
    if footnote or not parts:
        parts.append({"role": "assistant", "content": footnote or _html("note", "…")})
    return parts


def _thought(reply: Reply) -> str | None:
    thinking = thinking_of(reply.blocks)
    if thinking:
        return verbatim(thinking)
    if any(isinstance(block, RedactedThinkingBlock) for block in reply.blocks):
        return "This thought is hidden by the server."
    return " " if reply.is_thinking else None


def thinking_title(reply: Reply) -> str:
    """`thinking: 87 of 256 tokens`; what the budget's end added to close the thought is named apart."""
    count, budget = reply.thinking_tokens, reply.budget_tokens
    if budget is None:
        return f"thinking: {count:,} tokens" if count else "thinking"
    closing = f", {count - budget} more to close" if count > budget else ""
    return f"thinking: {min(count, budget):,} of {budget:,} tokens{closing}"


def _footnote(reply: Reply) -> str:
    match reply.outcome:
        case "running":
            return ""
        case "failed":
            return _html("failed", reply.error, role="alert")
        case "done" | "stopped":
            return _html("counts", counts(reply))


def counts(reply: Reply) -> str:
    """What a reply took, in one line: `12 tokens in · 87 thinking · 34 answer · 150 tokens/s`."""
    return " · ".join(_counts(reply))


def _counts(reply: Reply) -> list[str]:
    counts = ["stopped"] if reply.outcome == "stopped" else []
    if reply.usage is not None:
        counts.append(f"{reply.usage.prompt_tokens:,} tokens in")
    if reply.thinking_tokens:
        counts.append(f"{reply.thinking_tokens:,} thinking")
    if reply.answer_tokens:
        counts.append(f"{reply.answer_tokens:,} answer")
    if reply.outcome == "done" and reply.tokens_per_s is not None:
        counts.append(f"{reply.tokens_per_s:,.0f} tokens/s")
    if reply.stop_reason in _ENDINGS:
        counts.append(_ENDINGS[reply.stop_reason])
    return counts


def verbatim(text: str) -> str:
    """Markdown that renders as exactly this text: no emphasis, no HTML, no link, no picture."""
    escaped = _MARKDOWN_PUNCTUATION.sub(r"\\\1", text)
    return _INDENT.sub(lambda indent: "&nbsp;" * len(indent.group()), escaped)


def _html(css_class: str, text: str, *, role: str = "note") -> str:
    return f'<div class="{css_class}" role="{role}">{html.escape(text)}</div>'
