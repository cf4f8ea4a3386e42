"""What a reply is worth, and a second opinion on it.

A verifiable reward is 1 for a right answer and 0 for anything else; rightness counts only where the reply
ended by itself, in a form that has one answer. The audit is a second implementation that shares no code with
the graders: it reads every reply, and where the two disagree too often the run stops, because a reward that
is wrong teaches the wrong thing either way.
Enters: rollouts and their problems. Leaves: `Judged`, one a rollout, with the same ids. Read next:
`caesura/evals/tasks/problem.py`, whose grader this gates; `reinforcement.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from caesura.evals.tasks import Problem, is_correct
from caesura.messages.errors import CaesuraError
from caesura.rl.rollouts import Rollout

# The longest right answers have about 30 characters; a longer reply is no answer.
_MAX_REPLY_CHARACTERS = 200
_ANNOUNCEMENT = "answer is"


class RewardError(CaesuraError):
    """Rewards that cannot be trusted: ids that do not match, or graders that disagree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardConfig:
    """What counts.

    length_cost: in the modes of `cost_modes`, what a right reply loses for each thinking token beyond the
        mean of its group's right ones, as a share of that mean, at most this much either way.
    cost_modes: see there.
    repetition_tokens: an n-gram of this many tokens. max_repetitions: how often one may come before a reply
        counts as repetitive, which is an alarm and no reward.
    """

    length_cost: float = 0.1
    cost_modes: tuple[str, ...] = ("adaptive",)
    repetition_tokens: int = 12
    max_repetitions: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one rollout is worth.

    id: the rollout's. reward: what is learnt from. is_right: by the grader, whatever the form.
    is_formed: whether it ended by itself and states one answer. is_repetitive: whether it goes round in
        circles. is_disputed: whether the audit says otherwise than the grader.
    """

    id: str
    reward: float
    is_right: bool
    is_formed: bool
    is_repetitive: bool
    is_disputed: bool

    @property
    def is_solved(self) -> bool:
        """Right and well-formed."""
        return self.is_right and self.is_formed


def judge_group(rollouts: Sequence[Rollout], problem: Problem, config: RewardConfig) -> list[Judged]:
    """The rewards of siblings, which answer the same problem under the same condition."""
    facts = [_facts(rollout, problem, config) for rollout in rollouts]
    lengths = [
        each.thinking_tokens
        for each, (right, formed, _) in zip(rollouts, facts, strict=True)
        if right and formed
    ]
    mean = sum(lengths) / len(lengths) if lengths else 0.0
    judged: list[Judged] = []
    for rollout, (right, formed, repetitive) in zip(rollouts, facts, strict=True):
        reward = 1.0 if right and formed else 0.0
        if reward and rollout.mode in config.cost_modes:
            reward -= config.length_cost * relative_length(rollout.thinking_tokens, mean)
        judged.append(
            Judged(
                id=rollout.id,
                reward=reward,
                is_right=right,
                is_formed=formed,
                is_repetitive=repetitive,
                is_disputed=right is not audit(rollout.text, problem.answer),
            )
        )
    return judged


def relative_length(num_tokens: int, mean: float) -> float:
    """(n - mean) / mean, within -1..1; 0 where the mean is 0."""
    return max(-1.0, min(1.0, (num_tokens - mean) / mean)) if mean else 0.0


def _facts(rollout: Rollout, problem: Problem, config: RewardConfig) -> tuple[bool, bool, bool]:
    """Whether it is right, well-formed, repetitive."""
    text = rollout.text
    is_whole = rollout.finish == "end" and 0 < len(text) <= _MAX_REPLY_CHARACTERS
    is_formed = is_whole and text.casefold().count(_ANNOUNCEMENT) == 1
    is_repetitive = num_repetitions(rollout.reply, config.repetition_tokens) > config.max_repetitions
    return is_correct(problem, text), is_formed, is_repetitive


def num_repetitions(ids: Sequence[int], size: int) -> int:
    """How often the commonest n-gram of `size` ids occurs, overlaps included."""
    counts = Counter(tuple(ids[start : start + size]) for start in range(len(ids) - size + 1))
    return max(counts.values(), default=0)


def audit(reply: str, answer: str) -> bool:
    """Whether the reply states the answer: the rule of the graders, written a second time with other means.

    It walks over the characters: what follows the last announcement up to the end of its sentence, with case
    and spacing folded away, has to be the answer.
    """
    lowered = reply
    stated = None
    for lead in ("answer is", "Answer is"):
        at = lowered.rfind(lead)
        while at >= 0:
            start = _skip(lowered, at + len(lead))
            if start < len(lowered) and not lowered[start].isspace():
                stated = max(stated or 0, start)
                break
            at = lowered.rfind(lead, 0, at)
    if stated is None:
        whole = reply.strip()
        return _folded(whole[:-1] if whole.endswith(".") else whole) == _folded(answer)
    return _folded(_sentence(reply[stated:])) == _folded(answer)


def _skip(text: str, at: int) -> int:
    """Behind an optional colon and blanks."""
    if at < len(text) and text[at] == ":":
        at += 1
    while at < len(text) and text[at] in " \t":
        at += 1
    return at


def _sentence(text: str) -> str:
    for index, character in enumerate(text):
        if character in "\r\n":
            return text[:index]
        is_last = index + 1 == len(text) or text[index + 1].isspace()
        if character == "." and is_last:
            return text[:index]
    return text


def _folded(text: str) -> str:
    """Parts between commas, each with single spaces, in one case."""
    parts = [" ".join(part.split()) for part in text.split(",")]
    return ",".join(parts).casefold()


def check_ids(rollouts: Sequence[Rollout], judged: Sequence[Judged]) -> None:
    """Raises RewardError unless every rollout has its own reward, in the same order."""
    ours, theirs = [each.id for each in rollouts], [each.id for each in judged]
    if ours != theirs or len(set(ours)) != len(ours):
        wrong = next((pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]), None)
        raise RewardError(
            f"{len(theirs)} rewards do not belong to {len(ours)} rollouts: "
            + (f"{wrong[1]} stands where {wrong[0]} should" if wrong else "some are missing or come twice")
        )


def check_disputes(num_disputed: int, num_judged: int, *, limit: float) -> None:
    """Raises RewardError if the audit disagrees with more than this share of the grader's verdicts. One
    dispute alone, however few were judged, stops nothing.
    """
    if num_disputed > max(1.0, limit * num_judged):
        raise RewardError(
            f"grader and audit disagree about {num_disputed} of {num_judged} replies, more than {limit:.1%}; "
            "one of them is wrong, so the rewards cannot be trusted; the run stops"
        )
