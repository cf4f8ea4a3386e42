"""The forms in which chat templates write calls of tools: one table, from which all else follows.

What differs between forms is stated here once. A template is compared with each row by rendering a small
conversation (`template_calls.py`); the row that fits says which ids open and close calls, what the grammar
writes between them, how they are read back, and which ids calls have. Nothing else knows a form by name.
Enters: calls as a template would be given them. Leaves: patterns of what it should make of them. Read next:
`template_calls.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from caesura.messages.content import ToolUseBlock

_SHORT_SIZE = 9
_SHORT_ID = re.compile(rf"[0-9A-Za-z]{{{_SHORT_SIZE}}}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallForm:
    """One form.

    name: for those who ask which one a model has.
    look: what a call looks like, for refusals.
    opens, closes: the markers around a call; None: nothing, or the end of the turn.
    marks: the markers between a call's name and its arguments; without any, a call is a JSON object.
    arguments_key: of that object.
    is_list: whether objects stand in one list, behind one marker.
    is_bare: whether a call is the whole reply, with `opens` or without it.
    has_short_ids: whether calls have ids of nine letters and digits, and no others.
    """

    name: str
    look: str
    opens: str | None
    closes: str | None = None
    marks: tuple[str, ...] = ()
    arguments_key: str = "arguments"
    is_list: bool = False
    is_bare: bool = False
    has_short_ids: bool = False

    @property
    def needed(self) -> tuple[str, ...]:
        """The markers without which a tokenizer cannot write the form."""
        around = () if self.is_bare else (self.opens, self.closes)
        return tuple(each for each in (*around, *self.marks) if each is not None)

    def pattern(self, calls: Sequence[ToolUseBlock]) -> str | None:
        """What a template of this form writes for calls of one reply; None for more than it can write.

        The group `between` is the white space between two calls that have markers of their own.
        """
        opens = rf"{re.escape(self.opens)}\s*" if self.opens else ""
        closes = rf"\s*{re.escape(self.closes)}" if self.closes else ""
        if self.is_bare:
            return f"(?:{opens})?{self._item(calls[0])}" if len(calls) == 1 else None
        if self.is_list:
            return rf"{opens}\[\s*" + r"\s*,\s*".join(map(self._item, calls)) + r"\s*\]"
        first, *others = (f"{opens}{self._item(call)}{closes}" for call in calls)
        return first + "".join(rf"(?P<between>\s*){other}" for other in others)

    def _item(self, call: ToolUseBlock) -> str:
        arguments = re.escape(json.dumps(call.input, ensure_ascii=False))
        if not self.marks:
            key = re.escape(json.dumps(self.arguments_key))
            number = r'(?:, "id": "[^"]*")?' if self.is_list else ""
            return rf'\{{"name":\ "{re.escape(call.name)}",\ {key}:\ {arguments}{number}\}}'
        *others, last = map(re.escape, self.marks)
        numbers = "".join(rf"{each}\s*[^\[\]]*" for each in others)
        return rf"{re.escape(call.name)}\s*{numbers}{last}\s*{arguments}"


HERMES = CallForm(
    name="hermes",
    look="JSON between <tool_call> and </tool_call>",
    opens="<tool_call>",
    closes="</tool_call>",
)
MISTRAL = CallForm(
    name="mistral",
    look="a JSON list behind [TOOL_CALLS]",
    opens="[TOOL_CALLS]",
    is_list=True,
    has_short_ids=True,
)
MISTRAL_MARKED = CallForm(
    name="mistral_marked",
    look="[TOOL_CALLS], a name, [ARGS] and JSON",
    opens="[TOOL_CALLS]",
    marks=("[ARGS]",),
    has_short_ids=True,
)
MISTRAL_NUMBERED = CallForm(
    name="mistral_numbered",
    look="[TOOL_CALLS], a name, [CALL_ID], an id, [ARGS] and JSON",
    opens="[TOOL_CALLS]",
    marks=("[CALL_ID]", "[ARGS]"),
    has_short_ids=True,
)
LLAMA3 = CallForm(
    name="llama3",
    look='a reply that is one JSON object with "name" and "parameters"',
    opens="<|python_tag|>",
    arguments_key="parameters",
    is_bare=True,
)

CALL_FORMS = (HERMES, MISTRAL, MISTRAL_MARKED, MISTRAL_NUMBERED, LLAMA3)


def short_id(call_id: str) -> str:
    """The id of a call where ids are nine letters and digits: the same for the same call, and its result.

    One of that kind is left as it is. No two of a conversation's will meet: there are 10^16 of them.
    """
    if _SHORT_ID.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).digest())
    digits: list[str] = []
    for _ in range(_SHORT_SIZE):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)
