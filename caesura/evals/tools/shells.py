"""A coding agent's shell, in the built-in form and in short ones of other names."""

from __future__ import annotations

from random import Random

from caesura.evals.tools.editors import done, line, path
from caesura.evals.tools.exchange import TEXT, Call, Exchange, Kit, Parameter, make_tool
from caesura.evals.tools.words import Words, identifier
from caesura.messages.content import Tool
from caesura.messages.typed_tools import typed_tool


def shells(rng: Random, words: Words) -> Kit:
    """A shell in short words."""
    name = identifier(rng, [rng.choice(("run", "shell", "terminal", "bash", "run command", "exec"))])
    key = rng.choice(("command", "command", "cmd", "line", "script"))
    description = rng.choice(("Runs a shell command.", "Runs a command in bash.", "A shell."))
    return _shell_kit(make_tool(rng, name, description, [Parameter(key, TEXT)]), key, words)


def built_in_shells(rng: Random, words: Words) -> Kit:
    """The built-in shell."""
    return _shell_kit(typed_tool("bash_20250124"), "command", words)


def _shell_kit(tool: Tool, key: str, words: Words) -> Kit:
    def ask(rng: Random) -> Exchange:
        question, command, output, reply, answer = _command(rng, words)
        call = Call(tool.name, {key: command}, output)
        return done(rng, question, [call], reply, answer)

    return Kit(tools=(tool,), ask=ask)


def _command(rng: Random, words: Words) -> tuple[str, str, str, str, str]:
    """(question, command, output, reply, what of it must be right)"""
    file, folder, word = path(rng, words), path(rng, words, is_folder=True), words.made_up(rng)
    names = [path(rng, words).rsplit("/", 1)[-1] for _ in range(rng.randint(1, 3))]
    first, number, to = line(rng, words), rng.randint(2, 400), path(rng, words)
    listed = ", ".join(names)
    forms = (
        (f"Which files are in {folder}?", f"ls {folder}", "\n".join(names), f"There are: {listed}.", listed),
        (f"List {folder}.", f"ls {folder}", "\n".join(names), f"There are: {listed}.", listed),
        (
            f"How many lines has {file}?",
            f"wc -l {file}",
            f"{number} {file}",
            f"It has {number} lines.",
            str(number),
        ),
        (f"Show the first line of {file}.", f"head -n 1 {file}", first, f"It is: {first}", first),
        (f"Show me {file}.", f"cat {file}", first, f"It says: {first}", first),
        (
            f"Where does {word} occur in {folder}?",
            f'grep -rn "{word}" {folder}',
            f"{file}:{number}:{word}",
            f"In {file}, line {number}.",
            f"{file}, line {number}",
        ),
        (
            f"Search for {word} in {file}.",
            f'grep -n "{word}" {file}',
            f"{number}:{word}",
            f"In line {number}.",
            str(number),
        ),
        (f"Delete {file}.", f"rm {file}", "", f"I deleted {file}.", ""),
        (f"Make the folder {folder}.", f"mkdir -p {folder}", "", f"I made {folder}.", ""),
        (f"Move {file} to {to}.", f"mv {file} {to}", "", "I moved it.", ""),
        (f"Copy {file} to {to}.", f"cp {file} {to}", "", "I copied it.", ""),
        (f"Run {file}.", f"python {file}", first, f"It printed: {first}", first),
        ("Which folder am I in?", "pwd", folder, f"You are in {folder}.", folder),
        ("Run the tests.", "pytest -q", f"{number} passed", f"{number} tests passed.", str(number)),
        (
            f"Run the tests in {folder}.",
            f"pytest -q {folder}",
            f"{number} passed",
            f"{number} tests passed.",
            str(number),
        ),
        (f"Find the file {names[0]}.", f"find . -name {names[0]}", f".{file}", f"It is .{file}.", f".{file}"),
        ("What has changed?", "git status --short", f" M {file}", f"{file} has changed.", file),
        (
            f"Run `{first}` in python.",
            f"python -c '{first}'",
            str(number),
            f"It printed: {number}",
            str(number),
        ),
        (f"Run `ls -l {folder}`.", f"ls -l {folder}", names[0], f"There is: {names[0]}.", names[0]),
    )
    return rng.choice(forms)
