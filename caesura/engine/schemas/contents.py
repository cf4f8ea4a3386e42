"""Strings that hold something else: `contentEncoding` and `contentMediaType`.

Since draft 2019-09 they are annotations, before they could be checked. So what is written satisfies the
check: base64 is base64, and JSON is JSON, of a plain kind (nested to a depth, without escapes in strings).
JSON within base64 is refused; other encodings and media types mean nothing here.
Enters: a place. Leaves: unions. Read next: `combining.py`, whose table has the rule.
"""

from __future__ import annotations

from functools import cache

from caesura.engine.schemas.clauses import StringClause, Union
from caesura.engine.schemas.keywords import refuse_opposite
from caesura.engine.schemas.pattern_reader import whole_pattern
from caesura.engine.schemas.patterns import Tree
from caesura.engine.schemas.places import Place
from caesura.engine.schemas.reader import Rule, SchemaReader, among
from caesura.engine.schemas.refusal import SchemaRefusedError

_ENCODING, _MEDIA_TYPE = "contentEncoding", "contentMediaType"
_BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_JSON_DEPTH = 2


def _json_pattern(depth: int) -> str:
    text = r'"[^"\\\x00-\x1f]*"'
    value = rf"(?:{text}|-?(?:0|[1-9][0-9]{{0,17}})(?:\.[0-9]{{1,17}})?|true|false|null)"
    for _ in range(depth):
        pair = f"{text}: ?{value}"
        value = rf"(?:{value}|\[(?:{value}(?:, ?{value})*)?\]|\{{(?:{pair}(?:, ?{pair})*)?\}})"
    return value


@cache
def _pattern(keyword: str) -> Tree:
    pattern = _BASE64 if keyword == _ENCODING else _json_pattern(_JSON_DEPTH)
    return whole_pattern(f"^(?:{pattern})$")


def _checked(place: Place) -> str | None:
    """The keyword that limits the text; None: none does."""
    has_base64 = place.schema.get(_ENCODING) == "base64"
    has_json = place.schema.get(_MEDIA_TYPE) == "application/json"
    if has_base64 and has_json:
        raise SchemaRefusedError((*place.pointer, _MEDIA_TYPE), "JSON within base64 cannot be enforced")
    return _ENCODING if has_base64 else _MEDIA_TYPE if has_json else None


def _content_holds(reader: SchemaReader, place: Place) -> Union:
    keyword = _checked(place)
    if keyword is None:
        return among("string", [StringClause()])
    return among("string", [StringClause(patterns=(_pattern(keyword),), at=(*place.pointer, keyword))])


def _content_fails(reader: SchemaReader, place: Place) -> Union:
    keyword = _checked(place)
    return {} if keyword is None else refuse_opposite(keyword, (*place.pointer, keyword))


CONTENT_RULE = Rule((_ENCODING, _MEDIA_TYPE), _content_holds, _content_fails)
