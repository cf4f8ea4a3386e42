"""Plain text for a tiny vocabulary: typographic characters become ASCII, long texts become pieces.

Enters: text as its source wrote it. Leaves: the same text folded to ASCII where a plain spelling
exists, and pieces that end where paragraphs or sentences end. Read next: `text.py`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator

_TYPOGRAPHY = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201a": "'",
        "\u201b": "'",
        "\u2032": "'",
        "\u00b4": "'",
        "`": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u2033": '"',
        "\u00ab": '"',
        "\u00bb": '"',
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": "-",
        "\u2013": "-",
        "\u2212": "-",
        "\u2014": "--",
        "\u2015": "--",
        "\u2026": "...",
        "\u00a0": " ",
        "\u2009": " ",
        "\u200a": " ",
        "\u202f": " ",
        "\u200b": "",
        "\u200c": "",
        "\u200d": "",
        "\ufeff": "",
        "\u00ad": "",
        "\u00d7": "x",
        "\u2022": "-",
        "\u00e6": "ae",
        "\u00c6": "Ae",
        "\u0153": "oe",
        "\u0152": "Oe",
        "\u00df": "ss",
        "\u00f8": "o",
        "\u00d8": "O",
        "\u0142": "l",
        "\u0141": "L",
        "\u0131": "i",
        "\u025b": "e",
        "\u0254": "o",
        "\u014b": "n",
        "\u02bb": "'",
    }
)
# Combining marks, pictures, and what Unicode leaves to others.
_DROPPED = frozenset({"Mn", "So", "Sk", "Cs", "Co", "Cn"})
_SPACES = re.compile(r"[ \t]+")
_BLANK_LINES = re.compile(r"\n\s*\n+")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]*\s+")


def plain(text: str) -> str:
    """The text with quotes, dashes and accented letters in ASCII, and its white space tidied."""
    if not text.isascii():
        text = text.translate(_TYPOGRAPHY)
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(char for char in decomposed if unicodedata.category(char) not in _DROPPED)
    return _BLANK_LINES.sub("\n\n", _SPACES.sub(" ", text)).strip()


def sentences(text: str) -> list[str]:
    """The sentences of one paragraph, by end marks alone."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    starts = [0, *ends]
    return [text[start:end].strip() for start, end in zip(starts, [*ends, len(text)], strict=True)]


def opening(text: str, max_chars: int) -> str:
    """The first sentences of a text that fit; empty where not even the first one does."""
    kept = ""
    for paragraph in text.split("\n\n"):
        for position, sentence in enumerate(sentences(paragraph)):
            separator = "" if not kept else " " if position else "\n\n"
            if len(kept) + len(separator) + len(sentence) > max_chars:
                return kept
            kept += separator + sentence
    return kept


def pieces(text: str, max_chars: int) -> Iterator[str]:
    """The text in order, in pieces of at most `max_chars` characters.

    Cut between paragraphs; a longer paragraph is cut between sentences, and a longer sentence
    (a table, a list without stops) between characters.
    """
    piece = ""
    for part, glue in _parts(text, max_chars):
        if piece and len(piece) + len(glue) + len(part) > max_chars:
            yield piece
            piece = part
        else:
            piece = f"{piece}{glue}{part}" if piece else part
    if piece:
        yield piece


def _parts(text: str, max_chars: int) -> Iterator[tuple[str, str]]:
    """The unbreakable parts of a text, each with what joins it to the part before."""
    for paragraph in text.split("\n\n"):
        if len(paragraph) <= max_chars:
            yield paragraph, "\n\n"
            continue
        for position, sentence in enumerate(sentences(paragraph)):
            for start in range(0, len(sentence), max_chars):
                glue = "" if start else " " if position else "\n\n"
                yield sentence[start : start + max_chars], glue


def words_of(text: str) -> frozenset[str]:
    """The words of a text without marks, as a set."""
    return frozenset(text.split())


def bucket(key: str, num_buckets: int) -> int:
    """A stable number below `num_buckets`: SHA-256's first four bytes, big-endian, modulo."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % num_buckets
