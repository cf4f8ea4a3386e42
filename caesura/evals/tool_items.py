"""What `caesura eval tools` asks: one turn of a conversation with tools, and what must come next.

Enters: seeds and a number of items of each kind. Leaves: `ToolItem`s, the same on every machine, made of
words that no training row holds. Read next: `tool_grading.py`; `tool_sources.py` for items of public sets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from caesura.evals.tools import KINDS, Call, Exchange, Words
from caesura.evals.tools.scenes import Scene, exchange_turns, make_scene
from caesura.messages.content import Conversation, text_of
from caesura.messages.request import ToolChoice

Aspect = Literal["decision", "answer", "record"]

_AUTO = ToolChoice()
_DISTRACTORS = ("lookups", "actions", "calculators", "operations", "shells")
_SELF_SUFFICIENT = frozenset({"editors", "built_in_editors", "calendars"})
_WITHOUT_CALLS = frozenset({"missing", "talk"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolItem:
    """One reply to be graded.

    id: unique. kind: which exercises it is of. aspect: what is graded: whether and what is called, the answer
    after the results, or a record as JSON.
    conversation: ends with the user's turn. choice: what the request says of calls.
    calls: those that must be made; none where nothing is to be called.
    answer: what the text must contain. record: what it must spell.
    """

    id: str
    kind: str
    aspect: Aspect
    conversation: Conversation
    choice: ToolChoice = _AUTO
    calls: tuple[Call, ...] = ()
    answer: str = ""
    record: Mapping[str, Any] | None = field(default=None, hash=False)

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The schema of a record: its keys, with the types of its values."""
        if self.record is None:
            return None
        properties = {key: _schema_of(value) for key, value in self.record.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }


def _schema_of(value: object) -> dict[str, Any]:
    if isinstance(value, list):
        return {"type": "array", "items": {"type": "string"}}
    return {"type": "integer" if isinstance(value, int) else "string"}


def tool_items(seeds: Iterable[int], num_problems: int) -> list[ToolItem]:
    """Items of `num_problems` exchanges of every kind and seed; an exchange may give several."""
    return [
        item
        for seed in seeds
        for index in range(num_problems)
        for kind in KINDS
        for item in _items(kind, f"{kind}/{seed}/{index}")
    ]


def _items(kind: str, name: str) -> Iterator[ToolItem]:
    rng = Random(f"eval/tools/{name}")
    scene = _scene(rng, kind)
    exchange = scene.exchanges[0]
    if exchange.record is not None:
        yield _item(scene, exchange, name, kind, num_steps=0)
        return
    yield _item(scene, exchange, name, kind, num_steps=0)
    if len(exchange.steps) > 1:
        yield _item(scene, exchange, name, kind, num_steps=1)
    if exchange.steps and exchange.answer:
        yield _item(scene, exchange, name, kind, num_steps=len(exchange.steps))


def _scene(rng: Random, kind: str) -> Scene:
    """One exchange of the kind, in most cases with tools beside it that it does not need."""
    words = Words(holds_out=True)
    num = rng.choice((1, 2)) if kind in _WITHOUT_CALLS else rng.choice((0, 1, 1, 2))
    names = [] if kind in _SELF_SUFFICIENT else rng.choices(_DISTRACTORS, k=num)
    others = [KINDS[each] for each in names]
    return make_scene(rng, words, [KINDS[kind]], num_exchanges=1, others=others)


def _item(scene: Scene, exchange: Exchange, name: str, kind: str, *, num_steps: int) -> ToolItem:
    """The turn after the first `num_steps` steps."""
    conversation = Conversation(
        turns=tuple(exchange_turns(exchange, 0, num_steps=num_steps)), tools=scene.tools
    )
    item_id = f"{name}/{num_steps}"
    if exchange.record is not None:
        return ToolItem(
            id=item_id,
            kind=kind,
            aspect="record",
            conversation=conversation,
            record=exchange.record,
            choice=ToolChoice(mode="none"),
        )
    if exchange.steps and num_steps == len(exchange.steps):
        return ToolItem(
            id=item_id, kind=kind, aspect="answer", conversation=conversation, answer=exchange.answer
        )
    return ToolItem(
        id=item_id,
        kind=kind,
        aspect="decision",
        conversation=conversation,
        calls=exchange.steps[num_steps] if exchange.steps else (),
        choice=_forced(exchange) if exchange.is_forced else _AUTO,
    )


def _forced(exchange: Exchange) -> ToolChoice:
    return ToolChoice(mode="tool", name=exchange.steps[0][0].name)


def items_digest(items: Iterable[ToolItem]) -> str:
    """SHA-256 over what is asked and expected."""
    digest = hashlib.sha256()
    for item in items:
        asked = [text_of(turn.content) for turn in item.conversation.turns]
        tools = [[tool.name, tool.description, tool.input_schema] for tool in item.conversation.tools]
        calls = [[call.name, call.arguments] for call in item.calls]
        told = [item.id, asked, tools, calls, item.answer, item.record]
        digest.update((json.dumps(told) + "\n").encode())
    return digest.hexdigest()
