"""The fields of a constitution's file, each read or refused by name.

Enters: YAML. Leaves: texts, lists, patterns; or a ConstitutionError of the form `FILE: principle ID: FIELD:
reason`. A field that nobody reads is refused too, and so is one that comes twice. Read next: `principles.py`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from string import Formatter
from typing import Any, Literal, cast, get_args

import yaml

from caesura.messages.errors import CaesuraError
from caesura.messages.preferences import DIMENSIONS, Dimension

Kind = Literal["harmful", "harmless", "manner"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# In `covers`: every category.
ANY = "any"
SLOTS = ("topic",)
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class ConstitutionError(CaesuraError, ValueError):
    """A constitution that cannot be followed as it is written."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that comes twice, of which YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key: object = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the field {key!r} is given twice", key_node.start_mark
                )
            seen.add(key if isinstance(key, str) else id(key_node))
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str, name: str) -> Mapping[str, Any]:
    """A mapping. Raises ConstitutionError."""
    try:
        tree: object = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConstitutionError(f"{name}: no valid YAML: {reason}") from error
    if not isinstance(tree, dict):
        raise ConstitutionError(f"{name}: must be a mapping with name, version, topics and principles")
    return cast(Mapping[str, Any], tree)


class Fields:
    """A mapping that is read field by field."""

    def __init__(self, mapping: Mapping[Any, Any], place: str) -> None:
        """place: what errors begin with, e.g. `mine.yaml: principle no-harm`."""
        self._mapping = mapping
        self._place = place
        self._read: set[str] = set()

    def error(self, name: str, reason: str) -> ConstitutionError:
        """What is wrong with a field, to be raised."""
        return ConstitutionError(f"{self._place}: {name}: {reason}")

    def named(self, identity: str) -> Fields:
        """The same mapping; its errors name the principle instead of its number."""
        return Fields(self._mapping, f"{self._place.rpartition(': ')[0]}: principle {identity}")

    def text(self, name: str) -> str:
        """Something that is not empty."""
        return self._text(name, self._value(name))

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of texts, none empty or given twice; `default` where the field is absent."""
        if default is not None and name not in self._mapping:
            return default
        found = tuple(self._text(name, each) for each in self._list(name))
        if not found:
            raise self.error(name, "is empty; it needs at least one text")
        if len(set(found)) < len(found):
            twice = next(each for number, each in enumerate(found) if each in found[:number])
            raise self.error(name, f"{twice!r} is given twice")
        return found

    def templates(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Texts whose slots are known."""
        found = self.texts(name, default)
        for each in found:
            self._check_slots(name, each)
        return found

    def patterns(self, name: str) -> tuple[str, ...]:
        """Regular expressions; none where the field is absent."""
        found = self.texts(name, default=())
        for each in found:
            try:
                compiled = re.compile(each, re.IGNORECASE)
            except (re.error, OverflowError, RecursionError) as error:
                raise self.error(name, f"{each!r} is no regular expression: {error}") from error
            if compiled.search(""):
                raise self.error(name, f"{each!r} is found in every reply")
        return found

    def choices(self, name: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """A list of words, each one of those allowed."""
        found = self.texts(name)
        for each in found:
            self._check_choice(name, each, allowed)
        return found

    def kind(self, name: str) -> Kind:
        """See `Principle`."""
        return cast(Kind, self._check_choice(name, self.text(name), KINDS))

    def dimension(self, name: str) -> Dimension:
        """See `Principle`."""
        return cast(Dimension, self._check_choice(name, self.text(name), DIMENSIONS))

    def identity(self, name: str) -> str:
        """Small letters, digits and hyphens."""
        found = self.text(name)
        if not _ID.fullmatch(found):
            raise self.error(name, f"{found!r} must be of small letters, digits and single hyphens")
        return found

    def mapping(self, name: str) -> Fields:
        """A mapping inside."""
        value = self._value(name)
        if not isinstance(value, dict):
            raise self.error(name, f"must be a mapping, not {_shown(value)}")
        return Fields(cast(Mapping[Any, Any], value), f"{self._place}: {name}")

    def items(self, name: str) -> list[Fields]:
        """The mappings of a list that is not empty."""
        values = self._list(name)
        if not values:
            raise self.error(name, "is empty")
        found: list[Fields] = []
        for number, value in enumerate(values, start=1):
            if not isinstance(value, dict):
                raise self.error(name, f"number {number} must be a mapping, not {_shown(value)}")
            found.append(Fields(cast(Mapping[Any, Any], value), f"{self._place}: principle number {number}"))
        return found

    def end(self) -> None:
        """Raises ConstitutionError for a field that was not read."""
        unknown = next((key for key in self._mapping if key not in self._read), None)
        if unknown is not None:
            raise self.error(str(unknown), f"is no field; there are {', '.join(sorted(self._read))}")

    def _value(self, name: str) -> object:
        self._read.add(name)
        if name not in self._mapping:
            raise self.error(name, "is missing")
        return cast(object, self._mapping[name])

    def _list(self, name: str) -> list[object]:
        value = self._value(name)
        if not isinstance(value, list):
            raise self.error(name, f"must be a list, not {_shown(value)}")
        return cast(list[object], value)

    def _text(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            raise self.error(name, f"must be text, not {_shown(value)}; quote it")
        if not value.strip():
            raise self.error(name, "is empty")
        return value.strip()

    def _check_choice(self, name: str, value: str, allowed: Sequence[str]) -> str:
        if value not in allowed:
            raise self.error(name, f"{value!r} is not one of {', '.join(allowed)}")
        return value

    def _check_slots(self, name: str, template: str) -> None:
        try:
            slots = [slot for _, slot, _, _ in Formatter().parse(template) if slot is not None]
        except ValueError as error:
            raise self.error(name, f"{template!r}: {error}; write {{{{ and }}}} for braces") from error
        unknown = next((slot for slot in slots if slot not in SLOTS), None)
        if unknown is not None:
            raise self.error(name, f"{template!r} has the slot {{{unknown}}}; there is only {{topic}}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
