"""The commands of the memory tool: view, create, str_replace, insert, delete, rename.

Enters: a call's input, as the model wrote it, and a tenant's folder. Leaves: what the model is told, or a
`MemoryRefusal` with what it can do instead. Read next: `memory_folder.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from caesura.server.memory_folder import Entry, MemoryFolder
from caesura.server.memory_paths import MemoryRefusal, parts_of, path_of

Input = Mapping[str, Any]
_MAX_LISTED = 200
_NUM_CONTEXT_LINES = 2


def run_command(folder: MemoryFolder, given: Input) -> str:
    """Carry out one call. Raises MemoryRefusal."""
    name = given.get("command")
    command = _COMMANDS.get(name) if isinstance(name, str) else None
    if command is None:
        raise MemoryRefusal(f"`command` must be one of {', '.join(_COMMANDS)}")
    return command(folder, given)


def _text(given: Input, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise MemoryRefusal(f"`{name}` must be a text")
    return value


def _line(given: Input, name: str) -> int:
    value = given.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MemoryRefusal(f"`{name}` must be a whole number")
    return value


def _view(folder: MemoryFolder, given: Input) -> str:
    names = parts_of(_text(given, "path"))
    if folder.kind(names) == "folder":
        return _listing(names, folder.entries(names))
    lines = folder.read(names).split("\n")
    first, last = _range(given.get("view_range"), len(lines))
    shown = [f"{number:>6}\t{lines[number - 1]}" for number in range(first, last + 1)]
    return "\n".join([f"{path_of(names)}, lines {first} to {last} of {len(lines)}:", *shown])


def _range(value: object, num_lines: int) -> tuple[int, int]:
    """First and last line, counted from 1."""
    if value is None:
        return 1, num_lines
    pair = cast("list[object]", value) if isinstance(value, list) else []
    numbers = [each for each in pair if isinstance(each, int) and not isinstance(each, bool)]
    if len(pair) != 2 or len(numbers) != 2:
        raise MemoryRefusal("`view_range` must be two line numbers, such as [1, 20]")
    first, last = numbers[0], num_lines if numbers[1] == -1 else min(numbers[1], num_lines)
    if not 1 <= first <= last:
        raise MemoryRefusal(f"`view_range` must lie within the lines 1 to {num_lines}")
    return first, last


def _listing(names: tuple[str, ...], entries: list[Entry]) -> str:
    if not entries:
        return f"{path_of(names)} is empty."
    shown = [
        f"{path_of(entry.names)}/"
        if entry.is_folder
        else f"{path_of(entry.names)} ({entry.size_bytes} bytes)"
        for entry in entries[:_MAX_LISTED]
    ]
    left_out = len(entries) - len(shown)
    rest = [f"and {left_out} more; view a folder to see what is in it"] if left_out else []
    return "\n".join([f"In {path_of(names)}:", *shown, *rest])


def _create(folder: MemoryFolder, given: Input) -> str:
    names, text = parts_of(_text(given, "path")), _text(given, "file_text")
    is_there = folder.kind(names) == "file"
    folder.write(names, text)
    return f"{path_of(names)} was {'overwritten' if is_there else 'created'}."


def _str_replace(folder: MemoryFolder, given: Input) -> str:
    names, old = parts_of(_text(given, "path")), _text(given, "old_str")
    new = _text(given, "new_str") if given.get("new_str") is not None else ""
    if not old:
        raise MemoryRefusal("`old_str` must not be empty")
    text = folder.read(names)
    count = text.count(old)
    if count != 1:
        problem = "does not occur" if not count else f"occurs {count} times, not once,"
        raise MemoryRefusal(f"`old_str` {problem} in {path_of(names)}; nothing was changed")
    folder.write(names, text.replace(old, new))
    return _changed(names, text.replace(old, new), text[: text.index(old)].count("\n"))


def _insert(folder: MemoryFolder, given: Input) -> str:
    names, added = parts_of(_text(given, "path")), _text(given, "insert_text")
    line, text = _line(given, "insert_line"), folder.read(names)
    lines = text.removesuffix("\n").split("\n") if text else []
    if not 0 <= line <= len(lines):
        raise MemoryRefusal(f"`insert_line` must lie between 0 and {len(lines)}")
    lines[line:line] = added.removesuffix("\n").split("\n")
    result = "\n".join(lines) + "\n"
    folder.write(names, result)
    return _changed(names, result, line)


def _changed(names: tuple[str, ...], text: str, at: int) -> str:
    """at: the line that was changed, counted from 0."""
    lines = text.split("\n")
    first, last = max(0, at - _NUM_CONTEXT_LINES), min(len(lines), at + _NUM_CONTEXT_LINES + 1)
    shown = [f"{number + 1:>6}\t{lines[number]}" for number in range(first, last)]
    return "\n".join([f"{path_of(names)} was changed; it now reads there:", *shown])


def _delete(folder: MemoryFolder, given: Input) -> str:
    names = parts_of(_text(given, "path"))
    folder.remove(names)
    return f"{path_of(names)} was deleted."


def _rename(folder: MemoryFolder, given: Input) -> str:
    old, new = parts_of(_text(given, "old_path")), parts_of(_text(given, "new_path"))
    folder.rename(old, new)
    return f"{path_of(old)} is now {path_of(new)}."


_COMMANDS: Mapping[str, Callable[[MemoryFolder, Input], str]] = {
    "view": _view,
    "create": _create,
    "str_replace": _str_replace,
    "insert": _insert,
    "delete": _delete,
    "rename": _rename,
}
