"""The shape of the house: arrows, sizes, public names.

Enters: the sources, as text and as imports. Leaves: nothing. Read next: ARCHITECTURE.md.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "caesura"
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 80

# Which rooms a room may import from; `cli` may import anything, and nothing imports it.
ARROWS: dict[str, set[str]] = {
    "messages": set(),
    "model": set(),
    "kernels": set(),
    "bundled": set(),
    "tokens": {"messages"},
    "server": {"messages"},
    "web": {"messages"},
    "evals": {"messages"},
    "engine": {"model", "kernels", "tokens", "messages"},
    "train": {"model", "tokens", "messages"},
    "constitution": {"messages"},
    "rl": {"engine", "train", "evals", "constitution", "model", "tokens", "messages"},
    "recipes": {"rl", "constitution", "train", "evals", "tokens", "model", "messages"},
}
ROOMS = {*ARROWS, "cli"}
WITHOUT_TORCH = ("messages", "tokens", "server", "web", "evals", "constitution")

PUBLIC_NAMES: dict[str, set[str]] = {
    "messages": set(),
    "kernels": set(),
    "model": {
        "PRESETS",
        "Attend",
        "ModelConfig",
        "PackedAttention",
        "RopeConfig",
        "Transformer",
        "document_mask",
        "load_model",
        "read_config",
        "save_model",
    },
    "tokens": {
        "CLOSING_TEXT",
        "BlockParser",
        "Breakpoint",
        "CaesuraFormat",
        "ChatFormat",
        "Opening",
        "PhaseTokens",
        "Prompt",
        "Span",
        "Tokenizer",
        "TokenizerError",
        "parse_conversation",
    },
    "engine": {
        "EFFORT_BUDGETS",
        "Completion",
        "Engine",
        "EngineConfig",
        "EngineCore",
        "EngineStats",
        "Finished",
        "LoadedModel",
        "LocalClient",
        "SchedulerConfig",
        "Sequence",
        "SequenceRequest",
        "Stream",
        "build_engine",
        "load",
    },
    "server": {"ServerConfig", "create_app"},
    "web": set(),
    "train": set(),
    "evals": set(),
    "constitution": set(),
    "rl": set(),
    "recipes": {"RECIPES"},
    "bundled": set(),
    "cli": set(),
}


def sources(room: str = "") -> list[Path]:
    return sorted(path for path in (PACKAGE / room).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def identify(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def contracts() -> dict[str, dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


def test_every_room_has_its_arrows() -> None:
    found = {path.name for path in PACKAGE.iterdir() if any(path.glob("*.py"))}
    assert found == ROOMS


@pytest.mark.parametrize("room", sorted(ARROWS))
def test_a_contract_forbids_whatever_the_arrows_do_not_allow(room: str) -> None:
    contract = contracts()[room]
    forbidden = ROOMS - ARROWS[room] - {room}
    assert contract["source_modules"] == [f"caesura.{room}"]
    assert set(contract["forbidden_modules"]) == {f"caesura.{other}" for other in forbidden}


def test_the_arrows_hold() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_what_works_against_any_client_does_not_import_torch() -> None:
    names = [module_name(path) for room in WITHOUT_TORCH for path in sources(room)]
    script = f"""
import importlib, sys
for name in {names}:
    importlib.import_module(name)
    for heavy in ("torch", "transformers"):
        assert heavy not in sys.modules, f"{{name}} brings {{heavy}}"
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", sources(), ids=identify)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    num_lines = text.count("\n")
    assert num_lines <= MAX_FILE_LINES, f"{path} has {num_lines} lines; split it"
    for function in functions(ast.parse(text)):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        assert length <= MAX_FUNCTION_LINES, f"{path}:{function.lineno} {function.name} has {length} lines"


@pytest.mark.parametrize("path", sources(), ids=identify)
def test_every_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{path} has no docstring"


@pytest.mark.parametrize("path", sources(), ids=identify)
def test_a_file_that_imports_inside_a_function_says_why(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    inner = [
        node.lineno
        for function in functions(ast.parse(text))
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    if inner:
        above = text.splitlines()[min(inner) - 2].strip()
        assert above.startswith("#"), f"{path}:{min(inner)} imports late, with no comment above that says why"


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_the_public_names_of_a_room_are_these(room: str) -> None:
    module = importlib.import_module(f"caesura.{room}")
    assert set(getattr(module, "__all__", [])) == PUBLIC_NAMES[room]
    assert all(hasattr(module, name) for name in PUBLIC_NAMES[room])
