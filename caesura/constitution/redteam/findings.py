"""The prompts that worked, as rows that the next round of critique and revision starts from.

Enters: records. Leaves: JSONL of text, is_harmful, category, kind, source and licence, as `seeds.py` reads
it, and beside them the whole conversation. Read next: `seeds.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from caesura.constitution.redteam.journal import Record, write_whole
from caesura.constitution.redteam.styles import Playbook


def write_findings(path: Path, records: Iterable[Record], playbook: Playbook) -> int:
    """Each prompt once; returns how many."""
    rows: dict[str, dict[str, Any]] = {}
    for record in records:
        if record.is_answered and record.is_success:
            row = finding(record, playbook)
            rows.setdefault(json.dumps(row["turns"]), row)
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows.values()))
    return len(rows)


def finding(record: Record, playbook: Playbook) -> dict[str, Any]:
    """One row. text: what the user said, where that alone is the attack; else the request itself.

    kind: the styles, joined by `+`. system, turns: the whole prompt, for those who train on conversations.
    """
    attack, draft = record.attack, playbook.draft(record.attack)
    names = [step.style for step in attack.steps]
    if attack.text:
        names.insert(0, "attacker")
    is_alone = not draft.before
    return {
        "text": draft.text if is_alone else attack.seed.text,
        "is_harmful": True,
        "category": attack.seed.category,
        "kind": "+".join(names) or "plain",
        "source": attack.seed.source,
        "licence": attack.seed.licence,
        "system": draft.system,
        "turns": [{"role": role, "content": text} for role, text in draft.turns],
    }
