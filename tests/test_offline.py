"""The guard that keeps tests on this machine, attacked."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import httpx
import pytest

from tests.conftest import NetworkForbiddenError, NetworkGuard, is_local


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80, 0, 0), "example.org"])
def test_what_lies_beyond_this_machine_is_not_local(address: object) -> None:
    assert not is_local(address)


@pytest.mark.parametrize("address", [("127.0.0.1", 80), ("::1", 80, 0, 0), "localhost", "/run/socket", None])
def test_this_machine_is_local(address: object) -> None:
    assert is_local(address)


def test_a_connection_to_another_machine_is_refused(network_guard: NetworkGuard) -> None:
    with socket.socket() as client, pytest.raises(NetworkForbiddenError):
        client.connect(("192.0.2.1", 80))
    assert network_guard.attempts.pop() == "socket.connect ('192.0.2.1', 80)"


async def test_asynchronous_clients_are_held_too(network_guard: NetworkGuard) -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("http://192.0.2.1/")
    assert network_guard.attempts.pop() == "socket.connect ('192.0.2.1', 80)"


def test_make_exports_the_switches_that_tests_run_under() -> None:
    makefile = (Path(__file__).parent.parent / "Makefile").read_text(encoding="utf-8")
    assert "include offline.env" in makefile
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
