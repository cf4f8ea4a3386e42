"""Rows in which tools are at hand: which to call, with what, what to say then, and when to call none.

Enters: a seed, the share of the kinds, and kinds that come from the data folder. Leaves: `Row`s. Definitions
take most of a row's tokens, so several questions are asked of them in turn, and every reply is learnt.
Read next: `caesura/evals/tools/scenes.py`; `tool_sets.py` for the kinds from public sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

from caesura.evals.tools import KINDS, Kind, Words
from caesura.evals.tools.exchange import Exchange
from caesura.evals.tools.scenes import Scene, exchange_turns, make_scene, num_calls
from caesura.messages.content import Conversation, TextBlock, Turn
from caesura.train.data import Mode, Row

# How often a scene is of a kind; what takes long definitions comes less often.
WEIGHTS: Mapping[str, float] = {
    "lookups": 5.0,
    "chained_lookups": 2.5,
    "actions": 6.0,
    "calculators": 2.0,
    "operations": 0.7,
    "conversions": 0.8,
    "calendars": 1.0,
    "editors": 1.5,
    "built_in_editors": 1.0,
    "shells": 1.5,
    "built_in_shells": 1.0,
    "recorders": 2.0,
    "extraction": 3.0,
}
# Kinds that join others: short definitions, or none.
_COMPANIONS = ("lookups", "actions", "actions", "calculators", "operations", "conversions", "shells")
_TALK = ("talk", "chat")
_ALONE = frozenset({"recorders", "extraction"})
_LONG = frozenset({"editors", "built_in_editors", "calendars"})
_PARTNERS = {"editors": "shells", "built_in_editors": "built_in_shells", "built_in_shells": "editors"}
_SYSTEMS = (
    "You are a helpful assistant.",
    "Use the tools when they help.",
    "You are nano, a small model.",
    "Answer briefly.",
    "Call a tool only if it is needed.",
    "You are an agent that works with tools.",
)
_MODES: tuple[Mode, ...] = ("adaptive", "fast", "think")
_MODE_WEIGHTS = (0.4, 0.25, 0.35)


def tool_rows(
    seed: int, num_rows: int, more: Mapping[str, tuple[float, Kind]] | None = None
) -> Iterator[Row]:
    """`num_rows` rows, no held-out word among them. The same seed gives the same rows.

    more: further kinds by name, each with its weight.
    """
    kinds = {**KINDS, **{name: kind for name, (_, kind) in (more or {}).items()}}
    weights = {**WEIGHTS, **{name: weight for name, (weight, _) in (more or {}).items()}}
    words = Words(holds_out=False)
    for number in range(num_rows):
        rng = Random(f"tools/{seed}/{number}")
        name = rng.choices(list(weights), list(weights.values()))[0]
        yield _row(rng, _scene(rng, words, name, kinds), name)


def _scene(rng: Random, words: Words, name: str, kinds: Mapping[str, Kind]) -> Scene:
    """A kind, mostly with others beside it."""
    if name in _ALONE:
        others = [kinds[rng.choice(_COMPANIONS)]] if rng.random() < 0.3 else []
        return make_scene(rng, words, [kinds[name]], num_exchanges=1, others=others)
    asked = [name]
    if name in _PARTNERS and rng.random() < 0.3:
        asked.append(_PARTNERS[name])
    elif name not in _LONG:
        asked += rng.choices(_COMPANIONS, k=rng.choice((0, 1, 1, 2)))
    asked += ["missing"] if rng.random() < 0.35 else []
    asked += [rng.choice([each for each in _TALK if each in kinds])] if rng.random() < 0.25 else []
    if len(asked) > 1 and rng.random() < 0.25:
        asked[0], asked[-1] = asked[-1], asked[0]
    return make_scene(rng, words, [kinds[each] for each in asked], num_exchanges=rng.randint(1, 4))


def _row(rng: Random, scene: Scene, name: str) -> Row:
    mode = rng.choices(_MODES, _MODE_WEIGHTS)[0]
    system = (TextBlock(text=rng.choice(_SYSTEMS)),) if rng.random() < 0.25 else ()
    return Row(
        conversation=Conversation(
            turns=tuple(_turns(scene.exchanges, thinks=mode == "think")), system=system, tools=scene.tools
        ),
        mode=mode,
        source=f"tools/{name}",
        licence="Apache-2.0",
        learns_every_reply=True,
        is_forced=any(exchange.is_forced for exchange in scene.exchanges),
    )


def _turns(exchanges: tuple[Exchange, ...], *, thinks: bool) -> Iterator[Turn]:
    first_id = 0
    for exchange in exchanges:
        yield from exchange_turns(exchange, first_id, thinks=thinks)
        first_id += num_calls(exchange)
