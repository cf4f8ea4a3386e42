"""What came of changing one principle of the constitution.

Enters: counts. Leaves: values that are written as JSON and read by the model card. Read next:
`caesura/rl/principle_trial.py`, which measures; `alignment_card.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from caesura.evals.statistics import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """How often one model says it.

    where_it_applies: of replies to requests that the principle covers. elsewhere: of all others.
    """

    where_it_applies: Estimate
    elsewhere: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResults:
    """What came of a trial.

    principle_id: of the principle that was changed. says: what replies were searched for.
    models: by the names of their jobs, the one before the change first.
    command: what gives the figures again.
    """

    principle_id: str
    says: str
    models: dict[str, Saying]
    command: str
