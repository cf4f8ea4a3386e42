"""`caesura serve`: the Messages API and the chat page, with the bundled model or others.

Enters: addresses, folders, keys. Leaves: a server, until Ctrl-C. Read next: `service.py`, which is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from caesura.cli.accounting import Database, PriceList, database_url
from caesura.cli.bundled import BUNDLED_NAME, bundled_folder
from caesura.cli.caching import DISK_SIZE, CacheDir, CacheDisk, CacheRam, parse_caching
from caesura.cli.connect import DEFAULT_HOST, DEFAULT_PORT
from caesura.cli.dtypes import Dtype, KVDtype, Loading, parse_bytes
from caesura.cli.hub import is_hub_id
from caesura.cli.log_lines import LogFormat
from caesura.cli.memory import MemoryFolder, memory_store
from caesura.cli.screen import configure_logging, fail, stderr
from caesura.cli.serve_options import (
    AllowHost,
    AllowOrigin,
    AllowSampling,
    ApiKey,
    FetchUrls,
    Host,
    KvDtype,
    KvMemory,
    Log,
    Models,
    Native,
    OpenMetrics,
    Page,
    PdfPages,
    Port,
    Quantize,
    RopeScaling,
    Strict,
    Threads,
    Verbose,
    Weights,
)
from caesura.cli.service import Address, Service, bind, needs_key, run
from caesura.cli.storing import FILES_SIZE, Files, parse_files
from caesura.cli.tracing import Trace, tracing_to
from caesura.messages.errors import CaesuraError
from caesura.messages.pdf import PdfLimits
from caesura.server import ServerConfig
from caesura.server.accounts import open_accounts
from caesura.server.authentication import check_binding
from caesura.server.prices import Prices, read_prices


def serve(
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    model: Models = None,
    api_key: ApiKey = None,
    threads: Threads = None,
    dtype: Weights = Dtype.AUTO,
    quantize: Quantize = None,
    kv_memory: KvMemory = None,
    kv_dtype: KvDtype = KVDtype.AUTO,
    native: Native = True,
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
    pdf_pages: PdfPages = 100,
    strict: Strict = False,
    page: Page = True,
    verbose: Verbose = False,
    log_format: Log = LogFormat.TEXT,
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
                is_native=native,
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
