"""Thirteen families of verifiable problems. A new one is a new file and one line here."""

from caesura.evals.tasks import (
    addition,
    boolean,
    chain,
    dates,
    equations,
    graph,
    letters,
    lists,
    multiplication,
    sorting,
    state,
    units,
    word_problems,
)
from caesura.evals.tasks.problem import FILLER, MAX_DIFFICULTY, Family, Problem, is_correct, stated_answer

FAMILIES: dict[str, Family] = {
    module.FAMILY.name: module.FAMILY
    for module in (
        chain,
        state,
        equations,
        graph,
        multiplication,
        letters,
        sorting,
        boolean,
        dates,
        units,
        word_problems,
        lists,
        addition,
    )
}

__all__ = ["FAMILIES", "FILLER", "MAX_DIFFICULTY", "Family", "Problem", "is_correct", "stated_answer"]
