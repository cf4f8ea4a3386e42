"""Sets of what people judged, from the files that the public sources publish: replies, actions.

Enters: the raw files of one data set, by repository and path. Leaves: rows as dictionaries, in the same shape
as `sets.py` opens them; what is held out is left out. Read next: `convert.py`, the other sets.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from caesura.train.convert import Files, Row, remainder
from caesura.train.requests import json_lines

_HUMAN = re.compile(r"\n\nHuman: (.*?)(?=\n\nAssistant:|\Z)", re.DOTALL)
_MINOR = re.compile(r"\b(child|children|kids?|minors?|underage|teen\w*|toddler|infant)\b", re.IGNORECASE)
_SEXUAL = re.compile(r"\b(sex\w*|porn\w*|nude|naked|rape\w*|molest\w*|incest|pedophil\w*)\b", re.IGNORECASE)


def transcripts(files: Files) -> Iterator[Row]:
    """Two transcripts a row, of which one was preferred: the half that may be trained on.

    By the first byte of the first question's SHA-256, which is even; and without what mixes minors and sex.
    """
    for path, content in sorted(files.items()):
        text = gzip.decompress(content) if path.endswith(".gz") else content
        for line in text.split(b"\n"):
            if not line.strip():
                continue
            row = json.loads(line)
            question = _HUMAN.search(row["chosen"])
            key = question[1].strip().lower() if question else ""
            is_fit = not _mixes_minors_and_sex(f"{row['chosen']} {row['rejected']}")
            if key and is_fit and hashlib.sha256(key.encode()).digest()[0] % 2 == 0:
                yield {"chosen": row["chosen"], "rejected": row["rejected"]}


def _mixes_minors_and_sex(text: str) -> bool:
    return bool(_MINOR.search(text) and _SEXUAL.search(text))


def labelled_replies(files: Files) -> Iterator[Row]:
    """Replies that people labelled by kind and property, without what mixes minors and sex."""
    for row in json_lines(files):
        said = " ".join(turn["content"] for turn in [*row["prompt"], *row["completion"]])
        if not _mixes_minors_and_sex(said):
            yield row


def rewarded_actions(files: Files) -> Iterator[Row]:
    """What a model did next in a dialogue, and whether a person found it right; a tenth is held out."""
    for path, content in sorted(files.items()):
        part = PurePosixPath(path).parts[-3]
        for number, row in enumerate(json.loads(content)):
            if remainder(row["conversation_id"], 10) != 0:
                yield {
                    "id": f"{part}/{PurePosixPath(path).stem}/{number}",
                    "conversation_id": row["conversation_id"],
                    "context": json.loads(row["context"]),
                    "action": json.loads(row["generation"]),
                    "reward": float(row["reward"]),
                }
