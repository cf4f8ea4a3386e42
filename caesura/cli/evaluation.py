"""What is to be measured, and what has to be known to measure it again.

Enters: the command's options. Leaves: an `Evaluation`, and the `Provenance` of its results. Read next:
`suites.py`.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from caesura.cli.dtypes import Dtype, KVDtype

_PACKAGES = ("caesura", "torch", "inspect-ai", "tokenizers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One call of `caesura eval`.

    suites: which, in order. model: the name. source: as it was given. folder: where it lies, if here.
    run_folder: the training run that it comes from, if known. base_url, api_key: the server, otherwise.
    budgets: ascending. num_problems: of each family and seed. num_seeds: how many.
    out: where results go. data: where data sets lie. max_connections, num_threads, dtype,
    kv_dtype: how.
    """

    suites: tuple[str, ...]
    model: str
    source: str
    folder: Path | None
    run_folder: Path | None
    base_url: str | None
    api_key: str | None
    budgets: tuple[int, ...]
    num_problems: int
    num_seeds: int
    out: Path
    data: Path
    max_connections: int
    num_threads: int | None
    dtype: Dtype
    kv_dtype: KVDtype = KVDtype.AUTO

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that draw problems."""
        return tuple(range(self.num_seeds))

    @property
    def temperature(self) -> float:
        """Greedy here; the Messages API allows nothing but 1 while thinking."""
        return 1.0 if self.base_url else 0.0

    def command(self, suite: str) -> str:
        """The line that measures this suite again."""
        words = ["caesura", "eval", suite, "--model", self.source]
        if suite in ("reasoning", "padding"):
            words += ["--budgets", ",".join(map(str, self.budgets))]
        if suite not in ("language", "safety"):
            words += ["--problems", str(self.num_problems)]
        if suite in ("reasoning", "padding", "tools", "safety"):
            words += ["--seeds", str(self.num_seeds)]
        words += ["--base-url", self.base_url] if self.base_url else []
        if suite != "language" and self.kv_dtype != KVDtype.AUTO:
            words += ["--kv-dtype", self.kv_dtype]
        return " ".join([*words, "--out", self.out.as_posix()])


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of what decides a model's output."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix == ".safetensors" or path.name in ("config.json", "tokenizer.json"):
            digest.update(f"{path.name}\0{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def versions() -> Mapping[str, str]:
    """Of Python, and of the packages that take part."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
