"""What `caesura serve` runs: models, keys and stores behind one app, on one socket.

Enters: what is to be served, and where. Leaves: a server, until Ctrl-C. Read next: `local.py` and
`caesura/server/app.py`, which it wires together.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI
from rich.markup import escape

from caesura.cli.caching import Caching
from caesura.cli.dtypes import Loading
from caesura.cli.hub import located
from caesura.cli.listening import PatientProtocol
from caesura.cli.screen import stderr, stdout
from caesura.cli.state import state_folder
from caesura.messages.client import Client
from caesura.messages.errors import CaesuraError
from caesura.messages.remote import RemoteClient
from caesura.messages.sealing import Sealer, load_key
from caesura.messages.signing import SigningClient
from caesura.server import ServerConfig, create_app
from caesura.server.accounts import Accounts
from caesura.server.backing import Backing
from caesura.server.batch_store import BatchStore
from caesura.server.energy import EnergyMeter, find_zones
from caesura.server.fetching import Fetcher
from caesura.server.file_store import FileStore
from caesura.server.memory_store import MemoryStore
from caesura.server.tracing import Tracing

# A chat page that stays open in some browser must not keep the server from stopping.
_STOP_TIMEOUT_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server listens.

    host: a name or an address; one that means every interface is reached here through loopback.
    port: a port that is really open.
    """

    host: str
    port: int

    @property
    def url(self) -> str:
        """The base URL for clients on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is served, and how.

    sources: model folders, or ids on the hub, by name; the default one first.
    config: who may ask, and how strictly requests are read.
    num_threads: to compute with; None leaves torch's own choice.
    loading: how weights are kept.
    caching: where computed prompts are kept below the models' memory.
    files_bytes: what uploaded files may take; 0: none are kept.
    fetches_urls: whether images are fetched from URLs that requests name.
    memory: where models remember; None: they do not.
    has_page: whether there is a chat page.
    is_verbose: whether every request is logged.
    """

    sources: Mapping[str, str]
    config: ServerConfig
    num_threads: int | None
    loading: Loading
    caching: Caching
    files_bytes: int
    fetches_urls: bool
    memory: MemoryStore | None
    has_page: bool
    is_verbose: bool


def needs_key(service: Service, accounts: Accounts) -> bool:
    """Whether requests have to show a key."""
    return bool(service.config.api_keys) or accounts.keys.has_any


def run(
    service: Service,
    address: Address,
    listener: socket.socket,
    accounts: Accounts,
    tracing: Tracing | None = None,
) -> None:
    """Load, say where to go, and answer until Ctrl-C."""
    # Torch takes seconds to import, and `--help` or a port in use should not wait for it.
    from caesura.cli.local import local_client
    from caesura.engine.text_model import LocalTexts

    sealer = Sealer(load_key(state_folder(os.environ)))
    folders = {name: located(source) for name, source in service.sources.items()}
    stderr.print(f"[dim]loading {escape(', '.join(folders))} ...[/]")
    with (
        local_client(
            folders, num_threads=service.num_threads, loading=service.loading, caching=service.caching
        ) as client,
        closing(LocalTexts(client)) as texts,
    ):
        backing = Backing(
            engines=lambda: {name: client.engine(name).stats() for name in folders},
            energy=energy_meter(),
            texts=texts,
            files=file_store(service, accounts),
            tracing=tracing,
            fetcher=Fetcher() if service.fetches_urls else None,
            batches=BatchStore(accounts.database),
            memory=service.memory,
            accounts=accounts,
        )
        app = build_app(SigningClient(client, sealer), address, service, backing)
        announce(address, has_page=service.has_page, is_keyed=needs_key(service, accounts))
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            log_config=None,
            access_log=service.is_verbose,
            timeout_graceful_shutdown=_STOP_TIMEOUT_S,
            server_header=False,
        )
        # Uvicorn stops in good order first, and then passes Ctrl-C on.
        with suppress(KeyboardInterrupt):
            StoppingServer(config, client.close).run(sockets=[listener])


class StoppingServer(uvicorn.Server):
    """Uvicorn, which ends the replies before it waits for them, so that each of them ends in an error."""

    def __init__(self, config: uvicorn.Config, end_replies: Callable[[], None]) -> None:
        """end_replies: may block; no reply goes on after it."""
        super().__init__(config)
        self._end_replies = end_replies

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.to_thread(self._end_replies)
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """A socket that is ours from here on, so that nothing can take the port while the model loads."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise CaesuraError(
            f"cannot listen on {host}:{port}: {error.strerror}."
            " Choose another with --port, or stop what uses it."
        ) from error
    return listener


def file_store(service: Service, accounts: Accounts) -> FileStore | None:
    """Where uploaded files are kept, if they are."""
    if not service.files_bytes:
        return None
    folder = state_folder(os.environ) / "files"
    return FileStore(folder, accounts.database, max_bytes=service.files_bytes)


def energy_meter() -> EnergyMeter | None:
    """What the machine takes, if it says so."""
    zones = find_zones()
    return EnergyMeter(zones) if zones else None


def build_app(client: Client, address: Address, service: Service, backing: Backing) -> FastAPI:
    """The API, and the page as one of its clients, by way of the address that it is served at."""
    app = create_app(client, service.config, backing)
    if service.has_page:
        # Gradio is the slowest import of all.
        from caesura.web.page import mount_page

        mount_page(
            app,
            lambda key: RemoteClient(address.url, key or None, is_direct=True),
            has_memory=service.memory is not None,
        )
    return app


def announce(address: Address, *, has_page: bool, is_keyed: bool) -> None:
    """Say where to go, and what to tell an SDK."""
    key = "YOUR-KEY" if is_keyed else "none-needed"
    lines = {
        "for SDKs": f"export ANTHROPIC_BASE_URL={address.url} ANTHROPIC_API_KEY={key}",
        "try it": curl_line(address, key),
        "stop it": "Ctrl-C",
    }
    if has_page:
        hint = " (any user name; the password is the key)" if is_keyed else ""
        lines = {"chat page": f"{address.url}{hint}", **lines}
    for label, line in lines.items():
        stdout.print(f"[bold]{label:<12}[/]{escape(line)}", soft_wrap=True)


def curl_line(address: Address, key: str) -> str:
    """A request to paste into a shell."""
    body = (
        '{"model": "claude-default", "max_tokens": 1024, "stream": true,'
        ' "thinking": {"type": "enabled", "budget_tokens": 128},'
        ' "messages": [{"role": "user", "content": "What is 23*45?"}]}'
    )
    return f"""curl -N {address.url}/v1/messages -H "x-api-key: {key}" -d '{body}'"""
