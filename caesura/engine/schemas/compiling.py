"""From a schema to the text of a grammar.

Enters: a schema, and how much work it may cause. Leaves: a grammar in llguidance's dialect of Lark. Read
next: `reader.py`, `outline.py`, `json_text.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from caesura.engine.schemas.clauses import Atom
from caesura.engine.schemas.combining import LATE_RULES, RULES
from caesura.engine.schemas.json_text import JsonText, Marks, quoted
from caesura.engine.schemas.lark import LarkWriter, Risk
from caesura.engine.schemas.outline import outline
from caesura.engine.schemas.places import Document, Place
from caesura.engine.schemas.reader import SchemaReader
from caesura.engine.schemas.refusal import Effort, SchemaRefusedError
from caesura.engine.schemas.shapes import Outline
from caesura.engine.schemas.terminals import literal
from caesura.engine.schemas.xml_text import XmlText, is_name
from caesura.engine.schemas.yaml_text import YamlText
from caesura.tokens.call_writing import CallWriting

# Models that number their calls do it with nine letters and digits.
_SHORT_ID = "[0-9A-Za-z]{9}"

_OBJECT = Atom(Place(("type",), {"type": "object"}, ""))


class Compiled(NamedTuple):
    """A grammar's text, and the terminals in it that should be tried."""

    text: str
    risks: tuple[Risk, ...]


class Call(NamedTuple):
    """A tool that may be called: its name, and the schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


def read_schema(schema: object, effort: Effort, *, is_object: bool = False) -> Outline:
    """What a schema admits. Raises SchemaRefusedError."""
    document = Document(schema, effort)
    reader = SchemaReader(document, RULES, LATE_RULES, effort)
    root = Atom(document.root)
    return outline(reader, (_OBJECT, root) if is_object else (root,))


def json_grammar(schema: object, effort: Effort) -> Compiled:
    """The JSON texts that satisfy a schema."""
    lark = LarkWriter()
    root = JsonText(lark, read_schema(schema, effort), effort).write()
    return Compiled(lark.text([root]), tuple(lark.risks))


def xml_grammar(schema: object, effort: Effort) -> Compiled:
    """The XML documents of a schema. The outermost element has its title's name, or is called `answer`."""
    lark = LarkWriter()
    title: object = cast(Mapping[str, Any], schema).get("title") if isinstance(schema, Mapping) else None
    root = title if isinstance(title, str) and is_name(title) else "answer"
    start = XmlText(lark, read_schema(schema, effort), effort).write(root)
    return Compiled(lark.text([start]), tuple(lark.risks))


def yaml_grammar(schema: object, effort: Effort) -> Compiled:
    """The YAML documents of a schema, in block style."""
    lark = LarkWriter()
    start = YamlText(lark, read_schema(schema, effort), effort).write()
    return Compiled(lark.text([start]), tuple(lark.risks))


def calls_grammar(
    calls: Sequence[Call],
    effort: Effort,
    writing: CallWriting = CallWriting(),  # noqa: B008 (immutable)
) -> Compiled:
    """What stands between what opens and what closes calls, written as a model does: one, or a list."""
    lark = LarkWriter()
    blank, forms = lark.terminal(r"/[ \n]/"), list[str]()
    for number, call in enumerate(calls):
        try:
            arguments = JsonText(
                lark, read_schema(call.schema, effort, is_object=True), effort, document=number
            ).write()
        except SchemaRefusedError as refused:
            raise SchemaRefusedError(refused.pointer, refused.reason, document=number) from refused
        forms.append(_call(lark, call.name, arguments, writing))
    one = lark.rule(forms)
    if writing.is_list:
        marks = Marks.of(lark)
        more = "" if writing.is_single else f"({marks.comma} {one})*"
        one = f"{marks.open_array} {one} {more} {marks.close_array}"
    return Compiled(lark.text([f"{blank}?", one, f"{blank}?"]), tuple(lark.risks))


def _call(lark: LarkWriter, name: str, arguments: str, writing: CallWriting) -> str:
    """One call; its name comes first."""
    if writing.marks:
        *others, last = (f"<[{mark}]>" for mark in writing.marks)
        number = lark.terminal(f"/{_SHORT_ID}/") if others else ""
        numbers = "".join(f"{each} {number} " for each in others)
        return f"{lark.terminal(literal(name))} {numbers}{last} {arguments}"
    marks = Marks.of(lark)
    named = f"{_key(lark, 'name')} {marks.colon} {lark.terminal(literal(quoted(name)))}"
    given = f"{_key(lark, writing.arguments_key)} {marks.colon} {arguments}"
    number = ""
    if writing.has_ids:
        spelled = lark.terminal(rf'/"{_SHORT_ID}"/')
        number = f"({marks.comma} {_key(lark, 'id')} {marks.colon} {spelled})?"
    return f"{marks.open_object} {named} {marks.comma} {given} {number} {marks.close_object}"


def _key(lark: LarkWriter, name: str) -> str:
    return lark.terminal(literal(quoted(name)))
