"""What each id stands for, in bytes: the decoder of `tokenizer.json`, one token at a time.

Two kinds are known. Byte-level vocabularies (GPT-2's table: Llama 3, Qwen, our own) write each byte as a
printable character. Sentence-piece vocabularies (Llama 2, Mistral) write a space as `▁`, and a byte that no
piece holds as `<0x0A>`. They put a space before every text, which their decoders take off again, so a token
at a text's beginning stands for other bytes than the same token further on.
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


def decoded(
    names: Sequence[str], decoder: Mapping[str, Any] | None, *, is_first: bool = False
) -> list[bytes]:
    """The bytes of each name under a decoder as `tokenizer.json` writes it.

    is_first: as if each were the first token of a text.
    Raises ValueError for a decoder whose tokens have no bytes of their own.
    """
    steps = list(_steps(decoder))
    if any(step["type"] == "ByteLevel" for step in steps):
        return byte_level(names)
    has_bytes = any(step["type"] == "ByteFallback" for step in steps)
    replacements = [pair for step in steps for pair in _replacements(step, is_first=is_first)]
    if not replacements:
        kinds = ", ".join(step["type"] for step in steps) or "none"
        raise ValueError(f"its decoder ({kinds}) is neither byte-level nor sentence-piece")
    lead = _lead(steps).encode()
    pieces = [_piece(name, replacements, has_bytes=has_bytes) for name in names]
    return [piece.removeprefix(lead) for piece in pieces] if is_first else pieces


def begins_alike(decoder: Mapping[str, Any] | None) -> bool:
    """Whether tokens stand for the same at a text's beginning as further on."""
    steps = list(_steps(decoder))
    return not _lead(steps) and not any(_drops_first(step) for step in steps)


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


def _lead(steps: Sequence[Mapping[str, Any]]) -> str:
    """The character that the decoder takes off a text's beginning; "" for none."""
    kinds = [step["type"] for step in steps]
    strips = [step for step in steps if step["type"] == "Strip"]
    if not strips:
        return ""
    is_whole = "Fuse" in kinds[: kinds.index("Strip")]
    if not is_whole or len(strips) > 1 or strips[0]["start"] > 1 or strips[0]["stop"]:
        raise ValueError("its decoder strips more than one character from a text's beginning")
    return strips[0]["content"] if strips[0]["start"] else ""


def _drops_first(step: Mapping[str, Any]) -> bool:
    """Whether what stands for spaces is left out of a text's first token."""
    return step["type"] == "Metaspace" and step.get("prepend_scheme", "always") != "never"


def _replacements(step: Mapping[str, Any], *, is_first: bool) -> Iterator[tuple[str, str]]:
    match step["type"]:
        case "Replace":
            if "String" not in step["pattern"]:
                raise ValueError("its decoder replaces by a pattern, which tokens one by one cannot follow")
            yield step["pattern"]["String"], step["content"]
        case "Metaspace":
            yield step.get("replacement", "▁"), "" if is_first and _drops_first(step) else " "
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
