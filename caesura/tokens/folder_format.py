"""The tokenizer and the chat format of a model folder: ours where it holds our markers, else its own.

Enters: a folder. Leaves: both. Read next: `chat_format.py` (ours), `foreign_format.py` (others').
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple, cast

from caesura.tokens.chat_format import CaesuraFormat, ChatFormat
from caesura.tokens.foreign_format import ForeignFormat
from caesura.tokens.foreign_tokenizer import ForeignTokenizer
from caesura.tokens.markers import MARKERS
from caesura.tokens.tokenizer import Tokenizer


class FolderFormat(NamedTuple):
    """What a folder's words are, and how conversations are made of them."""

    tokenizer: Tokenizer | ForeignTokenizer
    chat_format: ChatFormat


def load_format(folder: Path) -> FolderFormat:
    """Read a folder. Raises TokenizerError naming the file and what is wrong with it."""
    if _has_our_markers(folder / "tokenizer.json"):
        tokenizer = Tokenizer.load(folder)
        return FolderFormat(tokenizer, CaesuraFormat(tokenizer))
    foreign = ForeignFormat.load(folder)
    return FolderFormat(foreign.tokenizer, foreign)


def _has_our_markers(path: Path) -> bool:
    """A file that is missing or damaged has none; whoever reads it next says so."""
    try:
        spec: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    added = cast(dict[str, Any], spec).get("added_tokens") if isinstance(spec, dict) else None
    names = {token["content"] for token in added or [] if "content" in token}
    return names.issuperset(MARKERS)
