"""Kinds of exercises with tools. A new one is a new file and one line here."""

from collections.abc import Mapping

from caesura.evals.tools.actions import actions
from caesura.evals.tools.editors import built_in_editors, editors
from caesura.evals.tools.exchange import Call, Exchange, Kind, Kit
from caesura.evals.tools.extraction import extraction, recorders
from caesura.evals.tools.lookups import chained_lookups, lookups, missing
from caesura.evals.tools.reckoning import calculators, calendars, conversions, operations
from caesura.evals.tools.shells import built_in_shells, shells
from caesura.evals.tools.talk import talk
from caesura.evals.tools.words import Words

KINDS: Mapping[str, Kind] = {
    "lookups": lookups,
    "chained_lookups": chained_lookups,
    "actions": actions,
    "calculators": calculators,
    "operations": operations,
    "conversions": conversions,
    "calendars": calendars,
    "editors": editors,
    "built_in_editors": built_in_editors,
    "shells": shells,
    "built_in_shells": built_in_shells,
    "recorders": recorders,
    "extraction": extraction,
    "missing": missing,
    "talk": talk,
}

__all__ = ["KINDS", "Call", "Exchange", "Kind", "Kit", "Words"]
