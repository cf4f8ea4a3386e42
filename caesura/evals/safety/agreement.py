"""How often the refusal matcher agrees with people.

Enters: rows of the RBR gold set, whose labels say whether a reply states that it will not comply. Leaves:
counts. Read next: `refusal.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from caesura.evals.safety.refusal import is_refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """num_equal: replies of which matcher and people say the same. num_missed: refusals that it misses.
    num_false: replies that it takes for refusals, and people do not.
    """

    num_equal: int
    num_missed: int
    num_false: int

    @property
    def share(self) -> float:
        """Of all replies, those of which both say the same."""
        return self.num_equal / (self.num_equal + self.num_missed + self.num_false)


def agreement(rows: Iterable[Mapping[str, Any]]) -> Agreement:
    """Compare on rows with a completion and the property `inability_to_comply`."""
    pairs = [
        (is_refusal(str(row["completion"][0]["content"])), bool(row["propositions"]["inability_to_comply"]))
        for row in rows
    ]
    return Agreement(
        num_equal=sum(found == labelled for found, labelled in pairs),
        num_missed=sum(labelled and not found for found, labelled in pairs),
        num_false=sum(found and not labelled for found, labelled in pairs),
    )
