"""The shape of what a request body says of the answer's form, and what is made of it.

`json_schema` is the API's own; `xml`, `yaml`, `lark` and `regex` are extensions of ours. Whether a form can
be kept to is found where it is compiled, in the engine. Enters: parsed JSON. Leaves: pydantic models, then an
`OutputFormat`. Read next: `wire_in.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from caesura.messages.blocks_in import Ignored, Shape
from caesura.messages.errors import InvalidRequestError
from caesura.messages.json_values import check_numbers
from caesura.messages.request import OutputFormat

MAX_GRAMMAR_CHARACTERS = 100_000

_Grammar = Annotated[str, Field(min_length=1, max_length=MAX_GRAMMAR_CHARACTERS)]


class WireSchemaFormat(Shape):
    type: Literal["json_schema", "xml", "yaml"]
    # `schema` is a method of every model.
    json_schema: Annotated[dict[str, Any], Field(alias="schema")]
    name: Ignored = None


class WireLarkFormat(Shape):
    type: Literal["lark"]
    grammar: _Grammar


class WireRegexFormat(Shape):
    type: Literal["regex"]
    pattern: _Grammar


WireFormat = Annotated[WireSchemaFormat | WireLarkFormat | WireRegexFormat, Field(discriminator="type")]


def output_format_of(current: WireFormat | None, older: WireFormat | None) -> OutputFormat | None:
    """The form, if one is asked for. older: what stands under the field's older name."""
    for path, wire in (("output_config.format", current), ("output_format", older)):
        if isinstance(wire, WireSchemaFormat):
            check_numbers(f"{path}.{wire.type}.schema", wire.json_schema)
    if current is not None and older is not None and current != older:
        raise InvalidRequestError(
            "output_format: it is another name of `output_config.format`, and the two differ; leave it out"
        )
    match current or older:
        case None:
            return None
        case WireLarkFormat() as lark:
            return OutputFormat(kind="lark", text=lark.grammar)
        case WireRegexFormat() as regex:
            return OutputFormat(kind="regex", text=regex.pattern)
        case form:
            return OutputFormat(kind=form.type, schema=form.json_schema)
