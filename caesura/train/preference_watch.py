"""What is watched while preferences are learnt, and when that ends the run.

A loss that falls says nothing about a model that forgets: so a measure that is not trained on (gold), and the
distance from the reference, are taken every few steps. Enters: the policy, the reference, held-out pairs.
Leaves: rows in `watch.jsonl`, and the last weights that passed. Read next: `preference_stage.py`.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from caesura.model import Transformer
from caesura.tokens import CaesuraFormat
from caesura.train.checkpoint import Checkpoints
from caesura.train.pairs import PairBatch
from caesura.train.preference_loss import hidden_function

log = logging.getLogger(__name__)


class Gold(Protocol):
    """A measure that nothing trains on: a frozen dataclass, so that its fields are part of the recipe."""

    def __call__(self, model: Transformer, chat_format: CaesuraFormat) -> float:
        """How good a model is, the same each time; more is better."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchConfig:
    """When to look, and what ends the run.

    every: steps between looks; the first is before the first step.
    max_gold_drop: by how much gold may fall below its first value.
    max_kl: how far the policy may go from the reference, in nats a token.
    num_pairs: how many held-out pairs are looked at.
    """

    every: int = 25
    max_gold_drop: float = 0.02
    max_kl: float = 0.5
    num_pairs: int = 128

    def __post_init__(self) -> None:
        if self.every < 1 or self.num_pairs < 1:
            raise ValueError(f"every {self.every} and num_pairs {self.num_pairs} must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One row of `watch.jsonl`.

    step: steps done. accuracy: how often the policy moved towards the better one of a held-out pair.
    margin: the mean lead of the better one, in nats of the implicit reward. kl: KL(policy, reference) in nats
    a token, over replies of the held-out pairs. gold: see `Gold`; None where there is none.
    """

    step: int
    accuracy: float
    margin: float
    kl: float
    gold: float | None


class Watch:
    """The looks of one run. What was seen before an interruption is not looked at again."""

    def __init__(
        self, config: WatchConfig, folder: Path, look: Callable[[int], Look], num_steps: int
    ) -> None:
        self._config = config
        self._num_steps = num_steps
        self._file = folder / "watch.jsonl"
        self._good = Checkpoints(folder / "good")
        self._look = look
        self._looks = {row.step: row for row in _read(self._file)}

    def is_over(self, step: int, model: Transformer) -> bool:
        """Look, if it is time; weights that pass are kept as good ones."""
        if step % self._config.every and step != self._num_steps:
            return False
        if step not in self._looks:
            self._looks[step] = self._look(step)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(self._looks[step])) + "\n")
        if (reason := self.stopped_because(step)) is not None:
            log.warning("step %d: %s; the run ends", step, reason)
            return True
        if step not in self._good.steps():
            self._good.save(step, model, [])
        return False

    def look(self, step: int) -> Look:
        """What was seen at a step at which it was time to look."""
        return self._looks[step]

    def stopped_because(self, step: int) -> str | None:
        """Why the look at a step ends the run, or None."""
        first, now, config = self._looks[0], self._looks[step], self._config
        if not math.isfinite(now.kl):
            return "the distance from the reference is no number"
        if now.kl > config.max_kl:
            return f"the policy is {now.kl:.3f} nats a token from the reference, more than {config.max_kl}"
        if first.gold is None or now.gold is None or now.gold >= first.gold - config.max_gold_drop:
            return None
        return (
            f"the gold measure fell from {first.gold:.3f} to {now.gold:.3f}, "
            f"by more than {config.max_gold_drop}"
        )

    def restore_good(self, model: Transformer) -> int:
        """Put back the last weights that passed; returns their step."""
        return self._good.restore(model, [])


def _read(path: Path) -> list[Look]:
    """The rows of earlier processes; one that a power cut tore is looked at again."""
    rows: list[Look] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(Look(**json.loads(line)))
        except (ValueError, TypeError):
            log.warning("%s holds a torn line; it is looked at again", path)
    return rows


@torch.no_grad()
def token_kl(policy: Transformer, reference: Transformer, batch: PairBatch) -> Tensor:
    """(N,) float32: KL(policy, reference) at each id of the replies, over the whole vocabulary, in nats."""
    mask_ST = batch.mask_ST[:, 1:]
    logs: list[Tensor] = []
    for model in (policy, reference):
        replies_ND = hidden_function(model, is_compiled=False)(batch.tokens_ST)[:, :-1][mask_ST]
        logs.append(model.logits(replies_ND).float().log_softmax(dim=-1))
    return (logs[0].exp() * (logs[0] - logs[1])).sum(dim=-1)
