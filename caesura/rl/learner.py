"""What a checkpoint of a run holds: the policy, and everything that the next step depends on.

One module of parameters and buffers, so that `train/checkpoint.py` writes and reads it like any network.
Enters: figures of each step. Leaves: the state that decides the next. Read next: `reinforcement.py`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from caesura.model import Transformer
from caesura.rl.curriculum import CurriculumConfig, first_rates
from caesura.rl.watch import Gold, Vitals, has_kept

# The most measurements that are remembered: more than any run makes.
_MAX_MEASUREMENTS = 1000


class Learner(nn.Module):
    """A policy with what is known of its run.

    rates: the pass rates of `curriculum.py`.
    """

    rates: Tensor
    _gold: Tensor
    _first: Tensor
    _counts: Tensor

    def __init__(
        self, policy: Transformer, curriculum: CurriculumConfig, *, max_drop: float = math.inf
    ) -> None:
        """max_drop: of what the guard finds, for weights that may be the best."""
        super().__init__()
        self.policy = policy
        self._max_drop = max_drop
        self.register_buffer("rates", first_rates(curriculum))
        # Of each measurement: step, accuracy, thinking tokens, share kept; not yet made: no numbers.
        self.register_buffer("_gold", torch.full((_MAX_MEASUREMENTS, 4), math.nan, dtype=torch.float64))
        self.register_buffer("_first", torch.full((3,), math.nan, dtype=torch.float64))
        # Bad updates, disputed verdicts, verdicts, alarms in a row, whether the model was exported.
        self.register_buffer("_counts", torch.zeros(5, dtype=torch.int64))

    @property
    def gold_accuracies(self) -> list[float]:
        """Of all measurements so far, oldest first."""
        return [float(each) for each in self._gold[: self._num_measured, 1]]

    @property
    def measured(self) -> list[Gold]:
        """All measurements so far, oldest first."""
        return [Gold(*map(float, row[1:])) for row in self._gold[: self._num_measured]]

    @property
    def last_gold(self) -> float:
        """The newest one; not a number before the first."""
        return self.gold_accuracies[-1] if self._num_measured else math.nan

    @property
    def best_step(self) -> int:
        """The step whose weights did best."""
        measured = self.measured
        if not measured:
            return 0
        best = max(range(len(measured)), key=lambda number: self._rank(measured[number], measured[0]))
        return int(self._gold[best, 0])

    @property
    def audit(self) -> tuple[int, int]:
        """Disputed verdicts, and all."""
        return int(self._counts[1]), int(self._counts[2])

    @property
    def alarms_in_row(self) -> int:
        """How many steps in a row rang an alarm, up to now."""
        return int(self._counts[3])

    @property
    def is_exported(self) -> bool:
        """Whether the run is done, and its model written."""
        return bool(self._counts[4])

    @is_exported.setter
    def is_exported(self, value: bool) -> None:
        self._counts[4] = int(value)

    @property
    def _num_measured(self) -> int:
        return int(self._gold[:, 0].isfinite().sum())

    def note_gold(self, step: int, gold: Gold) -> bool:
        """Remember a measurement; whether it is the best so far. The same step again replaces its own."""
        known = self._gold[:, 0].tolist()
        index = known.index(float(step)) if float(step) in known else self._num_measured
        others = [each for number, each in enumerate(self.measured) if number != index]
        self._gold[index] = torch.tensor((step, *gold), dtype=torch.float64)
        first = self.measured[0]
        return all(self._rank(gold, first) > self._rank(each, first) for each in others)

    def _rank(self, gold: Gold, first: Gold) -> tuple[bool, float, float]:
        """What has not strayed is better, then what is more accurate, then what thinks less."""
        return has_kept(first, gold, self._max_drop), gold.accuracy, -gold.thinking_tokens

    def note_audit(self, num_disputed: int, num_judged: int) -> None:
        """Add a step's verdicts."""
        self._counts[1] += num_disputed
        self._counts[2] += num_judged

    def note_bad_step(self) -> int:
        """One more; how many there are."""
        self._counts[0] += 1
        return int(self._counts[0])

    def note_alarms(self, alarms: list[str]) -> None:
        """A step without any ends the row."""
        self._counts[3] = self._counts[3] + 1 if alarms else 0

    def first_vitals(self, now: Vitals) -> Vitals:
        """Those of the run's first step, which these are if there were none."""
        if bool(self._first.isnan().any()):
            self._first.copy_(torch.tensor(now, dtype=torch.float64))
        return Vitals(*self._first.tolist())

    def figures(self) -> dict[str, Any]:
        """For the row of metrics."""
        measured = self._gold[: self._num_measured]
        return {
            "gold_accuracy": round(self.last_gold, 4) if len(measured) else None,
            "gold_thinking_tokens": round(float(measured[-1, 2]), 2) if len(measured) else None,
            "gold_kept": round(float(measured[-1, 3]), 4) if len(measured) else None,
            "best_step": self.best_step,
            "bad_updates": int(self._counts[0]),
            "disputed": self.audit[0],
            "judged": self.audit[1],
            "alarms_in_row": self.alarms_in_row,
        }
