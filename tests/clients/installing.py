"""The real clients, each at a pinned version, in a folder of its own that git does not know.

Enters: a package index and npm. Leaves: folders below `.clients/`. Read next: `matrix.py`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / ".clients"
CLAUDE_CODE = "@anthropic-ai/claude-code"
# The last of each major version, and the newest. pydantic is the SDK's own choice.
PYTHON = {"python-0": "0.125.0", "python-1": "1.17.0", "python-2": "2.12.0"}
TYPESCRIPT = {"typescript-0": "0.137.0", "typescript-1": "1.12.0"}
COMMAND_LINE = {"claude-code": "2.1.330"}
_ZOD = "zod@4"
_INSTALL_S = 300


def install_all() -> None:
    """Install what is missing. Raises CalledProcessError."""
    for name, version in PYTHON.items():
        _install(name, version, _pip)
    for name, version in TYPESCRIPT.items():
        _install(name, version, lambda folder, pin: _npm(folder, f"@anthropic-ai/sdk@{pin}", _ZOD))
    for name, version in COMMAND_LINE.items():
        _install(name, version, lambda folder, pin: _npm(folder, f"{CLAUDE_CODE}@{pin}"))


def is_installed(name: str, version: str) -> bool:
    """Whether a client lies ready at that version."""
    mark = FOLDER / name / "installed"
    return mark.is_file() and mark.read_text(encoding="utf-8") == version


def _install(name: str, version: str, fetch: object) -> None:
    if is_installed(name, version):
        return
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    assert callable(fetch)
    fetch(folder, version)
    (folder / "installed").write_text(version, encoding="utf-8")


def _pip(folder: Path, version: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*command, "--target", str(folder), f"anthropic=={version}"], folder)


def _npm(folder: Path, *packages: str) -> None:
    (folder / "package.json").write_text(json.dumps({"private": True}), encoding="utf-8")
    _run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *packages], folder)


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, timeout=_INSTALL_S, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    install_all()
