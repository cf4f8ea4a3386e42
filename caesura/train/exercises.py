"""Exercises with their answers, from the CNXML modules of public textbooks.

Enters: the modules, by repository and path. Leaves: rows of problem and solution in plain text, in the same
shape as `sets.py` opens them. Read next: `mathml.py`, which writes the formulas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, ParseError, fromstring

from caesura.messages.errors import DataError
from caesura.train.convert import Files, Row, remainder
from caesura.train.mathml import linear, local_name

_MODULUS = 25
# Stands for what plain text cannot show, until the exercise is left out for it.
_ABSENT = "\ufffc"
_SHOWN = frozenset({"media", "figure", "table", "image", "iframe"})
_LEFT_OUT = frozenset({"title", "label", "caption", "commentary"})
_BLOCKS = frozenset({"para", "equation", "list", "note", "code", "preformat", "quote", "section"})
_ORDINALS = frozenset({"st", "nd", "rd", "th"})
_INSTRUCTION = re.compile(r"(?:In|For) the following (?:\w+ )?exercises?,? *(.+)", re.DOTALL)
_REVIEW = re.compile(r"\s*If you missed (?:this|the) problem,? review[^\n.]*\.?")
_NEEDS_FIGURE = re.compile(
    r"\b(?:the|this|these)(?: (?:following|given))? (?:figure|graph|histogram|diagram|chart|table)s?\b"
    r"|\bshown (?:below|above|in)\b",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Module:
    """A section of a book.

    id: book and module. title: its heading. exercises: those that plain text can show.
    """

    id: str
    title: str
    exercises: tuple[_Exercise, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exercise:
    """number: its place among all exercises of the module. problem, solution: its text."""

    number: int
    problem: str
    solution: str


def textbook_exercises(files: Files) -> Iterator[Row]:
    """Exercises that have a solution; the line that instructs a group of them stands before each.

    Those that need a figure, a graph or a table are left out, so are the modules that are held out by hash
    (SHA-256 of book/module, modulo 25), and problems that a held-out module has too. The distributed set
    numbers its exercises through all books; here each module begins at 0.
    """
    modules = [_module(path, content) for path, content in sorted(files.items())]
    held_out = {
        exercise.problem
        for module in modules
        if remainder(module.id, _MODULUS) == 0
        for exercise in module.exercises
    }
    seen: set[tuple[str, str]] = set()
    for module in modules:
        if remainder(module.id, _MODULUS) == 0:
            continue
        for exercise in module.exercises:
            both = (exercise.problem, exercise.solution)
            if exercise.problem not in held_out and both not in seen:
                seen.add(both)
                yield _row(module, exercise)


def _row(module: _Module, exercise: _Exercise) -> Row:
    return {
        "id": f"{module.id}/{exercise.number}",
        "book": module.id.partition("/")[0],
        "module": module.title,
        "problem": exercise.problem,
        "solution": exercise.solution,
    }


def _module(path: str, content: bytes) -> _Module:
    """One CNXML document."""
    try:
        document = fromstring(content)
    except ParseError as error:
        raise DataError(f"{path}: not XML: {error}") from error
    _, repository, *_, name, _ = PurePosixPath(path).parts
    texts = [_texts(*found) for found in _instructed(document)]
    return _Module(
        id=f"{repository.removeprefix('osbooks-')}/{name}",
        title=_SPACES.sub(" ", document.findtext("{*}title", "")).strip(),
        exercises=tuple(
            _Exercise(number=number, problem=problem, solution=solution)
            for number, (problem, solution) in enumerate(texts)
            if _is_whole(problem, solution)
        ),
    )


def _is_whole(problem: str, solution: str) -> bool:
    """Whether plain text says all of it."""
    is_shown = _ABSENT in problem + solution or _NEEDS_FIGURE.search(problem)
    return bool(problem and solution and not is_shown)


def _instructed(parent: Element) -> Iterator[tuple[str, Element]]:
    """Each exercise with the instruction of its group; a paragraph that is a heading ends a group."""
    instruction = ""
    for child in parent:
        tag = local_name(child)
        if tag == "exercise":
            yield instruction, child
        elif tag == "para":
            text = _text(child)
            if found := _INSTRUCTION.match(text):
                instruction = found[1][:1].upper() + found[1][1:]
            elif _is_heading(child, text):
                instruction = ""
        else:
            yield from _instructed(child)


def _is_heading(para: Element, text: str) -> bool:
    """Whether all of a paragraph is emphasised."""
    return len(para) == 1 and local_name(para[0]) == "emphasis" and _text(para[0]) == text


def _texts(instruction: str, exercise: Element) -> tuple[str, str]:
    """Problem and solution; empty where there is none."""
    problem = _REVIEW.sub("", _parts(exercise, "problem"))
    own = "\n".join(part for part in (instruction, problem) if part) if problem else ""
    return own, _parts(exercise, "solution")


def _parts(exercise: Element, name: str) -> str:
    return "\n".join(_text(part) for part in exercise if local_name(part) == name)


def _text(node: Element) -> str:
    """The text of an element, a block on a line, without spaces that mean nothing."""
    lines = (_SPACES.sub(" ", line).strip() for line in _written(node).split("\n"))
    return "\n".join(line for line in lines if line)


def _written(node: Element) -> str:
    """The text of an element, with more spaces and line ends than it needs."""
    pieces = [_flat(node.text)]
    for child in node:
        pieces += [_piece(child), _flat(child.tail)]
    return "".join(pieces)


def _flat(text: str | None) -> str:
    """Source text on one line: its line ends mean nothing."""
    return _SPACES.sub(" ", text or "")


def _piece(node: Element) -> str:
    """What an element adds to the text around it."""
    tag = local_name(node)
    if tag in _LEFT_OUT:
        return ""
    if tag in _SHOWN or (tag == "link" and not _text(node)):
        return _ABSENT
    if tag == "math":
        return linear(node)
    if tag == "newline":
        return "\n"
    inner = _listed(node) if tag == "list" else _written(node)
    if tag in ("sup", "sub"):
        return _raised(inner.strip(), "^" if tag == "sup" else "_")
    return f"\n{inner}\n" if tag in _BLOCKS else inner


def _raised(text: str, mark: str) -> str:
    return text if text in _ORDINALS else f"{mark}{text}"


def _listed(node: Element) -> str:
    """A list, an item a line."""
    items: Sequence[str] = [_written(item).strip() for item in node if local_name(item) == "item"]
    is_numbered = node.get("list-type") == "enumerated"
    return "\n".join(
        f"{f'{number}.' if is_numbered else '-'} {item}" for number, item in enumerate(items, start=1)
    )
