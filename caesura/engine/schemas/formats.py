"""The string formats of JSON Schema as patterns.

Each describes a part of its format that every checker agrees on: years from 0001 to 9999, no leap seconds,
addresses and paths in ASCII, only regular expressions of a simple kind. A name that is not in the table is
an annotation, as JSON Schema says, and constrains nothing.
Enters: a format's name. Leaves: a tree. Read next: `pattern_reader.py`.
"""

from __future__ import annotations

from functools import cache

from caesura.engine.schemas.pattern_reader import whole_pattern
from caesura.engine.schemas.patterns import Tree

_LEAP = "(?:0[48]|[2468][048]|[13579][26])"
_YEAR = r"(?:000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d{3})"
_LEAP_YEAR = rf"(?:00{_LEAP}|0[1-9](?:{_LEAP})|[1-9]\d{_LEAP}|{_LEAP}00)"
_DATE = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    rf"|02-(?:0[1-9]|1\d|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"

_CLOCK = r"T(?:\d{1,4}H(?:\d{1,4}M(?:\d{1,4}S)?)?|\d{1,4}M(?:\d{1,4}S)?|\d{1,4}S)"
_DAYS = r"(?:\d{1,4}Y(?:\d{1,4}M(?:\d{1,4}D)?)?|\d{1,4}M(?:\d{1,4}D)?|\d{1,4}D)"

# Two hyphens at the third place would announce an encoded label, and the last label is no number.
_PLAIN_LABEL = r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,30}"
_NAME = rf"(?:{_PLAIN_LABEL}\.){{0,5}}[A-Za-z](?:-?[A-Za-z0-9]){{0,30}}"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"(?:{_BYTE}\.){{3}}{_BYTE}"
_HEX = "[0-9a-fA-F]{1,4}"


def _ipv6() -> str:
    """Eight groups, or fewer around one `::`."""
    options = [rf"(?:{_HEX}:){{7}}{_HEX}"]
    for before in range(8):
        head = rf"{_HEX}(?::{_HEX}){{{before - 1}}}" if before else ""
        after = 7 - before
        tail = rf"(?:{_HEX}(?::{_HEX}){{0,{after - 1}}})?" if after else ""
        options.append(f"{head}::{tail}")
    return f"(?:{'|'.join(options)})"


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PATH_CHARACTER = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_TAIL = rf"(?:\?(?:{_PATH_CHARACTER}|[/?])*)?(?:#(?:{_PATH_CHARACTER}|[/?])*)?"
_AUTHORITY = rf"(?:{_NAME}|{_IPV4})(?::\d{{1,4}})?"
_URI = (
    rf"[A-Za-z][A-Za-z0-9+.-]*:(?://{_AUTHORITY}(?:/{_PATH_CHARACTER}*)*"
    rf"|{_PATH_CHARACTER}+(?:/{_PATH_CHARACTER}*)*){_TAIL}"
)
# A first segment with a colon would be a scheme.
_FIRST = r"(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})+"
_RELATIVE = rf"(?:{_FIRST}|/{_PATH_CHARACTER}+)(?:/{_PATH_CHARACTER}*)*{_TAIL}"
_STEP = r"(?:[^/~]|~[01])*"
_REGEX_ATOM = r"(?:[A-Za-z0-9_ ,;:@-]|\\[dws.]|\.|\[(?:[A-Za-z0-9_]+|a-z|A-Z|0-9)\])"

_PATTERNS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": rf"P(?:{_DAYS}(?:{_CLOCK})?|{_CLOCK}|\d{{1,4}}W)",
    "email": rf"{_ATOM}(?:\.{_ATOM})*@{_NAME}",
    "idn-email": rf"{_ATOM}(?:\.{_ATOM})*@{_NAME}",
    "hostname": _NAME,
    "idn-hostname": _NAME,
    "ipv4": _IPV4,
    "ipv6": _ipv6(),
    "uri": _URI,
    "iri": _URI,
    "uri-reference": f"(?:{_URI}|{_RELATIVE})",
    "iri-reference": f"(?:{_URI}|{_RELATIVE})",
    "uri-template": rf"(?:{_FIRST}|/)(?:[A-Za-z0-9._~/-]|\{{[A-Za-z0-9_]+\}})*",
    "uuid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "json-pointer": rf"(?:/{_STEP})*",
    "relative-json-pointer": rf"(?:0|[1-9]{{1,6}})(?:#|(?:/{_STEP})*)",
    "regex": rf"\^?(?:{_REGEX_ATOM}[*+?]?)*\$?",
}

FORMATS = tuple(_PATTERNS)


@cache
def format_pattern(name: str) -> Tree | None:
    """The texts of a format; None for a name that means nothing here."""
    pattern = _PATTERNS.get(name)
    return None if pattern is None else whole_pattern(f"^(?:{pattern})$")
