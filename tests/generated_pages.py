"""The parts of the pages that are made from the code: the map of files, the command line's options, and what
of the Messages API works.

Enters: the package. Leaves: text; `make docs` writes it into ARCHITECTURE.md, docs/cli.md and
docs/compatibility.md, and tests compare. Read next: `test_documents.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, cast

import typer.main

from caesura.cli.main import app
from tests.compatibility.page import page as compatibility_page

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "caesura"
MAP_ROW = re.compile(r"^\| `[a-z/]+/` \| .*\n", re.MULTILINE)


def file_map() -> str:
    """One row a folder, its modules in order."""
    folders = sorted({path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE})
    rows: list[str] = []
    for folder in folders:
        modules = [f"`{path.stem}`" for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
        if modules:
            rows.append(f"| `{folder.relative_to(PACKAGE).as_posix()}/` | {', '.join(modules)} |\n")
    return "".join(rows)


def verbs() -> dict[str, Any]:
    """Every verb of `caesura`, by name."""
    # Typer brings its own copy of click, which is not typed for our purposes.
    return cast(Any, typer.main.get_command(app)).commands


def options(verb: str) -> set[str]:
    """What may follow a verb: `--port`, and so on."""
    return {
        name for parameter in verbs()[verb].params for name in (*parameter.opts, *parameter.secondary_opts)
    }


def cli_reference() -> str:
    """docs/cli.md."""
    head = "# The command line\n\nMade from the code by `make docs`.\n"
    return head + "".join(_verb_page(name, verb) for name, verb in verbs().items())


def _verb_page(name: str, verb: Any) -> str:
    rows = "".join(_rows(verb.params))
    help_text = re.sub(r"Example: (.*)", r"Example: `\1`", verb.help)
    return f"\n## caesura {name}\n\n{help_text}\n\n| option | default | what |\n|---|---|---|\n{rows}"


def _rows(parameters: list[Any]) -> Iterator[str]:
    for parameter in parameters:
        names = [f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts)]
        if parameter.param_type_name == "argument":
            names = [f"`{(parameter.metavar or parameter.name).upper()}`"]
        yield f"| {', '.join(names)} | {_default(parameter.default)} | {_what(parameter)} |\n"


def _default(value: Any) -> str:
    if value is None or value == "":
        return ""
    return f"`{getattr(value, 'value', value)}`"


def _what(parameter: Any) -> str:
    choices = list[Enum](type(parameter.default)) if isinstance(parameter.default, Enum) else []
    parts = [
        parameter.help or "",
        f"One of {', '.join(str(each.value) for each in choices)}." if choices else "",
    ]
    parts.append(f"Environment: `{parameter.envvar}`." if parameter.envvar else "")
    return " ".join(part for part in parts if part)


def main() -> None:
    """Write the pages."""
    page = ROOT / "ARCHITECTURE.md"
    text = MAP_ROW.sub("", page.read_text(encoding="utf-8"))
    page.write_text(text + file_map(), encoding="utf-8")
    (ROOT / "docs" / "cli.md").write_text(cli_reference(), encoding="utf-8")
    text = asyncio.run(compatibility_page())
    (ROOT / "docs" / "compatibility.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
