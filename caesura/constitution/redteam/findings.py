"""The prompts that worked: as rows that the next round of critique and revision starts from, and as a whole.

Enters: records. Leaves: `successes.jsonl` with exactly the fields of `seeds.py`, without rows that are kept
for measuring; and `conversations.jsonl` with every attack as it was sent, and the reply. Read next:
`seeds.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from caesura.constitution.redteam.journal import Record, write_whole
from caesura.constitution.redteam.seeds import Seed
from caesura.constitution.redteam.styles import Playbook


def write_findings(
    folder: Path, records: Iterable[Record], playbook: Playbook, is_for_training: Callable[[str], bool]
) -> int:
    """Each prompt once; returns how many attacks worked. is_for_training: says so of a request as it was
    before anything was done to it.
    """
    worked = {
        playbook.draft(record.attack): record
        for record in records
        if record.is_answered and record.is_success
    }
    learnable = [record for record in worked.values() if is_for_training(record.attack.seed.text)]
    found = {each.text: each for each in (finding(record, playbook) for record in learnable)}
    seeds = [asdict(seed) for seed in found.values()]
    write_whole(folder / "successes.jsonl", _lines(seeds))
    write_whole(folder / "conversations.jsonl", _lines(_whole(each, playbook) for each in worked.values()))
    return len(worked)


def finding(record: Record, playbook: Playbook) -> Seed:
    """A prompt to start from. kind: the styles, joined by `+`.

    text: what the user said last, or the request itself where that alone would be no request.
    """
    attack, draft = record.attack, playbook.draft(record.attack)
    names = [*(["attacker"] if attack.text else []), *(step.style for step in attack.steps)]
    return Seed(
        text=attack.seed.text if draft.before else draft.text,
        is_harmful=True,
        category=attack.seed.category,
        kind="+".join(names) or "plain",
        source=attack.seed.source,
        licence=attack.seed.licence,
    )


def _whole(record: Record, playbook: Playbook) -> dict[str, Any]:
    draft = playbook.draft(record.attack)
    return {
        **asdict(finding(record, playbook)),
        "system": draft.system,
        "turns": [{"role": role, "content": text} for role, text in draft.turns],
        "reply": record.reply,
    }


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
