from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["caesura.web.page", "caesura.server", "caesura.messages.signing", "caesura.cli.main"]
)
def test_importing_it_does_not_import_torch(module: str) -> None:
    script = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_chat_of_the_terminal_does_not_import_the_page() -> None:
    script = "import caesura.cli.main, sys; sys.exit('gradio' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
