"""The official clients do what they do with the servers of the company that made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients import matrix
from tests.clients.installing import install_all
from tests.clients.matrix import ClientResults
from tests.clients.scenarios import SCENARIOS


@pytest.mark.clients
@pytest.mark.timeout(1200)
def test_every_client_does_every_scenario(tmp_path: Path) -> None:
    install_all()
    found = matrix.run_all(tmp_path, matrix.NAMES)
    assert not matrix.failures(found)
    assert len(found) == 6


def test_what_is_kept_of_the_last_run_is_whole() -> None:
    found = matrix.read_results()
    assert [each["client"] for each in found] == [*["Python SDK"] * 3, *["TypeScript SDK"] * 2, "Claude Code"]
    for each in found[:-1]:
        assert [line["scenario"] for line in each["scenarios"]] == list(SCENARIOS)


def test_a_run_of_one_client_keeps_what_was_found_of_the_others() -> None:
    kept = [
        ClientResults(client="Python SDK", version=version, scenarios=[]) for version in ("0.1.0", "2.1.0")
    ]
    newer = ClientResults(client="Python SDK", version="2.2.0", scenarios=[])
    agent = ClientResults(client="Claude Code", version="2.1.0", scenarios=[])
    assert matrix.merged(kept, [agent, newer]) == [kept[0], newer, agent]


def test_a_scenario_that_fails_is_told_of() -> None:
    good, bad = (
        {"scenario": "a", "result": "works"},
        {"scenario": "b", "result": "fails", "detail": "no"},
    )
    found = [ClientResults(client="X", version="1", scenarios=[good, bad])]
    assert matrix.failures(found) == ["X 1, b: no"]
    assert "| b | fails |" in matrix.table(found)
