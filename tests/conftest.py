"""What holds for every test: no library looks anything up, and nothing leaves this machine.

Enters: `offline.env`. Leaves: an environment, and a guard over every socket of the process. Read next:
`test_architecture.py`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


def _read_environment(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


# Before any test module is imported: these libraries read their switches at import.
os.environ.update(_read_environment(ROOT / "offline.env"))
# Models in tests are so small that a second thread costs more than it brings.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "agg"
# Nothing is compiled but where a test asks for it.
os.environ["CAESURA_NATIVE"] = "0"
# Otherwise pytest-asyncio, asking for the current event loop, makes one that nobody closes.
asyncio.set_event_loop(None)


class NetworkForbiddenError(OSError):
    """A test reached for another machine."""


def is_local(address: Any) -> bool:
    """Whether a socket address (or a host) means this machine."""
    host = address[0] if isinstance(address, tuple) else address
    if host is None or not isinstance(host, str) or host in ("", "localhost") or host.startswith(("/", "\0")):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


class NetworkGuard:
    """Refuses whatever would leave this machine, and remembers it, for libraries swallow exceptions."""

    def __init__(self) -> None:
        self.is_on = False
        self.attempts: list[str] = []

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook: sees every connection and name look-up of this process."""
        if not self.is_on:
            return
        match event:
            case "socket.connect" | "socket.sendto":
                self._check(event, arguments[1])
            case "socket.getaddrinfo" | "socket.gethostbyname":
                self._check(event, arguments[0])
            case _:
                pass

    def _check(self, event: str, address: Any) -> None:
        if not is_local(address):
            self.attempts.append(f"{event} {address}")
            raise NetworkForbiddenError(f"{event} {address}: tests stay on this machine")


@pytest.fixture(scope="session", autouse=True)
def network_guard() -> Iterator[NetworkGuard]:
    guard = NetworkGuard()
    sys.addaudithook(guard.hook)
    guard.is_on = True
    yield guard
    guard.is_on = False
    assert not guard.attempts, f"something reached for another machine: {guard.attempts}"
