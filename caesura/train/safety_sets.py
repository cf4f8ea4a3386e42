"""Where the safety sets lie in the data folder.

Enters: the data folder. Leaves: a way to read a set's rows by its name, as `caesura/evals/safety/` asks for
it. Read next: `sets.py`; `caesura/evals/safety/prompts.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from caesura.messages.errors import DataError
from caesura.train.sets import read_rows

FILES: Mapping[str, str] = {
    "advbench": "advbench/behaviors.jsonl",
    "harmbench": "harmbench/behaviors_val.jsonl",
    "strongreject": "strongreject/prompts.jsonl",
    "xstest": "xstest/prompts.jsonl",
    "jailbreak_templates": "jailbreak_templates/templates.jsonl",
    "rbr_refusal_gold": "rbr_refusal_gold/train.jsonl.zst",
    "tldr": "tldr_pages/pages.jsonl.zst",
    "self_instruct": "self_instruct_seeds/seed_tasks.jsonl",
    "openstax_exercises": "openstax_exercises/exercises.jsonl.zst",
    "metatool": "metatool/queries.jsonl.zst",
    "snips": "snips_intents/train.jsonl.zst",
    "clinc150": "clinc150/train.jsonl.zst",
    "bfcl": "bfcl_dev/exec_simple.jsonl",
}


def safety_rows(folder: Path) -> Callable[[str], Iterator[dict[str, Any]]]:
    """The rows of a set by its name. Raises DataError, when asked, for a file that is not there."""

    def rows(name: str) -> Iterator[dict[str, Any]]:
        path = folder / FILES[name]
        if not path.is_file():
            raise DataError(f"{path}: the safety set {name!r} is not there; set --data or CAESURA_DATA")
        return read_rows(path)

    return rows
