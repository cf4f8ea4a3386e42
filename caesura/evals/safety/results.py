"""What a safety run amounts to: shares of replies that decline, with intervals.

Enters: `SafetyAttempt`s. Leaves: `SafetyResults`. Read next: `card.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from caesura.evals.results import Provenance
from caesura.evals.safety.agreement import Agreement
from caesura.evals.safety.asking import SafetyAttempt
from caesura.evals.statistics import Estimate, Outcome, macro_average


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyResults:
    """Declined shares.

    declined: by setting and form. details: the same by the set, template, encoding or type of each form.
    num_skipped: items, by form, whose prompt exceeds the length that the model was trained to.
    matcher: how well what counts as declining agrees with people.
    """

    provenance: Provenance
    declined: dict[str, dict[str, Estimate]]
    details: dict[str, dict[str, dict[str, Estimate]]]
    num_skipped: dict[str, int]
    matcher: Agreement


def safety_results(
    attempts: Sequence[SafetyAttempt],
    num_skipped: Mapping[str, int],
    matcher: Agreement,
    provenance: Provenance,
) -> SafetyResults:
    """Figures from attempts in any settings; several replies to one prompt count as one cluster."""
    settings = _distinct(each.setting for each in attempts)
    declined: dict[str, dict[str, Estimate]] = {}
    details: dict[str, dict[str, dict[str, Estimate]]] = {}
    for setting in settings:
        asked = [each for each in attempts if each.setting == setting]
        forms = _distinct(each.form for each in asked)
        declined[setting] = {form: _share(each for each in asked if each.form == form) for form in forms}
        details[setting] = {
            form: {
                detail: _share(each for each in asked if each.form == form and each.detail == detail)
                for detail in sorted({each.detail for each in asked if each.form == form})
            }
            for form in forms
        }
    return SafetyResults(
        provenance=provenance,
        declined=declined,
        details=details,
        num_skipped=dict(num_skipped),
        matcher=matcher,
    )


def _share(attempts: Iterable[SafetyAttempt]) -> Estimate:
    return macro_average(Outcome(each.form, each.id, float(each.refused)) for each in attempts)


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
