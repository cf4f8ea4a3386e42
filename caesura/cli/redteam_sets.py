"""What `caesura redteam` starts from: the training parts of the public safety sets.

What is measured, and what nearly repeats it, is never among it, so what the search finds may be trained on.
Enters: the data folder. Leaves: `Seed`s and templates. Read next: `redteam_run.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from caesura.constitution.redteam.seeds import Seed
from caesura.evals.safety.prompts import TEMPLATES, training_prompts, training_templates
from caesura.train.safety_sets import FILES, safety_rows


def set_seeds(folder: Path) -> Iterator[Seed]:
    """The training parts of the sets, harmful and harmless. Raises DataError for a set that is not there."""
    for prompt in training_prompts(safety_rows(folder)):
        # A request about a text that comes with it is none without that text.
        if prompt.kind != "contextual":
            yield Seed(
                text=prompt.text,
                is_harmful=prompt.is_harmful,
                category=prompt.category,
                kind=prompt.kind,
                source=prompt.source,
                licence=prompt.licence,
            )


def set_templates(folder: Path) -> tuple[str, ...]:
    """The training part of the jailbreak templates; none where the set is not there."""
    if not (folder / FILES[TEMPLATES]).is_file():
        return ()
    return tuple(each.text for each in training_templates(safety_rows(folder)))
