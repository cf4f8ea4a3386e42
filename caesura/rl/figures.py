"""A step in figures.

Enters: what was sampled and learnt. Leaves: numbers for `metrics.jsonl`, for the curriculum and for the
watch. Read next: `reinforcement.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch

from caesura.rl.advantages import has_spread
from caesura.rl.curriculum import Cell, Group
from caesura.rl.grpo import Learning, Sampled
from caesura.rl.rewards import Judged
from caesura.rl.rollouts import Rollout
from caesura.rl.watch import Vitals

_Reply = tuple[Group, Rollout, Judged]


def passed(sampled: Sampled) -> list[tuple[Cell, float]]:
    """Of each group: its cell, and the share of siblings that solved it. What was tried against the model's
    choice says nothing about what it would have reached.
    """
    result: list[tuple[Cell, float]] = []
    for group, rollouts, judged in zip(*sampled, strict=True):
        solved = [j.is_solved for r, j in zip(rollouts, judged, strict=True) if not r.is_tried]
        if solved:
            result.append((group.cell, sum(solved) / len(solved)))
    return result


def vitals(sampled: Sampled, learning: Learning) -> Vitals:
    """What `watch.py` looks at."""
    replies = list(_replies(sampled))
    thoughts = [rollout.thinking_tokens for _, rollout, _ in replies if rollout.has_thought]
    return Vitals(
        entropy=learning.entropy,
        length=_mean(thoughts),
        repetitive=_mean([judged.is_repetitive for _, _, judged in replies]),
    )


def step_figures(sampled: Sampled, learning: Learning) -> dict[str, Any]:
    """Means over the step's replies; those that were tried are left out where they would mislead."""
    replies = [each for each in _replies(sampled) if not each[1].is_tried]
    spreads = [torch.tensor([[each.reward for each in judged]]) for judged in sampled.judged]
    adaptive = [each for each in replies if each[1].mode == "adaptive"]
    return {
        "reward": _round(_mean([judged.reward for _, _, judged in replies])),
        "solved_share": _round(_mean([judged.is_solved for _, _, judged in replies])),
        "solved": _by(replies, lambda each: each[0].cell.kind, lambda each: each[2].is_solved),
        "solved_families": _by(replies, lambda each: each[0].cell.family, lambda each: each[2].is_solved),
        "thinking_tokens": _by(replies, lambda each: each[0].cell.kind, lambda each: each[1].thinking_tokens),
        "adaptive_thought": _round(_mean([each[1].has_thought for each in adaptive])),
        "malformed": _round(_mean([not judged.is_formed for _, _, judged in replies])),
        "repetitive": _round(_mean([judged.is_repetitive for _, _, judged in replies])),
        "group_std": _round(_mean([float(each.std(unbiased=False)) for each in spreads])),
        "dropped_groups": sum(not bool(has_spread(each)[0]) for each in spreads),
        "groups": len(spreads),
        "sampled_tokens": sum(len(rollout.reply) for _, rollout, _ in _replies(sampled)),
        **{name: _round(value) for name, value in learning._asdict().items()},
    }


def _replies(sampled: Sampled) -> Iterable[_Reply]:
    for group, rollouts, judged in zip(*sampled, strict=True):
        yield from ((group, *each) for each in zip(rollouts, judged, strict=True))


def _by(
    replies: Iterable[_Reply], name: Callable[[_Reply], str], value: Callable[[_Reply], float]
) -> dict[str, float]:
    found: defaultdict[str, list[float]] = defaultdict(list)
    for each in replies:
        found[name(each)].append(float(value(each)))
    return {key: _round(_mean(values)) for key, values in sorted(found.items())}


def _mean(values: list[Any]) -> float:
    return sum(values) / len(values) if values else 0.0


def _round(value: float) -> float:
    return round(value, 5)
