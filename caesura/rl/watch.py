"""What is watched while a policy learns: a metric that is not trained on, and signs of decay.

A reward can be had without what it stands for. So a run is judged by held-out problems, greedily answered,
that give no gradient: its best weights are kept, and it ends when they have not been bettered for long, or
are lost. Entropy, length and repetition ring an alarm; several steps of alarm in a row end the run, too.
Pure functions of figures. Enters: figures. Leaves: alarms, and reasons to stop. Read next:
`reinforcement.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from caesura.evals.tasks import FAMILIES, MAX_DIFFICULTY, Problem
from caesura.messages.content import Conversation, text_turn
from caesura.rl.rewards import RewardConfig, judge_group
from caesura.rl.rollouts import Ask, RolloutEngine

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchConfig:
    """When to worry, and when to stop.

    gold_every: steps between measurements on held-out problems. gold_problems: of each family and
        difficulty. gold_budget: their thinking budget.
    patience: measurements without a better one, after which the run ends. max_gold_drop: how far below the
        best it may fall, in accuracy.
    least_entropy: mean nats a token. most_entropy, most_length: as multiples of the run's first step.
    most_repetitive: share of replies.
    max_alarms: steps in a row with an alarm, after which the run ends.
    max_bad_steps: updates that were no numbers, after which it ends.
    max_disputed: share of replies about which grader and audit may disagree.
    """

    gold_every: int = 10
    gold_problems: int = 3
    gold_budget: int = 1024
    patience: int = 8
    max_gold_drop: float = 0.06
    least_entropy: float = 1e-4
    most_entropy: float = 6.0
    most_length: float = 2.5
    most_repetitive: float = 0.2
    max_alarms: int = 5
    max_bad_steps: int = 3
    max_disputed: float = 0.001


class Vitals(NamedTuple):
    """A step's signs of life.

    entropy: mean nats a learnt token. length: mean thinking tokens of replies that thought. repetitive:
    share of replies that go round in circles.
    """

    entropy: float
    length: float
    repetitive: float


class Gold(NamedTuple):
    """What held-out problems came to: accuracy, and mean thinking tokens.

    kept: what the guard found; see `guard.py`. 1 without one.
    """

    accuracy: float
    thinking_tokens: float
    kept: float = 1.0


def alarms(now: Vitals, first: Vitals, config: WatchConfig) -> list[str]:
    """In words, what has left its bounds."""
    found: list[str] = []
    if now.entropy < config.least_entropy:
        found.append(
            f"entropy {now.entropy:.2g} is below {config.least_entropy:g}: nothing is explored any more"
        )
    if now.entropy > config.most_entropy * max(first.entropy, config.least_entropy):
        found.append(f"entropy {now.entropy:.2g} is over {config.most_entropy:g} times the first step's")
    if first.length and now.length > config.most_length * first.length:
        found.append(
            f"thoughts of {now.length:.0f} tokens, over {config.most_length:g} times the first step's"
        )
    if now.repetitive > config.most_repetitive:
        found.append(f"{now.repetitive:.0%} of the replies repeat themselves")
    return found


def has_kept(first: Gold, now: Gold, max_drop: float) -> bool:
    """Whether the guard finds as much as at first, but for what may be lost."""
    return first.kept - now.kept <= max_drop + _ROUNDING


def has_strayed(measured: Sequence[Gold], max_drop: float) -> str | None:
    """In words, where the guard finds less than at first, by more than may be; or None."""
    if not measured or has_kept(measured[0], measured[-1], max_drop):
        return None
    return f"requests treated as they should be fell from {measured[0].kept:.1%} to {measured[-1].kept:.1%}"


def reason_to_stop(accuracies: Sequence[float], config: WatchConfig) -> str | None:
    """From the measurements so far, oldest first: why the run should end, or None."""
    if not accuracies:
        return None
    best = max(accuracies)
    since = len(accuracies) - 1 - accuracies.index(best)
    if best - accuracies[-1] > config.max_gold_drop:
        return f"held-out accuracy fell from {best:.1%} to {accuracies[-1]:.1%}"
    if since >= config.patience:
        return f"held-out accuracy has not been better than {best:.1%} for {since} measurements"
    return None


def gold_problems(config: WatchConfig) -> list[Problem]:
    """Held-out problems, the same at each measurement, and others than those of `caesura eval`."""
    return [
        family.problem(f"gold/{number}", difficulty, is_held_out=True)
        for family in FAMILIES.values()
        for difficulty in range(1, MAX_DIFFICULTY + 1)
        for number in range(config.gold_problems)
    ]


def measure(engine: RolloutEngine, problems: Sequence[Problem], config: WatchConfig) -> Gold:
    """Greedy answers with thinking; a right one counts if it is well-formed."""
    asks = [
        Ask(
            id=f"gold/{number}",
            conversation=Conversation(turns=(text_turn("user", problem.question),)),
            mode="enabled",
            budget=config.gold_budget,
            seed=0,
            temperature=0.0,
        )
        for number, problem in enumerate(problems)
    ]
    rollouts = engine.sample(asks)
    solved = [
        judge_group((rollout,), problem, RewardConfig())[0].is_solved
        for rollout, problem in zip(rollouts, problems, strict=True)
    ]
    tokens = sum(each.thinking_tokens for each in rollouts)
    return Gold(sum(solved) / len(solved), tokens / len(rollouts))
