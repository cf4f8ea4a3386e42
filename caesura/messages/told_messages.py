"""The messages of a body that count, and where they stood.

A summary that is replayed stands for everything before it, which clients may leave out or send along; one
that says nothing stands for nothing, and is left out. Rules are applied to what counts, and whatever they
refuse is named by its place in the body. Enters: messages whose shape is right. Leaves: those that count.
Read next: `conversation_in.py`, which makes a conversation of them; `replayed.py`.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from caesura.messages.blocks_in import WireCompaction, WireText
from caesura.messages.compaction import summary_block
from caesura.messages.errors import InvalidRequestError
from caesura.messages.wire_in import WireMessage

_PATH = re.compile(r"\Amessages\.(\d+)(?:\.content\.(\d+))?")


class _Place(NamedTuple):
    """Where the body has a message, and each of its blocks that count."""

    message: int
    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The messages that count.

    messages: in order; the first may be a summary that stands for what was left out.
    before: what it stands for, as far as that was sent.
    places: of each message; empty where all of them count.
    is_split: whether the summary stood within a turn of the assistant's, so that it stands for how the second
        message's turn began, too.
    """

    messages: list[WireMessage]
    before: tuple[WireMessage, ...] = ()
    places: tuple[_Place, ...] = ()
    is_split: bool = False

    def path(self, index: int, position: int) -> str:
        """Where the body has a block."""
        if self.places:
            place = self.places[index]
            index, position = place.message, place.blocks[position]
        return f"messages.{index}.content.{position}"

    @contextmanager
    def true_paths(self) -> Generator[None]:
        """Whatever is refused within is named by its place in the body."""
        try:
            yield
        except InvalidRequestError as error:
            message = self.true_path(error.message)
            raise InvalidRequestError(message, error_code=error.error_code) from error

    def true_path(self, path: str) -> str:
        """Where the body has what stands at this place among the messages that count."""
        return _PATH.sub(self._true_path, path)

    def _true_path(self, found: re.Match[str]) -> str:
        index = int(found[1])
        if found[2] is not None:
            return self.path(index, int(found[2]))
        return f"messages.{self.places[index].message if self.places else index}"


def after_compaction(messages: list[WireMessage]) -> Told:
    """The messages from the last summary on. A block without one stands for nothing and is left out."""
    at = next((place for place in reversed(list(_summaries(messages)))), None)
    if at is not None:
        return _behind(messages, *at)
    if not any(isinstance(block, WireCompaction) for message in messages for block in message.content):
        return Told(messages=messages)
    return _told(_counting(messages, (0, 0)))


def _behind(messages: list[WireMessage], index: int, position: int, block: WireCompaction) -> Told:
    """A summary, and what follows it."""
    text = summary_block(block.content or "").text
    first = WireText(type="text", text=text, cache_control=block.cache_control)
    summary = WireMessage(role="user", content=[first]), _Place(index, (position,))
    holder = messages[index]
    begun = holder.model_copy(update={"content": holder.content[:position]})
    told = _told([summary, *_counting(messages, (index, position + 1))], (*messages[:index], begun))
    is_within = position > 0 or (index > 0 and messages[index - 1].role == "assistant")
    return replace(told, is_split=is_within and [each.role for each in told.messages[1:2]] == ["assistant"])


def _told(counting: Iterable[tuple[WireMessage, _Place]], before: tuple[WireMessage, ...] = ()) -> Told:
    pairs = list(counting)
    return Told(
        messages=[message for message, _ in pairs],
        before=before,
        places=tuple(place for _, place in pairs),
    )


def _counting(
    messages: Sequence[WireMessage], first: tuple[int, int]
) -> Iterator[tuple[WireMessage, _Place]]:
    """The messages from a block on, without summaries. One that held nothing else is left out.

    first: the number of the message, and that of its block.
    """
    for index, message in enumerate(messages[first[0] :], start=first[0]):
        blocks = [
            (position, block)
            for position, block in enumerate(message.content)
            if (index, position) >= first and not isinstance(block, WireCompaction)
        ]
        if blocks or not message.content:
            kept = message.model_copy(update={"content": [block for _, block in blocks]})
            yield kept, _Place(index, tuple(position for position, _ in blocks))


def _summaries(messages: Sequence[WireMessage]) -> Iterator[tuple[int, int, WireCompaction]]:
    """Every summary with its place. Raises InvalidRequestError for one that the model has not written."""
    for index, message in enumerate(messages):
        for position, block in enumerate(message.content):
            if not isinstance(block, WireCompaction):
                continue
            if message.role != "assistant":
                raise InvalidRequestError(
                    f"messages.{index}.content.{position}.type: `compaction` blocks are only allowed in"
                    " `assistant` messages"
                )
            if block.content is not None:
                yield index, position, block
