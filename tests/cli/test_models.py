from __future__ import annotations

from typer.testing import CliRunner

from caesura.cli.main import app
from caesura.messages.scripted import ScriptedClient
from tests.web.serving import api_app, serving


def test_the_models_of_a_server_are_listed() -> None:
    with serving(api_app(ScriptedClient())) as url:
        result = CliRunner().invoke(app, ["models", "--base-url", url])
    assert result.exit_code == 0
    for word in ("scripted", "200,000", "4,096", "yes"):
        assert word in result.output


def test_a_server_that_is_not_there_is_said_to_be_missing() -> None:
    result = CliRunner().invoke(app, ["models", "--base-url", "http://127.0.0.1:9"])
    assert result.exit_code == 1
    assert "cannot reach http://127.0.0.1:9" in result.output
