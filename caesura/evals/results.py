"""What a run amounts to: the values that are written as JSON and that the model card is made of.

Enters: `Attempt`s. Leaves: one value a suite, each with the provenance that lets anyone repeat it.
Read next: `results_files.py` for the JSON, `model_card.py` for the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from caesura.evals.adaptive import AdaptiveThinking, adaptive_thinking, point
from caesura.evals.attempts import Attempt, Condition
from caesura.evals.statistics import Estimate, gain, is_non_decreasing, largest_drop, macro_average, share
from caesura.evals.tasks import FAMILIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How to get the same figures again.

    command: the command that gives them. model: the model's name.
    model_digest: SHA-256 over the folder's files; empty for a model behind a URL.
    num_parameters: how many weights; 0 where it is not known.
    trained_tokens: the length up to which the model was trained, and to which its accuracy is claimed.
    seeds, num_problems: problems of each family and seed. prompts_digest: SHA-256 over what was asked.
    temperature, max_tokens: decoding limits, the latter by condition.
    versions: of what took part. wall_s: how long it took.
    """

    command: str
    model: str
    model_digest: str
    num_parameters: int
    trained_tokens: int
    seeds: tuple[int, ...]
    num_problems: int
    prompts_digest: str
    temperature: float
    max_tokens: dict[str, int]
    versions: dict[str, str]
    wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyCurve:
    """One family over the budgets.

    title, chance, needs_thinking: see `Family`. accuracy, thinking_tokens: by budget; the latter a mean.
    """

    title: str
    chance: float
    needs_thinking: bool
    accuracy: dict[int, Estimate]
    thinking_tokens: dict[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningResults:
    """Accuracy over budgets.

    accuracy: macro average over all families, by budget. by_seed: the same means for each seed.
    gain: from the smallest to the largest budget, paired by problem.
    is_non_decreasing, largest_drop: see `statistics.py`. families: by name.
    thinking_tokens: the mean over families, by budget.
    adaptive: the same problems where thinking was left to the model.
    """

    provenance: Provenance
    accuracy: dict[int, Estimate]
    by_seed: dict[int, dict[int, float]]
    gain: Estimate
    is_non_decreasing: bool
    largest_drop: float
    families: dict[str, FamilyCurve]
    thinking_tokens: dict[int, float] = field(default_factory=dict[int, float])
    adaptive: AdaptiveThinking | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaddingResults:
    """Accuracy after filler in the place of thinking.

    accuracy: by the number of filler tokens; 0 is the fast mode.
    gain: from 0 to the largest number. families: accuracy at the largest number, by name.
    """

    provenance: Provenance
    accuracy: dict[int, Estimate]
    gain: Estimate
    families: dict[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObedienceResults:
    """Whether the model does as the request says.

    disabled: no thought, and an answer. enabled: a thought that is closed, and then an answer.
    modes: both together. budget_kept: at most budget + closing tokens were thought.
    count_exact: the usage's thinking tokens are those that were streamed.
    closing_tokens: how many tokens the closing text takes.
    chose_to_think: adaptive mode, by family. chose_rightly: thought exactly where the family needs it.
    """

    provenance: Provenance
    disabled: Estimate
    enabled: Estimate
    modes: Estimate
    budget_kept: Estimate
    count_exact: Estimate
    closing_tokens: int
    chose_to_think: dict[str, Estimate]
    chose_rightly: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageResults:
    """How well the model knows English.

    blimp: macro average over paradigms. blimp_fields: by field. num_pairs: how many minimal pairs.
    bits_per_byte: on text that no stage trained on. num_bytes, num_documents: of that text.
    window: the most tokens that were read at once.
    """

    provenance: Provenance
    blimp: Estimate
    blimp_fields: dict[str, Estimate]
    num_pairs: int
    bits_per_byte: float
    num_bytes: int
    num_documents: int
    window: int


def reasoning_results(attempts: Sequence[Attempt], provenance: Provenance) -> ReasoningResults:
    """Curves from attempts under budgets, and what adaptive thinking is beside them if it was tried."""
    adaptive = [each for each in attempts if each.mode == "adaptive"]
    attempts = [each for each in attempts if each.mode != "adaptive"]
    at = by_budget(attempts)
    budgets = sorted(at)
    accuracy = {budget: _accuracy(at[budget]) for budget in budgets}
    curve = list(accuracy.values())
    return ReasoningResults(
        provenance=provenance,
        accuracy=accuracy,
        by_seed={seed: _seed_curve(at, seed) for seed in sorted({each.seed for each in attempts})},
        gain=_gain(at[budgets[0]], at[budgets[-1]]),
        is_non_decreasing=is_non_decreasing(curve),
        largest_drop=largest_drop(curve),
        families={name: _family_curve(name, at) for name in _families(attempts)},
        thinking_tokens={budget: round(point(at[budget]).tokens, 2) for budget in budgets},
        adaptive=adaptive_thinking(adaptive, at) if adaptive else None,
    )


def padding_results(attempts: Sequence[Attempt], provenance: Provenance) -> PaddingResults:
    """What filler does; the attempts hold the fast mode too."""
    at = by_budget(attempts)
    budgets = sorted(at)
    most = at[budgets[-1]]
    return PaddingResults(
        provenance=provenance,
        accuracy={budget: _accuracy(at[budget]) for budget in budgets},
        gain=_gain(at[budgets[0]], most),
        families={name: _accuracy(_of(most, name)) for name in _families(attempts)},
    )


def obedience_results(
    attempts: Sequence[Attempt], provenance: Provenance, *, closing_tokens: int
) -> ObedienceResults:
    """Obedience over all modes."""
    disabled = [each for each in attempts if each.mode == "disabled"]
    enabled = [each for each in attempts if each.mode == "enabled"]
    adaptive = [each for each in attempts if each.mode == "adaptive"]
    return ObedienceResults(
        provenance=provenance,
        disabled=_share(map(obeys_mode, disabled)),
        enabled=_share(map(obeys_mode, enabled)),
        modes=_share(map(obeys_mode, (*disabled, *enabled))),
        budget_kept=_share(keeps_budget(each, closing_tokens) for each in enabled),
        count_exact=_share(each.thinking_tokens == each.streamed_thinking_tokens for each in attempts),
        closing_tokens=closing_tokens,
        chose_to_think={
            name: _share(each.has_thought for each in _of(adaptive, name)) for name in _families(adaptive)
        },
        chose_rightly=_share(each.has_thought is FAMILIES[each.family].needs_thinking for each in adaptive),
    )


def obeys_mode(attempt: Attempt) -> bool:
    """Whether there is a thought exactly where it was asked for, and an answer that was finished."""
    return (
        attempt.has_thought is (attempt.mode == "enabled")
        and attempt.has_answer
        and attempt.stop_reason == "end_turn"
    )


def keeps_budget(attempt: Attempt, closing_tokens: int) -> bool:
    """Whether no more was thought than the budget and the closing text allow."""
    return attempt.thinking_tokens <= attempt.budget + closing_tokens


def by_budget(attempts: Iterable[Attempt]) -> Mapping[int, list[Attempt]]:
    """Attempts by budget, whatever the mode."""
    groups: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        groups[attempt.budget].append(attempt)
    return groups


def obedience_conditions(budgets: Iterable[int]) -> list[Condition]:
    """Every mode once, and "enabled" at each budget."""
    enabled = [Condition("enabled", budget) for budget in budgets if budget]
    return [Condition("disabled", 0), *enabled, Condition("adaptive", 0)]


def _family_curve(name: str, at: Mapping[int, list[Attempt]]) -> FamilyCurve:
    family = FAMILIES[name]
    own = {budget: _of(at[budget], name) for budget in sorted(at)}
    return FamilyCurve(
        title=family.title,
        chance=family.chance,
        needs_thinking=family.needs_thinking,
        accuracy={budget: _accuracy(attempts) for budget, attempts in own.items()},
        thinking_tokens={
            budget: round(sum(each.thinking_tokens for each in attempts) / len(attempts), 2)
            for budget, attempts in own.items()
        },
    )


def _seed_curve(at: Mapping[int, list[Attempt]], seed: int) -> dict[int, float]:
    return {
        budget: _accuracy([each for each in at[budget] if each.seed == seed]).mean for budget in sorted(at)
    }


def _families(attempts: Iterable[Attempt]) -> list[str]:
    present = {each.family for each in attempts}
    return [name for name in FAMILIES if name in present]


def _of(attempts: Iterable[Attempt], family: str) -> list[Attempt]:
    return [each for each in attempts if each.family == family]


def _accuracy(attempts: Iterable[Attempt]) -> Estimate:
    return macro_average(each.outcome for each in attempts)


def _gain(before: Iterable[Attempt], after: Iterable[Attempt]) -> Estimate:
    return gain((each.outcome for each in before), (each.outcome for each in after))


def _share(outcomes: Iterable[bool]) -> Estimate:
    values = list(outcomes)
    return share(sum(values), len(values))
