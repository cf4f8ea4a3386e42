from __future__ import annotations

import pytest
from typer.testing import CliRunner

from caesura.cli.main import app

VERBS = [command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands]


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_shows_an_example(verb: str) -> None:
    result = CliRunner().invoke(app, [verb, "--help"])
    assert result.exit_code == 0
    assert f"Example: caesura {verb}" in result.output


def test_without_a_verb_the_help_is_shown() -> None:
    assert "serve" in CliRunner().invoke(app, []).output
