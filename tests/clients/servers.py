"""The servers that real clients are tried on: the scripted model in this process, and nano as it is served.

Enters: a folder to write to. Leaves: base URLs, while a `with` lasts. Read next: `directions.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi import FastAPI

from caesura.messages.scripted import ScriptedClient
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.server import ServerConfig, create_app
from caesura.server.accounts import Accounts, open_accounts
from caesura.server.backing import Backing
from caesura.server.batch_store import BatchStore
from caesura.server.config import MIB
from caesura.server.database import default_url, open_database
from caesura.server.file_store import FileStore
from caesura.server.keys import create_key
from caesura.server.limits import Limits
from tests.clients.directions import direct
from tests.web.serving import serving

ROOT = Path(__file__).parent.parent.parent
MAX_BODY_BYTES = 2 * MIB
_START_S = 300.0
_STOP_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """A server of the scripted model.

    url: its base URL.
    key: opens it. poor_key: too, once a minute.
    """

    url: str
    key: str
    poor_key: str


@contextmanager
def scripted_server(folder: Path) -> Generator[Scripted]:
    """The scripted model behind everything that a server has: keys, limits, files, batches."""
    url = default_url(folder)
    key, poor_key = two_keys(url)
    with open_accounts(url) as accounts, serving(lambda url: scripted_app(accounts, folder)) as url:
        yield Scripted(url=url, key=key, poor_key=poor_key)


def two_keys(url: str) -> tuple[str, str]:
    """A key for anything, and one for a request a minute, made before the server looks for keys."""
    database = open_database(url)
    try:
        key, _ = create_key(database, "key", workspace="w", limits=Limits())
        poor_key, _ = create_key(database, "poor", workspace="w", limits=Limits(requests=1))
    finally:
        database.dispose()
    return key, poor_key


def scripted_app(accounts: Accounts, folder: Path) -> FastAPI:
    """The app of such a server."""
    files = FileStore(folder / "files", accounts.database, max_bytes=10 * MIB)
    return create_app(
        SigningClient(ScriptedClient(otherwise=direct), Sealer(bytes(32))),
        ServerConfig(max_body_bytes=MAX_BODY_BYTES),
        Backing(accounts=accounts, files=files, batches=BatchStore(accounts.database)),
    )


@contextmanager
def nano_server(folder: Path, *options: str) -> Generator[str]:
    """`caesura serve`, as a user starts it; gives its base URL. folder: for all that it writes."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    command = [str(Path(sys.executable).with_name("caesura")), "serve", "--no-page", "--port", "0", *options]
    environment = {**os.environ, "CAESURA_STATE": str(folder / "state"), "PYTHONPATH": str(ROOT)}
    with ExitStack() as stack:
        output = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        stack.callback(_stop, process)
        yield _url_when_up(process, log)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=_STOP_S)


def _url_when_up(process: subprocess.Popen[bytes], log: Path) -> str:
    give_up_at_s = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < give_up_at_s:
        _, found, rest = log.read_text(encoding="utf-8").partition("ANTHROPIC_BASE_URL=")
        if found and " " in rest and _is_up(rest.split()[0]):
            return rest.split()[0]
        time.sleep(0.1)
    raise RuntimeError(f"the server did not come up:\n{log.read_text(encoding='utf-8')[-2000:]}")


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2.0, trust_env=False).is_success
    except httpx.TransportError:
        return False
