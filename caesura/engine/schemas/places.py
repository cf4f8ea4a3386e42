"""A schema as a document: its places, and where its references lead.

A reference is resolved within the document alone; what lies elsewhere is refused, never fetched.
Enters: a schema. Leaves: places. Read next: `clauses.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote, urldefrag, urljoin

from caesura.engine.schemas.refusal import Effort, Pointer, SchemaRefusedError

_SCHEMAS_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMA = (
    "additionalItems", "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames",
    "then", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
_OLD_DRAFTS = ("draft-03", "draft-04", "draft-05", "draft-06", "draft-07")


@dataclass(frozen=True, slots=True)
class Place:
    """A schema in its document. Two places are the same if they lie in the same spot.

    pointer: the way to it. schema: what stands there. base: the address that its references start from.
    """

    pointer: Pointer
    schema: Any = field(compare=False, repr=False)
    base: str = field(compare=False, repr=False)

    def at(self, *steps: str | int) -> Place:
        """The place of a subschema."""
        found: Any = self.schema
        for step in steps:
            found = found[step]
        return self.of(found, *steps)

    def of(self, schema: Any, *steps: str | int) -> Place:
        """A place below, for a schema that is given and need not stand in the document."""
        base = _base(schema, self.base) if self.base != _FOREIGN else self.base
        return Place((*self.pointer, *map(str, steps)), schema, base)


_FOREIGN = ""


class Document:
    """A schema with the names that its parts have."""

    def __init__(self, schema: Any, effort: Effort) -> None:
        dialect = schema.get("$schema") if isinstance(schema, Mapping) else None
        # Until draft 7 a reference replaced everything beside it.
        self.has_lone_references = isinstance(dialect, str) and any(old in dialect for old in _OLD_DRAFTS)
        self.root = Place((), schema, _base(schema, "schema:/"))
        self._resources: dict[str, Place] = {self.root.base: self.root}
        self._anchors: dict[tuple[str, str], Place] = {}
        self._dynamic: dict[str, list[Place]] = {}
        for place in _schemas(self.root, effort):
            self._note(place)

    def follow(self, place: Place, keyword: str = "$ref") -> Place:
        """Where the reference of a schema leads. Raises SchemaRefusedError."""
        reference: object = place.schema[keyword]
        pointer = (*place.pointer, keyword)
        if not isinstance(reference, str):
            raise SchemaRefusedError(pointer, "a reference is a text")
        if keyword == "$dynamicRef" and len(self._dynamic.get(reference.rpartition("#")[2], ())) > 1:
            raise SchemaRefusedError(pointer, f"{reference} depends on the way there, which is not supported")
        address, fragment = urldefrag(_join(place.base, reference))
        resource = self._resources.get(address)
        if resource is None:
            raise SchemaRefusedError(pointer, f"{reference} lies outside of the schema and is not fetched")
        fragment = unquote(fragment)
        found = self._anchors.get((address, fragment)) if fragment and fragment[0] != "/" else None
        if found is None:
            found = _walk(resource, fragment)
        if found is None:
            raise SchemaRefusedError(pointer, f"{reference} leads nowhere")
        return found

    def _note(self, place: Place) -> None:
        schema = place.schema
        if not isinstance(schema, Mapping):
            return
        if _own_id(cast(Mapping[str, Any], schema)) is not None:
            self._resources.setdefault(place.base, place)
        for keyword in ("$anchor", "$dynamicAnchor"):
            name = cast(Mapping[str, Any], schema).get(keyword)
            if isinstance(name, str):
                self._anchors.setdefault((place.base, name), place)
                if keyword == "$dynamicAnchor":
                    self._dynamic.setdefault(name, []).append(place)
        own = _own_id(cast(Mapping[str, Any], schema)) or ""
        if own.startswith("#") and len(own) > 1:
            # Until draft 7 an identifier could be an anchor.
            self._anchors.setdefault((place.base, own[1:]), place)


def _schemas(place: Place, effort: Effort) -> Iterator[Place]:
    """Every schema of a document that stands where a schema can stand."""
    waiting = [place]
    while waiting:
        place = waiting.pop()
        effort.spend(place.pointer)
        yield place
        if isinstance(place.schema, Mapping):
            waiting += _children(place, cast(Mapping[str, Any], place.schema))


def _children(place: Place, schema: Mapping[str, Any]) -> Iterator[Place]:
    for keyword, value in schema.items():
        if keyword in _SCHEMAS_BY_NAME and isinstance(value, Mapping):
            yield from (place.at(keyword, name) for name in cast(Mapping[str, Any], value))
        elif (keyword in _SCHEMAS or keyword == "items") and isinstance(value, list):
            yield from (place.at(keyword, at) for at in range(len(cast(list[Any], value))))
        elif keyword in _SCHEMA:
            yield place.at(keyword)
        elif keyword == "dependencies" and isinstance(value, Mapping):
            named = cast(Mapping[str, Any], value)
            yield from (place.at(keyword, name) for name in named if not isinstance(named[name], list))


def _own_id(schema: Mapping[str, Any]) -> str | None:
    for keyword in ("$id", "id"):
        value = schema.get(keyword)
        if isinstance(value, str):
            return value
    return None


def _base(schema: Any, base: str) -> str:
    own = _own_id(cast(Mapping[str, Any], schema)) if isinstance(schema, Mapping) else None
    return base if own is None or own.startswith("#") else urldefrag(_join(base, own))[0]


def _join(base: str, reference: str) -> str:
    # `urljoin` knows no way from a URN to its own parts.
    return base + reference if reference.startswith("#") else urljoin(base, reference)


def _walk(place: Place, fragment: str) -> Place | None:
    """The place that a JSON pointer names."""
    if fragment and not fragment.startswith("/"):
        return None
    for step in fragment.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        held: Any = place.schema
        if isinstance(held, Mapping) and name in held:
            place = place.at(name)
        elif isinstance(held, Sequence) and not isinstance(held, str) and name.isdigit():
            if int(name) >= len(cast(Sequence[Any], held)):
                return None
            place = place.at(int(name))
        else:
            return None
    return place
