"""`caesura serve`: the Messages API and the chat page, with the bundled model or others.

Enters: addresses, folders, keys. Leaves: a server, until Ctrl-C. Read next: `caesura/server/app.py`,
`caesura/web/page.py` and `local.py`, which it wires together.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI
from rich.markup import escape

from caesura.cli.accounting import Database, PriceList, database_url
from caesura.cli.bundled import BUNDLED_NAME, bundled_folder
from caesura.cli.caching import DISK_SIZE, CacheDir, CacheDisk, CacheRam, Caching, parse_caching
from caesura.cli.connect import DEFAULT_HOST, DEFAULT_PORT
from caesura.cli.dtypes import Dtype, KVDtype, Loading, Quantise, parse_bytes
from caesura.cli.hub import is_hub_id, located
from caesura.cli.listening import PatientProtocol
from caesura.cli.log_lines import LogFormat
from caesura.cli.memory import MemoryFolder, memory_store
from caesura.cli.screen import configure_logging, fail, stderr, stdout
from caesura.cli.state import state_folder
from caesura.cli.storing import FILES_SIZE, Files, parse_files
from caesura.cli.tracing import Trace, tracing_to
from caesura.messages.client import Client
from caesura.messages.errors import CaesuraError
from caesura.messages.pdf import PdfLimits
from caesura.messages.remote import RemoteClient
from caesura.messages.sealing import Sealer, load_key
from caesura.messages.signing import SigningClient
from caesura.server import ServerConfig, create_app
from caesura.server.accounts import Accounts, open_accounts
from caesura.server.authentication import check_binding
from caesura.server.backing import Backing
from caesura.server.batch_store import BatchStore
from caesura.server.energy import EnergyMeter, find_zones
from caesura.server.fetching import Fetcher
from caesura.server.file_store import FileStore
from caesura.server.memory_store import MemoryStore
from caesura.server.prices import Prices, read_prices
from caesura.server.tracing import Tracing

# A chat page that stays open in some browser must not keep the server from stopping.
_STOP_TIMEOUT_S = 2

KvMemory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory for each model's keys and values, such as 2GB; default: 4GB, or what is left.",
    ),
]
KvDtype = Annotated[
    KVDtype,
    typer.Option(help="How keys and values are kept; int8 fits nearly twice bfloat16's into a memory."),
]
RopeScaling = Annotated[
    str | None,
    typer.Option(
        metavar="TYPE:FACTOR",
        help="Stretch the window: yarn:4 makes it four times as long. Types: yarn, ntk, linear.",
    ),
]
AllowSampling = Annotated[
    bool, typer.Option(help="Take temperature, top_p and top_k in API version 2026-10-21 too.")
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A further name for a server without a key; repeatable."),
]
AllowOrigin = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", help="A further origin whose pages may call the API; repeatable."),
]


FetchUrls = Annotated[
    bool, typer.Option(help="Fetch images from public http and https URLs that requests name.")
]
OpenMetrics = Annotated[
    bool, typer.Option(help="Show /metrics without a key, where everything else needs one.")
]


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


def serve(
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond this machine only with a key.")
    ] = DEFAULT_HOST,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = DEFAULT_PORT,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]MODEL",
            help="A folder, or an id on the Hugging Face hub such as Qwen/Qwen3-0.6B; NAME is what requests"
            " call it. Repeatable, the first is the default.",
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(envvar="CAESURA_API_KEY", help="What clients must show; several, separated by commas."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to compute with.")] = None,
    dtype: Annotated[Dtype, typer.Option(help="How weights are kept.")] = Dtype.AUTO,
    quantize: Annotated[
        Quantise | None,
        typer.Option(help="Pack weights to a half or a quarter of bfloat16's bytes; int4 costs accuracy."),
    ] = None,
    kv_memory: KvMemory = None,
    kv_dtype: KvDtype = KVDtype.AUTO,
    rope_scaling: RopeScaling = None,
    cache_dir: CacheDir = None,
    cache_disk: CacheDisk = DISK_SIZE,
    cache_ram: CacheRam = None,
    allow_sampling: AllowSampling = False,
    allow_host: AllowHost = None,
    allow_origin: AllowOrigin = None,
    database: Database = None,
    prices: PriceList = None,
    files: Files = FILES_SIZE,
    fetch_urls: FetchUrls = False,
    open_metrics: OpenMetrics = False,
    memory_folder: MemoryFolder = None,
    pdf_pages: Annotated[int, typer.Option(min=1, help="The most PDF pages of a request.")] = 100,
    strict: Annotated[bool, typer.Option(help="Refuse request fields that are not known.")] = False,
    page: Annotated[bool, typer.Option(help="Whether to serve the chat page.")] = True,
    verbose: Annotated[bool, typer.Option(help="Whether to log every request.")] = False,
    log_format: Annotated[LogFormat, typer.Option(help="How the log looks.")] = LogFormat.TEXT,
    trace: Trace = None,
) -> None:
    """Serve a Messages API and a chat page.

    Example: caesura serve --port 8000 --model nano=caesura/bundled/nano
    Example: caesura serve --model Qwen/Qwen3-0.6B --quantize int8 --rope-scaling yarn:4
    """
    configure_logging(is_verbose=verbose, log_format=log_format)
    try:
        service = Service(
            sources=parse_models(model or []),
            config=ServerConfig(
                api_keys=parse_keys(api_key),
                allows_sampling=allow_sampling,
                is_strict=strict,
                allowed_hosts=tuple(allow_host or ()),
                allowed_origins=tuple(allow_origin or ()),
                opens_metrics=open_metrics,
                pdf_limits=PdfLimits(max_pages=pdf_pages),
            ),
            num_threads=threads,
            loading=Loading(
                dtype=dtype,
                quantise=quantize,
                rope_scaling=rope_scaling,
                kv_dtype=kv_dtype,
                kv_bytes=None if kv_memory is None else parse_bytes("--kv-memory", kv_memory),
            ),
            caching=parse_caching(cache_dir, disk=cache_disk, ram=cache_ram),
            files_bytes=parse_files(files),
            fetches_urls=fetch_urls,
            memory=memory_store(memory_folder),
            has_page=page,
            is_verbose=verbose,
        )
        charged = Prices() if prices is None else read_prices(prices)
        with open_accounts(database_url(database), charged) as accounts:
            check_binding(host, needs_key=needs_key(service, accounts))
            with bind(host, port) as listener, tracing_to(trace) as tracing:
                address = Address(host=host, port=listener.getsockname()[1])
                run(service, address, listener, accounts, tracing)
    except CaesuraError as error:
        fail(str(error))
    stderr.print("[dim]stopped[/]")


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


def parse_keys(api_key: str | None) -> tuple[str, ...]:
    """The keys in a comma-separated list; none for an empty one."""
    return tuple(key.strip() for key in (api_key or "").split(",") if key.strip())


def parse_models(words: Sequence[str]) -> dict[str, str]:
    """`NAME=MODEL` or `MODEL` words to folders or hub ids by name, in order; without any, the bundled model.

    A model without a name of its own is called what its folder, or the last part of its id, is called.
    """
    sources: dict[str, str] = {}
    for word in words:
        name, equals, source = word.partition("=") if not Path(word).is_dir() else ("", "", "")
        if not equals:
            name, source = Path(word).expanduser().resolve().name, word
        if not (name and source):
            raise CaesuraError(f"--model takes NAME=MODEL or MODEL, not `{word}`")
        if not equals and not (is_hub_id(word) or Path(word).expanduser().is_dir()):
            raise CaesuraError(
                f"--model `{word}` is neither a folder here nor an id on the hub, such as Qwen/Qwen3-0.6B"
            )
        if name in sources:
            raise CaesuraError(f"--model names `{name}` twice; give each model a name of its own")
        sources[name] = source
    return sources or {BUNDLED_NAME: str(bundled_folder())}


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
