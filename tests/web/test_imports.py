from __future__ import annotations

import subprocess
import sys

import pytest


def has_imported(library: str, module: str) -> bool:
    """Whether importing a module, in a process of its own, imports a library."""
    script = f"import {module}, sys; print(int({library!r} in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    return bool(int(done.stdout))


@pytest.mark.parametrize(
    "module", ["caesura.web.page", "caesura.server", "caesura.messages.signing", "caesura.cli.main"]
)
def test_importing_it_does_not_import_torch(module: str) -> None:
    assert not has_imported("torch", module)


def test_the_chat_of_the_terminal_does_not_import_the_page() -> None:
    assert not has_imported("gradio", "caesura.cli.main")


def test_what_is_imported_is_seen() -> None:
    assert has_imported("fastapi", "caesura.server")
