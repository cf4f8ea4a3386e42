"""The model card's section on tools.

Enters: `ToolResults`. Leaves: lines of Markdown. Read next: `model_card.py`, which puts them among others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from caesura.evals.card_words import command, table, with_interval
from caesura.evals.statistics import Estimate
from caesura.evals.tool_results import ToolFigures, ToolResults

_TITLES: Mapping[str, str] = {
    "decided": "called exactly when it was to",
    "called": "called when it was to",
    "refrained": "called nothing when nothing fitted",
    "named": "called the right tools",
    "exact": "with exactly the right arguments",
    "valid": "calls that keep to the schema of a tool at hand",
    "answered": "said after the results what they say",
    "record_valid": "records as JSON that keep to their schema",
    "record_exact": "records that say exactly what the text says",
}
_SETS: Mapping[str, str] = {
    "bfcl_simple": "BFCL, developer part, one function",
    "metatool": "MetaTool, the one of four tools that serves",
    "metatool_none": "MetaTool, none of four tools serves",
}


def tool_section(results: ToolResults | None) -> list[str]:
    """The section, or nothing."""
    if results is None:
        return []
    settings = list(results.overall)
    kinds = {kind: None for each in results.kinds.values() for kind in each}
    return [
        "## Does it call tools?",
        "",
        "Names, words and values that no training row holds; one to several tools at hand. `constrained` is "
        "how it is served: calls and records are held to their schemas. `free` lets it write what it likes.",
        "",
        *table(("", *settings), [_row(name, results) for name in _TITLES if _is_there(name, results)]),
        "",
        "All of it right, by kind of exercise:",
        "",
        *table(
            ("kind", *settings),
            [(_plain(kind), *(_cell(results.kinds[each].get(kind)) for each in settings)) for kind in kinds],
        ),
        "",
        *_public(results),
        *command(results.provenance),
    ]


def _public(results: ToolResults) -> list[str]:
    """Developer parts of public sets, whose words are far from those of the training rows."""
    rows = [
        (f"{_SETS.get(kind, kind)}: {_TITLES[field.name]}", setting, with_interval(estimate))
        for setting, sets in results.public.items()
        for kind, figures in sets.items()
        for field in fields(ToolFigures)
        if field.name in ("called", "refrained", "named", "exact")
        and (estimate := getattr(figures, field.name)) is not None
    ]
    if not rows:
        return []
    lead = "On public developer sets, whose requests are longer and of other words than it was trained on:"
    return [lead, "", *table(("what", "setting", "share"), rows)]


def _is_there(name: str, results: ToolResults) -> bool:
    return any(getattr(figures, name) is not None for figures in results.overall.values())


def _row(name: str, results: ToolResults) -> tuple[str, ...]:
    return (_TITLES[name], *(_cell(getattr(figures, name)) for figures in results.overall.values()))


def _cell(estimate: Estimate | None) -> str:
    return "" if estimate is None else with_interval(estimate)


def _plain(kind: str) -> str:
    return kind.replace("_", " ")
