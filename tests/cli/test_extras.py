"""A missing extra is named with the command that installs it."""

from __future__ import annotations

import pytest
import typer

from caesura.cli.extras import needs_extra


def test_a_missing_package_names_the_extra(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), needs_extra("train"):
        raise ModuleNotFoundError("No module named 'zstandard'", name="zstandard")
    said = " ".join(capsys.readouterr().err.split())
    assert "zstandard is not installed" in said
    assert "pip install 'caesura[train]'" in said


def test_nothing_is_said_when_all_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with needs_extra("train"):
        pass
    assert capsys.readouterr().err == ""
