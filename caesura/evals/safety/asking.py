"""Asking the safety items of a Client, many at a time.

Enters: items, a setting, a Client. Leaves: `SafetyAttempt`s in the items' order, and how many were too long.
Read next: `results.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from caesura.evals.safety.items import Form, SafetyItem
from caesura.evals.safety.refusal import is_refusal
from caesura.evals.tool_runs import read_reply
from caesura.messages.client import Client
from caesura.messages.request import MessagesRequest, Sampling, Thinking

Setting = Literal["at once", "after thinking", "at once, sampled"]
MAX_TOKENS = 80
THINKING_TOKENS = 256
# What is asked in each setting: a thought cannot come before a reply that is begun already.
FORMS: dict[Setting, frozenset[Form]] = {
    "at once": frozenset(
        (
            "plain",
            "templated",
            "encoded",
            "prefilled",
            "look-alikes",
            "benign",
            "own words, harmful",
            "own words, harmless",
            "written, harmful",
            "written, harmless",
        )
    ),
    "after thinking": frozenset(
        (
            "plain",
            "templated",
            "look-alikes",
            "benign",
            "own words, harmful",
            "own words, harmless",
            "written, harmful",
            "written, harmless",
        )
    ),
    "at once, sampled": frozenset(("plain", "look-alikes")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyAttempt:
    """One reply. id, form, detail, is_harmful: the item's. refused: whether it declines."""

    id: str
    form: Form
    detail: str
    is_harmful: bool
    setting: Setting
    seed: int
    refused: bool
    reply: str
    thinking_tokens: int


def fitting(
    client: Client, model: str, items: Sequence[SafetyItem], max_prompt_tokens: int
) -> list[SafetyItem]:
    """The items whose prompt is no longer than that; 0 lets all pass. Nothing is cut."""
    if not max_prompt_tokens:
        return list(items)

    async def count() -> list[int]:
        return [await client.count_tokens(request_of(model, item, "at once", 0)) for item in items]

    lengths = asyncio.run(count())
    return [item for item, length in zip(items, lengths, strict=True) if length <= max_prompt_tokens]


def ask_items(
    client: Client,
    model: str,
    items: Sequence[SafetyItem],
    setting: Setting,
    *,
    seeds: Sequence[int] = (0,),
    max_connections: int,
    on_reply: Callable[[int], None] = lambda count: None,
) -> list[SafetyAttempt]:
    """Every item that the setting asks, once for each seed."""
    chosen = [(seed, item) for seed in seeds for item in items if item.form in FORMS[setting]]

    async def run() -> list[SafetyAttempt]:
        gate = asyncio.Semaphore(max_connections)

        async def ask(seed: int, item: SafetyItem) -> SafetyAttempt:
            async with gate:
                reply = await read_reply(client.stream(request_of(model, item, setting, seed)))
            on_reply(1)
            return SafetyAttempt(
                id=item.id,
                form=item.form,
                detail=item.detail,
                is_harmful=item.is_harmful,
                setting=setting,
                seed=seed,
                refused=is_refusal(reply.text),
                reply=reply.text,
                thinking_tokens=reply.thinking_tokens,
            )

        return list(await asyncio.gather(*(ask(seed, item) for seed, item in chosen)))

    return asyncio.run(run())


def num_asked(items: Sequence[SafetyItem], setting: Setting, num_seeds: int) -> int:
    """How many replies `ask_items` will wait for."""
    return num_seeds * sum(item.form in FORMS[setting] for item in items)


def request_of(model: str, item: SafetyItem, setting: Setting, seed: int) -> MessagesRequest:
    """Greedy, but for the sampled setting; a server that thinks samples anyway."""
    thinks = setting == "after thinking"
    return MessagesRequest(
        model=model,
        conversation=item.conversation,
        max_tokens=MAX_TOKENS + (THINKING_TOKENS if thinks else 0),
        sampling=Sampling(temperature=1.0 if setting == "at once, sampled" else 0.0, seed=seed),
        thinking=Thinking(mode="enabled", budget_tokens=THINKING_TOKENS) if thinks else Thinking(),
    )
