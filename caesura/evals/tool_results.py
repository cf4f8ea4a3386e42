"""What a run with tools amounts to.

Enters: `ToolAttempt`s. Leaves: `ToolResults`, shares with 95 % intervals. Read next: `tool_card.py`, which
makes a section of the model card of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from caesura.evals.results import Provenance
from caesura.evals.statistics import Estimate, share
from caesura.evals.tool_grading import ToolAttempt

PUBLIC_KINDS = ("bfcl_simple", "metatool", "metatool_none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFigures:
    """One setting, over all kinds of exercises or over one. What nothing was asked for is None.

    decided: called exactly when it was to, where that was the model's choice.
    called: called when it was to. refrained: called nothing when nothing was to be called.
    named: called the right tools, of those that were to be called. exact: with exactly the right arguments.
    valid: of the replies with calls, those whose calls are all of tools at hand and keep to their schemas.
    answered: said after the results what they say.
    record_valid, record_exact: JSON that keeps to its schema; and says exactly what the text says.
    """

    decided: Estimate | None
    called: Estimate | None
    refrained: Estimate | None
    named: Estimate | None
    exact: Estimate | None
    valid: Estimate | None
    answered: Estimate | None
    record_valid: Estimate | None
    record_exact: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResults:
    """Tools and records, asked in several settings.

    overall: our own exercises, by setting. kinds: the whole of each kind right, by setting and kind.
    public: figures of public developer sets, by setting and set.
    """

    provenance: Provenance
    overall: dict[str, ToolFigures]
    kinds: dict[str, dict[str, Estimate]]
    public: dict[str, dict[str, ToolFigures]]


def tool_results(attempts: Sequence[ToolAttempt], provenance: Provenance) -> ToolResults:
    """Figures from attempts in any settings."""
    settings = tuple(dict.fromkeys(each.setting for each in attempts))
    own = {
        setting: [each for each in attempts if each.setting == setting and not _is_public(each)]
        for setting in settings
    }
    public = {
        setting: [each for each in attempts if each.setting == setting and _is_public(each)]
        for setting in settings
    }
    return ToolResults(
        provenance=provenance,
        overall={setting: figures(chosen) for setting, chosen in own.items()},
        kinds={
            setting: {
                kind: _required(each.correct for each in chosen if each.kind == kind)
                for kind in dict.fromkeys(each.kind for each in chosen)
            }
            for setting, chosen in own.items()
        },
        public={
            setting: {
                kind: figures([each for each in chosen if each.kind == kind])
                for kind in PUBLIC_KINDS
                if any(each.kind == kind for each in chosen)
            }
            for setting, chosen in public.items()
        },
    )


def figures(attempts: Iterable[ToolAttempt]) -> ToolFigures:
    """The figures of some attempts, all of one setting."""
    attempts = list(attempts)
    decisions = [each for each in attempts if each.aspect == "decision"]
    chosen = [each for each in decisions if each.is_choice]
    wanted = [each for each in decisions if each.wants_calls]
    records = [each for each in attempts if each.aspect == "record"]
    return ToolFigures(
        decided=_share(each.decided for each in chosen),
        called=_share(each.made_call for each in chosen if each.wants_calls),
        refrained=_share(not each.made_call for each in chosen if not each.wants_calls),
        named=_share(each.named for each in wanted),
        exact=_share(each.exact for each in wanted),
        valid=_share(each.valid for each in decisions if each.made_call),
        answered=_share(each.correct for each in attempts if each.aspect == "answer"),
        record_valid=_share(each.valid for each in records),
        record_exact=_share(each.correct for each in records),
    )


def _is_public(attempt: ToolAttempt) -> bool:
    return attempt.kind in PUBLIC_KINDS


def _share(outcomes: Iterable[bool]) -> Estimate | None:
    values = list(outcomes)
    return share(sum(values), len(values)) if values else None


def _required(outcomes: Iterable[bool]) -> Estimate:
    values = list(outcomes)
    return share(sum(values), len(values))
