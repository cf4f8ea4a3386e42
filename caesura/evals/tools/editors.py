"""A coding agent's editor, in the built-in forms and in short ones of other names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from caesura.evals.tools.exchange import TEXT, WHOLE, Call, Exchange, Kit, Parameter, asked, failed, make_tool
from caesura.evals.tools.words import COLOURS, ITEMS, Words, identifier
from caesura.messages.content import Tool
from caesura.messages.typed_tools import typed_tool

_FOLDERS = (
    "src",
    "lib",
    "app",
    "tests",
    "docs",
    "scripts",
    "core",
    "data",
    "server",
    "web",
    "config",
    "tools",
)
_ENDINGS = ("py", "py", "py", "txt", "md", "json", "toml", "js", "html", "css")
_EDITORS = ("text_editor_20250728", "text_editor_20250728", "text_editor_20250429")


def path(rng: Random, words: Words, *, is_folder: bool = False) -> str:
    """A path that nobody has seen."""
    parts = [
        rng.choice(_FOLDERS) if rng.random() < 0.6 else words.made_up(rng)
        for _ in range(rng.choice((1, 1, 2)))
    ]
    root = rng.choice(("/", "/", "/home/user/", "/repo/"))
    names = [words.made_up(rng) for _ in range(1 if rng.random() < 0.7 else 2)]
    name = identifier(rng, names).lower()
    return root + "/".join(parts) + ("" if is_folder else f"/{name}.{rng.choice(_ENDINGS)}")


def line(rng: Random, words: Words) -> str:
    """A line of a file."""
    name, other, number = words.made_up(rng), words.made_up(rng), rng.randint(1, 999)
    return rng.choice(
        (
            f"{name} = {number}",
            f"{name} = {other}({number})",
            f"def {name}({other}):",
            f"import {name}",
            f"return {name} + {number}",
            f'print("{name} {other}")',
            f"{words.pick(rng, COLOURS)} {words.pick(rng, ITEMS)}",
            f"{name}: {number}",
            f"# {name} {other}",
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Editor:
    """How the four things that an editor does are called.

    forms: for each, the tool's name, the arguments that never change, and the keys of those that do.
    """

    tools: tuple[Tool, ...]
    forms: Mapping[str, tuple[str, Mapping[str, Any], tuple[str, ...]]]

    def call(self, what: str, *values: Any, result: str) -> Call:
        name, fixed, keys = self.forms[what]
        return Call(name, {**fixed, **dict(zip(keys, values, strict=True))}, result)


def _built_in(rng: Random) -> _Editor:
    kind = rng.choice(_EDITORS)
    tool = typed_tool(kind)
    inserted = "insert_text" if kind == "text_editor_20250728" else "new_str"
    return _Editor(
        tools=(tool,),
        forms={
            "view": (tool.name, {"command": "view"}, ("path",)),
            "create": (tool.name, {"command": "create"}, ("path", "file_text")),
            "replace": (tool.name, {"command": "str_replace"}, ("path", "old_str", "new_str")),
            "insert": (tool.name, {"command": "insert"}, ("path", "insert_line", inserted)),
        },
    )


def _short(rng: Random, words: Words) -> _Editor:
    """Three or four tools, each with a description of a few words."""
    key = rng.choice(("path", "file_path", "file", "filename"))
    text_key = rng.choice(("content", "text", "file_text", "body"))
    old, new = rng.choice(
        (("old_string", "new_string"), ("old_str", "new_str"), ("old", "new"), ("find", "put"))
    )
    said: dict[str, tuple[tuple[str, ...], str, tuple[tuple[str, Mapping[str, Any]], ...]]] = {
        "view": (("read", "read file", "view", "open file"), "Reads a file.", ()),
        "create": (
            ("write", "write file", "create file", "save"),
            "Writes a whole file.",
            ((text_key, TEXT),),
        ),
        "replace": (
            ("edit", "replace", "str replace", "edit file"),
            "Replaces a text in a file.",
            ((old, TEXT), (new, TEXT)),
        ),
        "insert": (
            ("insert", "insert line", "add line"),
            "Inserts text after a line of a file.",
            (("line", WHOLE), (text_key, TEXT)),
        ),
    }
    tools: list[Tool] = []
    forms: dict[str, tuple[str, Mapping[str, Any], tuple[str, ...]]] = {}
    for what, (names, description, rest) in said.items():
        parameters = [Parameter(key, TEXT), *(Parameter(*each) for each in rest)]
        tool = make_tool(rng, identifier(rng, [rng.choice(names)]), description, parameters)
        tools.append(tool)
        forms[what] = (tool.name, {}, tuple(each.key for each in parameters))
    return _Editor(tools=tuple(tools), forms=forms)


def editors(rng: Random, words: Words) -> Kit:
    """Viewing, creating, replacing and inserting in short names."""
    return _editor_kit(_short(rng, words), words)


def built_in_editors(rng: Random, words: Words) -> Kit:
    """The same through the built-in editor."""
    return _editor_kit(_built_in(rng), words)


def _editor_kit(editor: _Editor, words: Words) -> Kit:
    def ask(rng: Random) -> Exchange:
        draw = rng.random()
        if draw < 0.25:
            return _view(rng, words, editor)
        if draw < 0.45:
            return _create(rng, words, editor)
        if draw < 0.65:
            return _replace(rng, words, editor)
        return _insert(rng, words, editor) if draw < 0.8 else _look_and_replace(rng, words, editor)

    return Kit(tools=editor.tools, ask=ask)


def _numbered(rng: Random, lines: Sequence[str]) -> str:
    form = rng.choice(("{:>6}\t{}", "{}\t{}", "{}: {}"))
    return "\n".join(form.format(number, text) for number, text in enumerate(lines, start=1))


def done(rng: Random, question: str, calls: Sequence[Call], reply: str, answer: str = "") -> Exchange:
    """An exchange whose calls come one by one; one that has a single call may fail."""
    what = f"I use {calls[0].name}."
    if len(calls) == 1 and not answer and rng.random() < 0.12:
        call, reply = failed(rng, calls[0], "do that")
        calls, answer = [call], call.result
    steps = tuple((call,) for call in calls)
    thoughts = (what, *[f"Now {call.name}." for call in calls[1:]], "That is done.")
    return Exchange(question=asked(rng, question), steps=steps, reply=reply, answer=answer, thoughts=thoughts)


def _view(rng: Random, words: Words, editor: _Editor) -> Exchange:
    where, lines = path(rng, words), [line(rng, words) for _ in range(rng.randint(2, 4))]
    number = rng.randint(1, len(lines))
    call = editor.call("view", where, result=_numbered(rng, lines))
    question = rng.choice(
        (
            f"What is on line {number} of {where}?",
            f"Read line {number} of {where}.",
            f"Show me line {number} in {where}.",
        )
    )
    return done(rng, question, [call], f"Line {number} is: {lines[number - 1]}", lines[number - 1])


def _create(rng: Random, words: Words, editor: _Editor) -> Exchange:
    where, text = path(rng, words), line(rng, words)
    if rng.random() < 0.3:
        text = f"{text}\n{line(rng, words)}"
    call = editor.call("create", where, text, result=rng.choice(("ok", "File created.", f"Wrote {where}")))
    question = rng.choice(
        (
            f"Create {where} with this text:\n{text}",
            f"Make a file {where} that says:\n{text}",
            f"Write this to {where}:\n{text}",
        )
    )
    return done(rng, question, [call], f"I created {where}.")


def _replace(rng: Random, words: Words, editor: _Editor) -> Exchange:
    where, old, new = path(rng, words), line(rng, words), line(rng, words)
    if rng.random() < 0.4:
        old, new = words.made_up(rng), words.made_up(rng)
    call = editor.call(
        "replace", where, old, new, result=rng.choice(("ok", "File edited.", "Replaced once."))
    )
    question = rng.choice(
        (
            f"In {where}, replace `{old}` with `{new}`.",
            f"Change `{old}` to `{new}` in {where}.",
            f"Put `{new}` instead of `{old}` in {where}.",
        )
    )
    return done(rng, question, [call], f"I replaced it in {where}.")


def _insert(rng: Random, words: Words, editor: _Editor) -> Exchange:
    where, text, number = path(rng, words), line(rng, words), rng.randint(0, 40)
    call = editor.call("insert", where, number, text, result=rng.choice(("ok", "Inserted.")))
    question = rng.choice(
        (f"Insert `{text}` after line {number} of {where}.", f"After line {number} in {where}, add `{text}`.")
    )
    return done(rng, question, [call], f"I inserted it after line {number}.")


def _look_and_replace(rng: Random, words: Words, editor: _Editor) -> Exchange:
    """The value that a name has is in the file, so the file must be read first."""
    where, names = path(rng, words), [words.made_up(rng) for _ in range(3)]
    lines = [f"{name} = {rng.randint(1, 999)}" for name in names]
    at, number = rng.randrange(3), rng.randint(1, 999)
    new = f"{names[at]} = {number}"
    calls = (
        editor.call("view", where, result=_numbered(rng, lines)),
        editor.call("replace", where, lines[at], new, result=rng.choice(("ok", "File edited."))),
    )
    question = rng.choice(
        (f"Set {names[at]} to {number} in {where}.", f"{where}: {names[at]} should be {number}.")
    )
    return done(rng, question, calls, f"{names[at]} is {number} now.")
