"""JSON values that come from outside and are written down again.

JSON text may hold what Python reads and no JSON text can say again (1e400 is read as infinity), and a model
may write halves of a character's escape. Enters: values, or the text of a call's input. Leaves: values that
survive `json.dumps`. Read next: `fold.py` and `tool_rules.py`, which use it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any, cast

from pydantic_core import from_json

from caesura.messages.errors import InvalidRequestError

# An escaped character: a pair of halves, a lone half (the group), or anything else.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def is_carried_by_json(value: object) -> bool:
    """Whether a value that was read can be written again."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def check_numbers(path: str, value: object) -> None:
    """Refuse a value that cannot be written again; raises InvalidRequestError. path: where it stands."""
    if not is_carried_by_json(value):
        raise InvalidRequestError(f"{path}: a number is out of range")


def parse_input(text: str, *, is_cut: bool = False) -> Mapping[str, Any]:
    """The arguments that a call's JSON text spells; raises ValueError if it is no object.

    Half a character becomes U+FFFD, a number beyond all bounds the largest one there is.
    is_cut: whether the text ends too early; then it is read as far as it goes.
    """
    whole = _ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], text)
    if is_cut and not whole.strip():
        return {}
    value = _finite(
        from_json(whole, allow_inf_nan=False, allow_partial="trailing-strings" if is_cut else False)
    )
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    return cast("dict[str, Any]", value)


def _finite(value: Any) -> Any:
    match value:
        case float():
            return max(-sys.float_info.max, min(sys.float_info.max, value))
        case dict():
            return {name: _finite(inner) for name, inner in cast("dict[str, Any]", value).items()}
        case list():
            return [_finite(inner) for inner in cast("list[Any]", value)]
        case _:
            return value
