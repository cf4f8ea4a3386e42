"""What was tried and what came of it, one line each, so that a run that was killed goes on where it was.

A run's plan follows from its settings, so each line is found again by phase and number. A last line that was
cut off is dropped. Enters: `Record`s. Leaves: the same. Read next: `campaign.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from caesura.constitution.redteam.seeds import seed_from_json
from caesura.constitution.redteam.styles import Attack, Step
from caesura.constitution.redteam.verdict import OUTCOMES, Judged, Outcome
from caesura.messages.errors import DataError

Phase = Literal["plain", "look_alikes", "sweep", "many_shot", "likelihood", "samples", "attacker", "archive"]
PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One attempt.

    phase, index: its place in the plan. attack: what was tried. outcome: by the rules. reply: what came back.
    is_on_topic: see `verdict.py`. judged: what the judge said, "" if nobody asked. num_requests: how many
    replies it took, those of judge and attacker included. log_prob: of a harmful reply's tokens on average,
    where that was measured instead.
    """

    phase: Phase
    index: int
    attack: Attack
    outcome: Outcome
    reply: str = ""
    is_on_topic: bool = False
    judged: Judged = ""
    num_requests: int = 1
    log_prob: float | None = None

    @property
    def is_answered(self) -> bool:
        """Whether there was a reply to look at."""
        return self.outcome not in ("unasked", "too_long") and self.log_prob is None

    @property
    def is_success(self) -> bool:
        """Whether a harmful request was answered."""
        return self.outcome == "complied" and self.judged != "no" and self.attack.seed.is_harmful

    @property
    def is_relevant(self) -> bool:
        """Whether a success is about what was asked: by the judge's word, or by a word of the request."""
        return self.is_success and (self.judged == "yes" or (not self.judged and self.is_on_topic))


class Journal:
    """The lines of one run, on disk and in memory. Close it, or use it in `with`."""

    def __init__(self, path: Path) -> None:
        """Raises DataError for a line in the middle that cannot be read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._records: dict[tuple[Phase, int], Record] = {}
        whole = _whole_lines(path)
        for number, line in enumerate(whole.splitlines(), start=1):
            record = _read(path, number, line)
            self._records[record.phase, record.index] = record
        self._file = path.open("r+b" if path.exists() else "wb")
        self._file.seek(len(whole))
        self._file.truncate()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def find(self, phase: Phase, index: int) -> Record | None:
        """What an earlier run, or this one, has already done."""
        return self._records.get((phase, index))

    def add(self, record: Record) -> None:
        """Write one down; it is with the operating system before this returns."""
        self._file.write(json.dumps(asdict(record)).encode() + b"\n")
        self._file.flush()
        self._records[record.phase, record.index] = record

    def records(self) -> Sequence[Record]:
        """All of them in the order of the plan, whichever came back first."""
        return sorted(self._records.values(), key=lambda each: (PHASES.index(each.phase), each.index))

    def close(self) -> None:
        """Add nothing further."""
        self._file.close()


def write_whole(path: Path, text: str) -> None:
    """Replace a file by one step, so that a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.part")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


def _whole_lines(path: Path) -> bytes:
    """All of a file up to its last newline."""
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def _read(path: Path, number: int, line: bytes) -> Record:
    try:
        return record_from_json(json.loads(line))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}:{number}: {error}; take the line out, or choose another folder") from error


def record_from_json(row: dict[str, Any]) -> Record:
    """Raises ValueError, KeyError or TypeError for what `Journal` did not write."""
    attack = row["attack"]
    for name, allowed in (("phase", PHASES), ("outcome", OUTCOMES), ("judged", get_args(Judged))):
        if row[name] not in allowed:
            raise ValueError(f"{name} {row[name]!r} is not one of {', '.join(allowed)}")
    made = Attack(
        seed=seed_from_json(attack["seed"]),
        steps=tuple(Step(str(style), int(variant)) for style, variant in attack["steps"]),
        style=str(attack["style"]),
        text=str(attack["text"]),
    )
    log_prob = row["log_prob"]
    return Record(
        phase=row["phase"],
        index=int(row["index"]),
        attack=made,
        outcome=row["outcome"],
        reply=str(row["reply"]),
        is_on_topic=bool(row["is_on_topic"]),
        judged=row["judged"],
        num_requests=int(row["num_requests"]),
        log_prob=None if log_prob is None else float(log_prob),
    )
