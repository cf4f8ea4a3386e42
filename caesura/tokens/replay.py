"""Whole conversations back from ids: what the property tests hold the format against.

Enters: ids that `CaesuraFormat.render` wrote with `opening=None`. Leaves: the `Conversation`.
Read next: `chat_format.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from caesura.messages.content import Block, Conversation, Role, TextBlock, ThinkingBlock, Turn
from caesura.tokens import markers
from caesura.tokens.tokenizer import Tokenizer


def parse_conversation(tokenizer: Tokenizer, ids: Sequence[int]) -> Conversation:
    """The conversation that was rendered. Raises ValueError if the ids are not a finished one."""
    names = {tokenizer.marker(name): name for name in markers.MARKERS}
    if not ids or names.get(ids[0]) != markers.BEGIN or (len(ids) > 1 and names.get(ids[-1]) != markers.END):
        raise ValueError("not a finished conversation")
    turns: list[Turn] = []
    start = 1
    for position in range(1, len(ids)):
        if names.get(ids[position]) == markers.END:
            turns.append(_turn(tokenizer, names, ids[start:position]))
            start = position + 1
    if turns and turns[0].role == "system":
        system = cast(tuple[TextBlock, ...], turns[0].content)
        return Conversation(turns=tuple(turns[1:]), system=system)
    return Conversation(turns=tuple(turns))


def _turn(tokenizer: Tokenizer, names: dict[int, str], ids: Sequence[int]) -> Turn:
    role = cast(Role, names[ids[0]].strip("<|>"))
    blocks: list[Block] = []
    piece: list[int] = []
    is_thinking = False
    for token in (*ids[1:], None):
        name = None if token is None else names.get(token)
        if token is not None and name is None:
            piece.append(token)
            continue
        if is_thinking:
            blocks.append(ThinkingBlock(thinking=tokenizer.decode(piece)))
        elif piece:
            blocks.append(TextBlock(text=tokenizer.decode(piece)))
        piece = []
        is_thinking = name == markers.THINK
    return Turn(role=role, content=tuple(blocks))
