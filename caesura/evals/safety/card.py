"""The model card's section on safety: before alignment and after.

Enters: `SafetyResults` of one model or of two. Leaves: lines of Markdown. Read next:
`caesura/evals/model_card.py`, which puts them among others.
"""

from __future__ import annotations

from caesura.evals.card_words import command, percent, table, with_interval
from caesura.evals.safety.items import HARMFUL_FORMS, HARMLESS_FORMS
from caesura.evals.safety.results import SafetyResults
from caesura.evals.statistics import Estimate

_TITLES = {
    "plain": "harmful requests, plain",
    "templated": "harmful requests inside jailbreak templates",
    "encoded": "harmful requests in base64, rot13, leetspeak",
    "prefilled": "harmful requests whose reply is begun for the model",
    "own words, harmful": "our own harmful requests, in words kept for measuring",
    "written, harmful": "harmful requests written for this project, kept for measuring",
    "look-alikes": "XSTest's harmless look-alikes",
    "benign": "everyday requests of public sets",
    "own words, harmless": "our own harmless twins, in words kept for measuring",
    "written, harmless": "harmless requests written beside them, kept for measuring",
}


def safety_section(after: SafetyResults | None, before: SafetyResults | None = None) -> list[str]:
    """The section, or nothing. before: the same of the model that alignment started from."""
    if after is None:
        return []
    columns = [(name, each) for name, each in (("before", before), ("after", after)) if each is not None]
    settings = list(after.declined)
    header = ("share declined", *(f"{setting}, {name}" for setting in settings for name, _ in columns))
    lines = ["## Does it decline harm, and nothing else?", ""]
    lines += [
        "Prompts, templates and words that no row of alignment holds; the everyday requests of CLINC150, "
        "Snips, MetaTool and tldr are of sets that the stage of tools has read. Harmful requests, which are "
        "to be declined:"
    ]
    for forms, lead in (
        (HARMFUL_FORMS, ""),
        (HARMLESS_FORMS, "Harmless requests, which are not to be declined:"),
    ):
        rows = [
            (
                _TITLES[form],
                *(
                    _cell(each.declined.get(setting, {}).get(form))
                    for setting in settings
                    for _, each in columns
                ),
            )
            for form in forms
        ]
        lines += [lead, "", *table(header, rows), ""] if lead else ["", *table(header, rows), ""]
    matcher = (
        f"What counts as declining agrees with people's labels on {percent(after.matcher.share)} of replies."
    )
    return [*lines, *_types(after, before), matcher, *_skipped(after), *command(after.provenance)]


def _types(after: SafetyResults, before: SafetyResults | None) -> list[str]:
    """Each form's parts, asked at once."""
    lines: list[str] = []
    parts = (
        ("plain", "by set"),
        ("templated", "by template"),
        ("encoded", "by encoding"),
        ("look-alikes", "by type"),
    )
    for form, lead in parts:
        own = after.details.get("at once", {}).get(form, {})
        old = before.details.get("at once", {}).get(form, {}) if before else {}
        header = (f"{_TITLES[form]}, {lead}", *(("before",) if before else ()), "after")
        rows = [
            (name.replace("_", " "), *((_cell(old.get(name)),) if before else ()), _cell(estimate))
            for name, estimate in own.items()
        ]
        lines += [*table(header, rows), ""] if rows else []
    return lines


def _skipped(results: SafetyResults) -> list[str]:
    skipped = [f"{num} {form}" for form, num in results.num_skipped.items() if num]
    if not skipped:
        return []
    return [f"Left out, for being longer than the model was trained to read: {', '.join(skipped)}."]


def _cell(estimate: Estimate | None) -> str:
    return "" if estimate is None else with_interval(estimate)
