"""A model folder to everything that serving it takes.

Enters: a Hugging Face folder, ours or another of the four families, and optionally `caesura.json` in it.
Leaves: a `LoadedModel`, and an `Engine` for it. Read next: `engine.py`.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from caesura.engine.core import EngineCore
from caesura.engine.engine import Engine
from caesura.engine.grammar import GrammarCompiler
from caesura.engine.identity import cache_identity, folder_identity, read_unchanged
from caesura.engine.int8_store import Int8Store
from caesura.engine.kv_store import KVDtype, KVStore, page_bytes
from caesura.engine.native_network import NativeNetwork, native_network
from caesura.engine.pages import PAGE_SIZE_CPU, PAGE_SIZE_CUDA, PagePool
from caesura.engine.plain_store import PlainStore
from caesura.engine.prefix_cache import PrefixCache
from caesura.engine.process_memory import keep_freed_memory, on_own_thread
from caesura.engine.runner import Runner, has_fast_bfloat16
from caesura.engine.sampler import MaskTable
from caesura.engine.scheduler import SchedulerConfig
from caesura.engine.tiers import PageTiers
from caesura.kernels.building import Build
from caesura.messages.response import ModelInfo
from caesura.model.folder import FolderError, load_model
from caesura.model.frozen import MAX_FROZEN_PARAMETERS
from caesura.model.quantised import Quantisation
from caesura.model.rope_scaling import RopeScaling
from caesura.model.transformer import Transformer
from caesura.tokens.chat_format import ChatFormat
from caesura.tokens.folder_format import load_format
from caesura.tokens.foreign_tokenizer import ForeignTokenizer
from caesura.tokens.tokenizer import Tokenizer

log = logging.getLogger(__name__)

_MAX_ONE_THREAD_PARAMETERS = 30_000_000
KV_STORES: Mapping[KVDtype | None, type[PlainStore | Int8Store]] = {None: PlainStore, "int8": Int8Store}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model ready to be served.

    model, tokenizer, chat_format: see there.
    info: how `/v1/models` lists it.
    identity: stands for the weights, so that pages on disk are found by the same model only.
    """

    model: Transformer
    tokenizer: Tokenizer | ForeignTokenizer
    chat_format: ChatFormat
    info: ModelInfo
    identity: bytes = field(default_factory=partial(secrets.token_bytes, 32))


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How an engine is set up.

    scheduler: the limits of a step.
    max_waiting: the most requests in the queue; one more is refused as overloaded, unless its tenant has less
        than an equal share of them: for those there are as many places again.
    num_pages: of the pool; None: as many as `kv_bytes` hold, and no more than every sequence needs.
    kv_bytes: memory for keys and values. It is claimed as it is used. A pool that holds less than the
        model's window shortens the window.
    kv_dtype: how keys and values are kept; None: as they are computed. int8 takes about half of bfloat16's
        memory, and a little accuracy and time.
    num_threads: of each operator; None: one for models below 30M parameters, whose operators are too small
        to share, else torch's own choice. Large batches gain from a second thread on an idle machine.
    tiers: where pages are kept below memory; None: nowhere. Several engines may share them; whoever made
        them closes them after the engines.
    warms_tails: whether a client computes what the next turn will begin with while nobody asks for anything,
        for models whose template writes former turns otherwise than they were generated.
    enforces_grammars: whether calls and answers of a given form are held to their grammars. Only measuring
        what a model writes by itself turns it off; no server does.
    native: what computes small steps in one native function, where it can; None: torch's operators do.
    """

    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    max_waiting: int = 1024
    num_pages: int | None = None
    kv_bytes: int = 4_000_000_000
    kv_dtype: KVDtype | None = None
    num_threads: int | None = None
    tiers: PageTiers | None = None
    warms_tails: bool = True
    enforces_grammars: bool = True
    native: Build | None = None


def load(
    folder: Path,
    *,
    name: str | None = None,
    dtype: torch.dtype | None = None,
    device: str = "cpu",
    quantise: Quantisation | None = None,
    rope_scaling: RopeScaling | None = None,
) -> LoadedModel:
    """Read a folder.

    name: what requests call it; None: the folder's name.
    dtype: of weights and pages; see `chosen_dtype`.
    quantise: how the weights of products are packed; None: not at all.
    rope_scaling: stretches the window; None: as config.json says.
    Raises FolderError or TokenizerError naming the file and what is wrong with it; FolderError too for a
    folder that is changed meanwhile.
    """
    if not folder.is_dir():
        raise FolderError(f"{folder} is not a folder")
    dtype = chosen_dtype(dtype, quantise, device)
    read_model = partial(
        load_model, folder, dtype=dtype, device=device, quantise=quantise, rope_scaling=rope_scaling
    )
    read = partial(_read, folder, read_model, name=name or folder.resolve().name, quantise=quantise)
    return read_unchanged(folder, partial(on_own_thread, read))


def _read(
    folder: Path, read_model: Callable[[], Transformer], *, name: str, quantise: Quantisation | None
) -> LoadedModel:
    """A network with what else its folder holds."""
    model = read_model()
    tokenizer, chat_format = load_format(folder)
    if tokenizer.vocab_size > model.config.vocab_size:
        raise FolderError(
            f"{folder}: tokenizer.json has {tokenizer.vocab_size} tokens, "
            f"config.json has room for {model.config.vocab_size}"
        )
    info = _info(folder, name, model.config.max_positions)
    info = replace(info, can_think=chat_format.can_think)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        chat_format=chat_format,
        info=info,
        identity=folder_identity(folder) + (quantise or "").encode(),
    )


def chosen_dtype(dtype: torch.dtype | None, quantise: Quantisation | None, device: str) -> torch.dtype:
    """The dtype asked for; None: bfloat16 where that is fast or weights are quantised, else float32."""
    if quantise is not None and dtype not in (None, torch.bfloat16):
        raise FolderError(f"{quantise} weights want bfloat16 activations, not {dtype}; leave --dtype out")
    if dtype is None and quantise is None:
        return torch.bfloat16 if has_fast_bfloat16(torch.device(device)) else torch.float32
    return dtype or torch.bfloat16


def build_engine(loaded: LoadedModel, config: EngineConfig | None = None) -> Engine:
    """An engine for a loaded model, with a pool of its own. It starts with its first request."""
    config = config or EngineConfig()
    keep_freed_memory()
    num_threads = step_threads(loaded.model.config.num_parameters, config.num_threads)
    return Engine(build_core(loaded, config), num_threads=num_threads, max_waiting=config.max_waiting)


def step_threads(num_parameters: int, wanted: int | None) -> int | None:
    """The threads of each operator of a decode step; None: torch's own choice. wanted: see `EngineConfig`."""
    return wanted or (1 if num_parameters < _MAX_ONE_THREAD_PARAMETERS else None)


