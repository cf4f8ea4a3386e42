"""The constitution as data: principles, and which of them bear on a request.

Enters: a YAML file (`constitution.yaml` unless another is named). Leaves: a `Constitution`, or a
ConstitutionError that names file, principle and field. Read next: `principle_fields.py`, which reads the
fields; `rules.py`, which holds replies against them.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from caesura.constitution.principle_fields import (
    ANY,
    ConstitutionError,
    Fields,
    Kind,
    parse_yaml,
)
from caesura.constitution.prompts import Prompt
from caesura.messages.harms import CATEGORIES, Category
from caesura.messages.preferences import Dimension

PACKAGED = "constitution.yaml"
# Beyond this nobody reads it before training on it.
_MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Principle:
    """One thing that the model is to be like.

    id, title: what logs and tables call it. text: the principle itself.
    dimension: in what a reply that follows it is better.
    kind: "harmful" describes what is declined, "harmless" what is answered, "manner" how any reply is
        written.
    covers: the categories of requests that it bears on; every one where it was given as `any`.
    is_general: whether it was given so.
    critique, revision: what a critic is asked of a reply. comparison: what a judge is asked of two.
    replies: wordings with which the rules decline or answer; `{topic}` stands for what the request is about.
    thoughts: what may be thought before such a reply.
    signs: regular expressions; a reply that holds one, in whatever case, breaks the principle.
    """

    id: str
    title: str
    text: str
    dimension: Dimension
    kind: Kind
    covers: tuple[Category, ...]
    is_general: bool
    critique: str
    revision: str
    comparison: str
    replies: tuple[str, ...]
    thoughts: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()

    def bears_on(self, prompt: Prompt) -> bool:
        """Whether a reply to the request can follow or break it."""
        is_of_kind = self.kind == "manner" or (self.kind == "harmful") == prompt.is_harmful
        return is_of_kind and prompt.category in self.covers


@dataclass(frozen=True, kw_only=True)
class Constitution:
    """All of it.

    name, version: as the file says. principles: in the file's order, their ids unique.
    topics: for each category, what `{topic}` may stand for.
    """

    name: str
    version: str
    principles: tuple[Principle, ...]
    topics: Mapping[Category, tuple[str, ...]]

    @cached_property
    def digest(self) -> str:
        """Stands for every word of it, and for nothing else: neither comments nor order of fields count."""
        tree = {
            "name": self.name,
            "version": self.version,
            "principles": [asdict(each) for each in self.principles],
            "topics": {name: list(self.topics[name]) for name in sorted(self.topics)},
        }
        text = json.dumps(tree, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def principle(self, principle_id: str) -> Principle:
        """The one of that id. Raises ConstitutionError."""
        for each in self.principles:
            if each.id == principle_id:
                return each
        known = ", ".join(each.id for each in self.principles)
        raise ConstitutionError(f"there is no principle {principle_id!r}; there are {known}")

    def bearing_on(self, prompt: Prompt) -> tuple[Principle, ...]:
        """Those that a reply to the request can follow or break, in the file's order."""
        return tuple(each for each in self.principles if each.bears_on(prompt))

    def drawn(self, prompt: Prompt, num_rounds: int, rng: random.Random) -> tuple[Principle, ...]:
        """A principle for each round, none twice before all have come.

        The first is one that says whether to answer at all, so that every request meets it; among those, one
        that names the category comes before a general one. Raises ConstitutionError where none bears on it.
        """
        bearing = self.bearing_on(prompt)
        deciding = [each for each in bearing if each.kind != "manner"]
        first = [each for each in deciding if not each.is_general] or deciding
        if not first:
            kind = "harmful" if prompt.is_harmful else "harmless"
            raise ConstitutionError(f"no principle of the kind {kind!r} covers {prompt.category!r}")
        chosen = [rng.choice(first)]
        while len(chosen) < num_rounds:
            rest = [each for each in bearing if each not in chosen] if len(chosen) < len(bearing) else []
            chosen += rng.sample(rest, len(rest)) if rest else rng.sample(bearing, len(bearing))
        return tuple(chosen[:num_rounds])


def load_constitution(path: Path | None = None) -> Constitution:
    """Read a constitution; None: the one that comes along. Raises ConstitutionError."""
    if path is None:
        packaged = files("caesura.constitution").joinpath(PACKAGED)
        return parse_constitution(packaged.read_text(encoding="utf-8"), PACKAGED)
    try:
        size = path.stat().st_size
        if size > _MAX_FILE_BYTES:
            raise ConstitutionError(f"{path}: {size:,} bytes > {_MAX_FILE_BYTES:,} maximum")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConstitutionError(f"{path} cannot be read: {error}") from error
    return parse_constitution(text, str(path))


def parse_constitution(text: str, name: str) -> Constitution:
    """name: what errors call the text. Raises ConstitutionError naming it, the principle and the field."""
    fields = Fields(parse_yaml(text, name), name)
    topics = _topics(fields.mapping("topics"))
    principles = tuple(_principle(each) for each in fields.items("principles"))
    twice = [each for each, count in Counter(principle.id for principle in principles).items() if count > 1]
    if twice:
        raise ConstitutionError(f"{name}: principles: the id {twice[0]!r} is given twice; ids must differ")
    constitution = Constitution(
        name=fields.text("name"), version=fields.text("version"), principles=principles, topics=topics
    )
    fields.end()
    return constitution


def _topics(fields: Fields) -> Mapping[Category, tuple[str, ...]]:
    topics: dict[Category, tuple[str, ...]] = {each: fields.texts(each) for each in CATEGORIES}
    fields.end()
    return MappingProxyType(topics)


def _principle(fields: Fields) -> Principle:
    named = fields.named(fields.identity("id"))
    covers = named.choices("covers", (ANY, *CATEGORIES))
    is_general = ANY in covers
    if is_general and len(covers) > 1:
        raise named.error("covers", f"{ANY!r} stands alone: it means every category")
    values: dict[str, Any] = {
        name: named.text(name) for name in ("title", "text", "critique", "revision", "comparison")
    }
    principle = Principle(
        id=named.identity("id"),
        dimension=named.dimension("dimension"),
        kind=named.kind("kind"),
        covers=CATEGORIES if is_general else tuple(each for each in CATEGORIES if each in covers),
        is_general=is_general,
        replies=named.templates("replies"),
        thoughts=named.templates("thoughts", default=()),
        signs=named.patterns("signs"),
        **values,
    )
    named.end()
    return principle
