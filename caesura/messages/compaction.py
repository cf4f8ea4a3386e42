"""A conversation whose beginning is told in a summary.

The summary is asked for in the conversation itself, as one more thing that the user says, so all of the
prompt that is in the cache is read from there. It comes back to the client as a block, first in the reply;
a request that holds such a block is read as if the conversation began with it, and what came before may be
left out of the request. The numbers of sources stay as they were (`cleared_sources.py`), and tools that were
searched for are told of from the start. What the user said last stands in the block word for word if it is
short, for a summary must not change what was asked.

Enters: requests and summaries. Leaves: requests. Read next: `context_client.py`, which asks for summaries;
`told_messages.py`, which reads the blocks back.
"""

from __future__ import annotations

from dataclasses import replace

from caesura.messages.cleared_sources import places_in
from caesura.messages.content import Conversation, TextBlock, Turn, merge_turns, text_turn
from caesura.messages.context_management import Compaction
from caesura.messages.request import MessagesRequest, Thinking, ToolChoice
from caesura.messages.tool_lines import told_from_the_start

# The most that a summary may take, where the window has as much room.
MAX_SUMMARY_TOKENS = 4_096
MAX_QUOTED_CHARACTERS = 2_000

DEFAULT_INSTRUCTIONS = (
    "Stop here and write a summary of this conversation. It will take the place of everything above, and you"
    " will go on from it alone. State what was asked for, what has been done and found out, which decisions"
    " were taken and why, the exact names, paths and numbers that are still needed, and what remains to be"
    " done next. Write only the summary. Call no tools."
)
SUMMARY_HEADING = "Summary of the conversation so far:"
_LAST_HEADING = "The user's last message, word for word:"


def summary_request(request: MessagesRequest, edit: Compaction, max_tokens: int) -> MessagesRequest:
    """The request for a summary of a request's conversation, in free text and without thought."""
    asked = text_turn("user", edit.instructions or DEFAULT_INSTRUCTIONS)
    turns = merge_turns((*_told(request.conversation), asked))
    return replace(
        request,
        conversation=replace(request.conversation, turns=turns),
        max_tokens=max_tokens,
        thinking=Thinking(),
        tool_choice=ToolChoice(mode="none"),
        output_format=None,
        stop_sequences=(),
        context_edits=(),
    )


def summary_of(text: str, conversation: Conversation) -> str | None:
    """What the compaction block holds; None if the model wrote nothing."""
    if not text.strip():
        return None
    quoted = _last_words(conversation)
    parts = [text.strip(), *([f"{_LAST_HEADING}\n{quoted}"] if quoted else [])]
    return "\n\n".join(parts)


def compacted(conversation: Conversation, summary: str) -> Conversation:
    """The conversation with a summary in the place of its turns; an answer that was begun is gone on with."""
    begun = conversation.turns[-1:] if conversation.is_prefilled else ()
    short = summarised(replace(conversation, turns=_told(conversation)), summary)
    return replace(short, turns=(*short.turns, *begun))


def summarised(conversation: Conversation, summary: str) -> Conversation:
    """The conversation with a summary in the place of all its turns."""
    places = places_in(block for turn in conversation.turns for block in turn.content)
    turn = Turn(role="user", content=(*places, summary_block(summary)))
    return replace(conversation, turns=(turn,), tools=told_from_the_start(conversation.tools))


def summary_block(summary: str) -> TextBlock:
    """How the model reads a summary."""
    return TextBlock(text=f"{SUMMARY_HEADING}\n{summary}")


def _told(conversation: Conversation) -> tuple[Turn, ...]:
    return conversation.turns[:-1] if conversation.is_prefilled else conversation.turns


def _last_words(conversation: Conversation) -> str:
    """What the user said last, if that is a short text; results of tools are no words of the user's. Behind a
    summary it is what that one quotes.
    """
    for turn in reversed(_told(conversation)):
        if turn.role != "user":
            continue
        texts = [block.text for block in turn.content if isinstance(block, TextBlock)]
        own = "\n".join(text for text in texts if not text.startswith(SUMMARY_HEADING)).strip()
        quoted = next((text for text in texts if text.startswith(SUMMARY_HEADING)), "")
        text = own or quoted.partition(f"{_LAST_HEADING}\n")[2].strip()
        if text or quoted:
            return text if len(text) <= MAX_QUOTED_CHARACTERS else ""
    return ""
