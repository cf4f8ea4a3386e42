"""Rollouts that nobody sampled, for tests of what reads them."""

from __future__ import annotations

from typing import Any, cast

from caesura.engine.sequence import FinishReason
from caesura.rl.rollouts import Mode, Rollout


def rollout(
    text: str,
    *,
    id: str = "0",
    mode: str = "enabled",
    finish: str = "end",
    thinking_tokens: int = 0,
    reply: tuple[int, ...] = (7,),
    **changes: Any,
) -> Rollout:
    """A reply whose text is `text`, whatever its ids are."""
    fields: dict[str, Any] = {
        "budget": 64,
        "ids": (1, 2, *reply),
        "prompt_length": 2,
        "is_sampled": (True,) * len(reply),
        "log_probs": (-0.5,) * len(reply),
        "masks": ("answer",) * len(reply),
        "has_thought": mode != "disabled",
        "is_cut": False,
        "is_tried": False,
    }
    return Rollout(
        id=id,
        mode=cast(Mode, mode),
        finish=cast(FinishReason, finish),
        thinking_tokens=thinking_tokens,
        text=text,
        **{**fields, **changes},
    )
