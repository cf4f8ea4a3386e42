"""Paths of memory files, as a model writes them.

A path is taken apart here and never handed to the file system whole. What is refused: anything that is not
below /memories, steps up or aside (`.`, `..`, empty parts), hidden names, separators and escapes of any
system (backslash, colon, percent), characters that no reader sees or that look like others (NUL, controls,
what Unicode folds into another spelling), and what is too long or too deep. Names that differ only in case
count as one, so the same memory can live on any file system.

Enters: a path. Leaves: its parts, or a `MemoryRefusal`. Read next: `memory_folder.py`.
"""

from __future__ import annotations

import unicodedata

MEMORY_ROOT = "/memories"
MAX_PATH_CHARACTERS = 512
MAX_NAME_BYTES = 120
MAX_DEPTH = 8
# Separators, drives and escapes somewhere; quotes and wildcards that some file systems refuse.
_REFUSED_CHARACTERS = frozenset('\\:%*?"<>|')
# Names that mean a device on Windows, whatever follows the dot.
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)))
)


class MemoryRefusal(Exception):  # noqa: N818 - an answer to the model, not a fault
    """What the model is told instead of a result."""


def parts_of(path: str) -> tuple[str, ...]:
    """The names from the root to what the path means; none for the root itself. Raises MemoryRefusal."""
    if len(path) > MAX_PATH_CHARACTERS:
        raise MemoryRefusal(f"the path has more than {MAX_PATH_CHARACTERS} characters; choose a shorter one")
    if path != MEMORY_ROOT and not path.startswith(f"{MEMORY_ROOT}/"):
        raise MemoryRefusal(f"the path must begin with {MEMORY_ROOT}/, such as {MEMORY_ROOT}/notes.md")
    inner = path[len(MEMORY_ROOT) :].removeprefix("/").removesuffix("/")
    names = tuple(inner.split("/")) if inner else ()
    if len(names) > MAX_DEPTH:
        raise MemoryRefusal(f"the path has more than {MAX_DEPTH} parts below {MEMORY_ROOT}")
    for name in names:
        _check_name(name)
    return names


def _check_name(name: str) -> None:
    if not name or name.startswith(".") or name[-1] in " ." or name[0] == " ":
        raise MemoryRefusal(
            "a name in the path is empty, begins with a dot or a space, or ends with one; use plain names"
        )
    if not name.isprintable() or _REFUSED_CHARACTERS & set(name):
        raise MemoryRefusal(
            "a name in the path has a character that is not allowed; use letters, digits, '-', '_' and '.'"
        )
    if unicodedata.normalize("NFKC", name) != name:
        raise MemoryRefusal("a name in the path has a character with a second spelling; use the plain one")
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise MemoryRefusal(f"a name in the path has more than {MAX_NAME_BYTES} bytes; choose a shorter one")
    if name.partition(".")[0].casefold() in _DEVICES:
        raise MemoryRefusal("a name in the path means a device on some systems; choose another")


def path_of(names: tuple[str, ...]) -> str:
    """The inverse of `parts_of`."""
    return "/".join((MEMORY_ROOT, *names))
