"""How a model writes calls of tools: what its chat format, its parser, its grammar and its phases share.

Enters: nothing. Leaves: plain values; as they come they are Caesura's own form and Hermes'. Read next:
`call_forms.py`, the table of the forms; `call_reader.py`, which reads them back.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWriting:
    """How calls read between what opens and what closes them.

    arguments_key: the key of the arguments in the JSON object that is a call; its name's is `name`.
    marks: ids between a name and its arguments, where these two are a call, without an object around them;
        the last stands before the arguments, and between the others stands an id.
    is_list: whether objects are the items of a JSON list.
    is_single: whether such a list has one item only.
    has_ids: whether the key `id` may follow the arguments in an object.
    """

    arguments_key: str = "arguments"
    marks: tuple[int, ...] = ()
    is_list: bool = False
    is_single: bool = False
    has_ids: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHabits:
    """Where calls stand in a reply, and how they read.

    writing: how they read.
    bare_starts: ids that begin a call without a marker, as the first word of a reply; none in most forms.
    unclear_starts: ids of which a part could begin a call; where there may be one, none of them is the first
        word.
    follow_text: whether a call may stand behind a text of the same reply.
    are_parallel: whether a reply may hold several.
    reopen: whether the next call opens where the one before it ends, without anything that closes it.
    """

    writing: CallWriting = CallWriting()
    bare_starts: tuple[int, ...] = ()
    unclear_starts: tuple[int, ...] = ()
    follow_text: bool = True
    are_parallel: bool = True
    reopen: bool = False