def grammar_compiler(loaded: LoadedModel) -> GrammarCompiler:
    """A compiler of grammars for a loaded model's vocabulary. Some markers of foreign tokenizers have the
    bytes of a text, `<tool_response>` for one; none of them belongs into an answer or a call.
    """
    tokens = loaded.chat_format.phase_tokens
    steering = {tokens.think, tokens.end_think, *tokens.end, *tokens.never}
    return GrammarCompiler(
        loaded.tokenizer.token_bytes,
        markers=steering | loaded.tokenizer.marker_ids,
        marks=tokens.calls.writing.marks,
    )


def build_core(loaded: LoadedModel, config: EngineConfig) -> EngineCore:
    """What an engine runs on its thread."""
    model, weight = loaded.model, loaded.model.embed_tokens.weight
    page_size = PAGE_SIZE_CUDA if weight.device.type == "cuda" else PAGE_SIZE_CPU
    pool = PagePool(config.num_pages or _num_pages(model, page_size, config), page_size)
    store = _store(model, pool, config.kv_dtype)
    table = MaskTable.build(
        loaded.chat_format.phase_tokens,
        num_words=loaded.tokenizer.vocab_size,
        vocab_size=model.config.vocab_size,
        device=weight.device,
    )
    return EngineCore(
        # Told a number of threads, the engine keeps to it; else prompts take what the machine has.
        Runner(
            model,
            store,
            prompt_threads=torch.get_num_threads() if config.num_threads is None else 1,
            native=_native(model, store, config),
        ),
        PrefixCache(pool, store, tiers=config.tiers),
        loaded.chat_format,
        table,
        max_positions=model.config.max_positions,
        config=config.scheduler,
        identity=cache_identity(loaded.identity, model, store),
    )


def _store(model: Transformer, pool: PagePool, kv_dtype: KVDtype | None) -> KVStore:
    weight = model.embed_tokens.weight
    return KV_STORES[kv_dtype](
        model.config,
        num_pages=pool.num_pages,
        page_size=pool.page_size,
        dtype=weight.dtype,
        device=weight.device,
    )


def _native(model: Transformer, store: KVStore, config: EngineConfig) -> NativeNetwork | None:
    """It computes on one thread, so it is for models to which the engine gives one."""
    num_parameters = model.config.num_parameters
    is_small = num_parameters <= MAX_FROZEN_PARAMETERS
    if config.native is None or not is_small or step_threads(num_parameters, config.num_threads) != 1:
        return None
    library = config.native.library()
    network = None if library is None else native_network(model, store, library)
    log.info("small steps are computed by %s", "torch's operators" if network is None else "native code")
    return network


def _num_pages(model: Transformer, page_size: int, config: EngineConfig) -> int:
    dtype = model.embed_tokens.weight.dtype
    affordable = config.kv_bytes // page_bytes(model.config, page_size, dtype, config.kv_dtype)
    pages_per_window = -(-model.config.max_positions // page_size)
    return max(1, min(affordable, pages_per_window * config.scheduler.max_running))


def _info(folder: Path, name: str, max_positions: int) -> ModelInfo:
    """`caesura.json` holds what config.json has no field for: {display_name, created_at, trained_tokens,
    max_tokens}, each optional.
    """
    path = folder / "caesura.json"
    fields = _read_fields(path) if path.is_file() else {}

    def text(field_name: str, default: str) -> str:
        value = fields.get(field_name, default)
        if not isinstance(value, str):
            raise FolderError(f"{path}: {field_name} {value!r} is not a text")
        return value

    def count(field_name: str) -> int:
        value = fields.get(field_name, max_positions)
        if type(value) is not int or value < 1:
            raise FolderError(f"{path}: {field_name} {value!r} is not a whole number from 1")
        return value

    written = datetime.fromtimestamp((folder / "config.json").stat().st_mtime, UTC)
    return ModelInfo(
        id=name,
        display_name=text("display_name", name),
        created_at=text("created_at", written.strftime("%Y-%m-%dT%H:%M:%SZ")),
        max_input_tokens=max_positions,
        max_tokens=count("max_tokens"),
        trained_tokens=count("trained_tokens"),
        can_think=True,
        can_cite=True,
        can_read_pdf=True,
    )


def _read_fields(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FolderError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise FolderError(f"{path} is not a JSON object")
    return cast(dict[str, Any], fields)
