"""What each id stands for, in bytes: the decoder of `tokenizer.json`, one token at a time.

Two kinds are known. Byte-level vocabularies (GPT-2's table: Llama 3, Qwen, our own) write each byte as a
printable character. Sentence-piece vocabularies (Llama 2, Mistral) write a space as `▁`, and a byte that no
piece holds as `<0x0A>`.
Enters: the tokens' names and the decoder as JSON. Leaves: bytes. Read next: `tokenizer.py`,
`foreign_tokenizer.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")

# The bytes that whitespace consists of in UTF-8; U+3000 is the last of it.
_BLANK_BYTES = frozenset("".join(filter(str.isspace, map(chr, range(0x3001)))).encode())


def byte_level(names: Iterable[str]) -> list[bytes]:
    """The bytes of names that are written in GPT-2's table; other names are their own UTF-8."""
    table = _bytes_of_characters()
    return [
        bytes(table[character] for character in name)
        if all(character in table for character in name)
        else name.encode("utf-8")
        for name in names
    ]


def decoded(names: Sequence[str], decoder: Mapping[str, Any] | None) -> list[bytes]:
    """The bytes of each name under a decoder as `tokenizer.json` writes it.

    Raises ValueError for a decoder whose tokens have no bytes of their own.
    """
    steps = list(_steps(decoder))
    if any(step["type"] == "ByteLevel" for step in steps):
        return byte_level(names)
    has_bytes = any(step["type"] == "ByteFallback" for step in steps)
    replacements = [pair for step in steps for pair in _replacements(step)]
    if not replacements:
        kinds = ", ".join(step["type"] for step in steps) or "none"
        raise ValueError(f"its decoder ({kinds}) is neither byte-level nor sentence-piece")
    return [_piece(name, replacements, has_bytes=has_bytes) for name in names]


def may_be_blank(piece: bytes) -> bool:
    """Whether bytes are whitespace, nothing, or a broken character that could become whitespace."""
    try:
        return not piece.decode("utf-8").strip()
    except UnicodeDecodeError:
        return _BLANK_BYTES.issuperset(piece)


def _steps(decoder: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    if decoder is None:
        return
    if decoder["type"] == "Sequence":
        for step in decoder["decoders"]:
            yield from _steps(step)
    else:
        yield decoder


def _replacements(step: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    match step["type"]:
        case "Replace":
            if "String" not in step["pattern"]:
                raise ValueError("its decoder replaces by a pattern, which tokens one by one cannot follow")
            yield step["pattern"]["String"], step["content"]
        case "Metaspace":
            yield step.get("replacement", "▁"), " "
        case "ByteFallback" | "Fuse" | "Strip":
            pass
        case other:
            raise ValueError(f"its decoder has a step {other}, which is not known")


def _piece(name: str, replacements: Sequence[tuple[str, str]], *, has_bytes: bool) -> bytes:
    byte = _BYTE.fullmatch(name) if has_bytes else None
    if byte:
        return bytes([int(byte[1], 16)])
    for before, after in replacements:
        name = name.replace(before, after)
    return name.encode("utf-8")


def _bytes_of_characters() -> dict[str, int]:
    """Byte-level BPE writes each byte as a printable character; this is the way back (GPT-2's table)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + offset): byte for offset, byte in enumerate(rest)}
