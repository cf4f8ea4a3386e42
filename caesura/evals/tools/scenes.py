"""Scenes: tools at hand, those that are needed among others, and what is asked of them in turn.

Enters: kinds of kits and a generator. Leaves: a `Scene`, and the conversation that it makes so far. Read
next: `caesura/recipes/tools.py`, which trains on them, and `caesura/evals/tool_items.py`, which measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from caesura.evals.tools.exchange import Call, Exchange, Kind, Kit
from caesura.evals.tools.words import Words
from caesura.messages.content import (
    Block,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    text_turn,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Tools and exchanges, one after the other.

    tools: in the order in which they are listed. exchanges: at least one.
    """

    tools: tuple[Tool, ...]
    exchanges: tuple[Exchange, ...]


def make_scene(
    rng: Random, words: Words, kinds: Sequence[Kind], *, num_exchanges: int, others: Sequence[Kind] = ()
) -> Scene:
    """Kits of these kinds, with questions to each of them, the first to the first.

    others: kinds whose tools lie about without being needed.
    """
    kits = _apart([kind(rng, words) for kind in kinds])
    idle = _apart([*kits, *(kind(rng, words) for kind in others)])[len(kits) :]
    tools = [tool for kit in (*kits, *idle) for tool in kit.tools]
    rng.shuffle(tools)
    asked = [kits[0], *(rng.choice(kits) for _ in range(num_exchanges - 1))]
    # Nobody asks the same thing twice.
    exchanges = {exchange.question: exchange for exchange in (kit.ask(rng) for kit in asked)}
    return Scene(tools=tuple(tools), exchanges=tuple(exchanges.values()))


def _apart(kits: Sequence[Kit]) -> list[Kit]:
    """The kits without those that would take the name of an earlier one's tool, or do what none may do."""
    kept: list[Kit] = []
    for kit in kits:
        tools = [tool for other in kept for tool in other.tools]
        has_names = {tool.name for tool in kit.tools} & {tool.name for tool in tools}
        absent = [other.absent for other in (*kept, kit) if other.absent]
        told = " ".join(tool.description for tool in (*tools, *kit.tools)).lower()
        if not has_names and not any(word.lower() in told for word in absent):
            kept.append(kit)
    return kept


def exchange_turns(
    exchange: Exchange, first_id: int, *, num_steps: int | None = None, thinks: bool = False
) -> list[Turn]:
    """The turns of an exchange up to its reply; or up to the results of its first `num_steps` steps.

    first_id: the number of the first call, unique in the conversation.
    """
    turns = [text_turn("user", exchange.question)]
    shown = exchange.steps if num_steps is None else exchange.steps[:num_steps]
    for number, step in enumerate(shown):
        ids = [f"toolu_{first_id + at}" for at in range(len(step))]
        first_id += len(step)
        thought = _thought(exchange, number, thinks)
        calls = [
            ToolUseBlock(id=name, name=call.name, input=call.arguments)
            for name, call in zip(ids, step, strict=True)
        ]
        turns.append(Turn(role="assistant", content=(*thought, *calls)))
        turns.append(Turn(role="user", content=tuple(map(_result, ids, step))))
    if num_steps is None:
        thought = _thought(exchange, len(exchange.steps), thinks)
        turns.append(Turn(role="assistant", content=(*thought, TextBlock(text=exchange.reply))))
    return turns


def num_calls(exchange: Exchange) -> int:
    """How many calls an exchange makes."""
    return sum(map(len, exchange.steps))


def _thought(exchange: Exchange, number: int, thinks: bool) -> tuple[Block, ...]:
    return (ThinkingBlock(thinking=exchange.thoughts[number]),) if thinks else ()


def _result(name: str, call: Call) -> ToolResultBlock:
    content = (TextBlock(text=call.result),) if call.result else ()
    return ToolResultBlock(tool_use_id=name, content=content, is_error=call.is_error)
