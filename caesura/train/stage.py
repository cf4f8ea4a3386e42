"""One stage of a recipe, from data to a Hugging Face folder: prepare, train, export; each part resumes.

Enters: a `Stage`. Leaves, in its folder: `tokens/`, `checkpoints/`, `metrics.jsonl`, `recipe.json`, and at
the end `model/`. Read next: `caesura/recipes/nano.py` for stages.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, cast

import torch

from caesura.model import ModelConfig, Transformer, load_model, save_model
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.train.checkpoint import Checkpoints
from caesura.train.encoding import Encoded, TokenSet
from caesura.train.job import Job, OnProgress, Place
from caesura.train.loop import LoopConfig, Metrics, train
from caesura.train.packing import Packer, PackingConfig
from caesura.train.views import metrics_views

log = logging.getLogger(__name__)


class Documents(Protocol):
    """Where a stage's documents come from: a frozen dataclass, so that its fields are part of the recipe."""

    def __call__(self, chat_format: CaesuraFormat, data: Path, runs: Path) -> Iterable[Encoded]:
        """The encoded documents, the same ones each time.

        data: the folder of public data sets. runs: where earlier jobs left what they made.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one stage trains, on what, and how.

    name: the stage's folder below the runs folder.
    documents: where its documents come from.
    model: the shape of a fresh model, for a first stage. start_from: the stage, or the model folder, to
        go on from, otherwise.
    packing, loop: see there.
    seed: of the fresh weights.
    display_name: what people read in lists of models.
    """

    name: str
    documents: Documents
    packing: PackingConfig
    loop: LoopConfig
    model: ModelConfig | None = None
    start_from: str | None = None
    seed: int = 0
    display_name: str = ""

    def run(self, place: Place, on_progress: OnProgress) -> Path:
        """See `Job`."""

        def on_metrics(row: Metrics) -> None:
            note = f"loss {row.loss:.3f}  {row.tokens_per_s:,.0f} tokens/s  {row.utilisation:.0%} of peak"
            on_progress(row.step, self.loop.num_steps, note)

        return run_stage(
            self,
            runs=place.runs,
            data=place.data,
            tokenizer_folder=place.tokenizer,
            on_metrics=on_metrics,
            device=place.device,
        )


def run_stage(
    stage: Stage,
    *,
    runs: Path,
    data: Path,
    tokenizer_folder: Path,
    on_metrics: Callable[[Metrics], None],
    device: str = "cpu",
) -> Path:
    """Run a stage to its end, from wherever it stopped; returns the exported model folder.

    One that is done is left as it is.

    Raises ValueError if the folder holds a run of another recipe.
    """
    folder = runs / stage.name
    tokenizer = Tokenizer.load(tokenizer_folder)
    check_recipe(stage, folder)
    save_recipe(stage, folder)
    done = Checkpoints(folder / "checkpoints").steps()
    if (folder / "model").is_dir() and done and done[-1] == stage.loop.num_steps:
        return folder / "model"
    tokens = prepare(stage, tokenizer, folder / "tokens", data, runs)
    packer = Packer(tokens, stage.packing)
    log.info("%s: one pass over the data is %d steps", stage.name, packer.num_batches)
    model = first_model(stage, runs)
    views = metrics_views(folder)

    def on_row(row: Metrics) -> None:
        for view in (*views, on_metrics):
            view(row)

    train(model, packer, stage.loop, folder, on_row, device=device)
    export(model, tokenizer, folder / "model", card(stage, datetime.now(UTC)))
    return folder / "model"


def card(stage: Stage, now: datetime) -> dict[str, Any]:
    """What `config.json` has no field for: the model list's facts, the trained length among them."""
    return {
        "display_name": stage.display_name or stage.name,
        "created_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "trained_tokens": max(stage.packing.row_tokens),
    }


def prepare(stage: Stage, tokenizer: Tokenizer, folder: Path, data: Path, runs: Path) -> TokenSet:
    """Encode the stage's documents once; later calls map what is there."""
    if not (folder / "manifest.json").is_file():
        log.info("%s: encoding its documents", stage.name)
        TokenSet.collect(stage.documents(CaesuraFormat(tokenizer), data, runs)).save(folder)
    return TokenSet.load(folder)


def first_model(stage: Stage, runs: Path) -> Transformer:
    """Fresh weights, or those to go on from. Raises ValueError if a stage names neither or both."""
    if (stage.model is None) == (stage.start_from is None):
        raise ValueError(f"stage {stage.name} must name either a fresh model or a stage to start from")
    if stage.start_from is not None:
        return load_model(start_folder(stage.start_from, runs))
    assert stage.model is not None
    model = Transformer(stage.model)
    model.initialise(torch.Generator().manual_seed(stage.seed))
    return model


def start_folder(start_from: str, runs: Path) -> Path:
    """The model folder of an earlier stage, or of a path."""
    earlier = runs / start_from / "model"
    return earlier if earlier.is_dir() else Path(start_from)


def _nothing_more(folder: Path) -> None:
    return None


def export(
    model: Transformer,
    tokenizer: Tokenizer,
    folder: Path,
    facts: dict[str, Any],
    *,
    dtype: torch.dtype = torch.bfloat16,
    add: Callable[[Path], None] = _nothing_more,
) -> None:
    """Write the Hugging Face folder, with `facts` as `caesura.json`, under a temporary name; then put it
    in place whole.

    add: writes what else belongs into it.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    save_model(model, part, dtype=dtype)
    tokenizer.save(part, max_positions=model.config.max_positions)
    generation = {
        "bos_token_id": tokenizer.marker("<|begin|>"),
        "eos_token_id": tokenizer.marker("<|end|>"),
        "pad_token_id": tokenizer.marker("<|pad|>"),
        "do_sample": True,
        "temperature": 1.0,
    }
    for name, fields in (("generation_config", generation), ("caesura", facts)):
        (part / f"{name}.json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    add(part)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


# What may differ between a run and its continuation: how long, and what is only for watching.
_FREE = frozenset({"loop.num_steps", "loop.checkpoint_every_s", "loop.log_every", "display_name"})


def save_recipe(stage: Job, folder: Path) -> None:
    """The resolved config tree beside the run."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_tree(stage), indent=2)
    (folder / "recipe.json").write_text(text + "\n", encoding="utf-8")


def check_recipe(stage: Job, folder: Path) -> None:
    """Raises ValueError, naming the fields, if the folder's run was begun with other settings."""
    path = folder / "recipe.json"
    if not path.is_file():
        return
    old, new = (_leaves(tree) for tree in (json.loads(path.read_text(encoding="utf-8")), _tree(stage)))
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    forbidden = [f"{name} ({old.get(name)} -> {new.get(name)})" for name in changed if name not in _FREE]
    if forbidden:
        raise ValueError(
            f"{folder} holds a run with other settings: {', '.join(forbidden)}; "
            "remove that folder to begin anew, or choose another with --runs"
        )


def _tree(stage: Job) -> dict[str, Any]:
    """Every field, and of what is called to make rows the kind as well."""
    tree = dataclasses.asdict(cast(Any, stage))
    for name, fields in tree.items():
        value = getattr(stage, name)
        if dataclasses.is_dataclass(value) and callable(value):
            fields["source"] = type(value).__qualname__
    return cast(dict[str, Any], json.loads(json.dumps(tree, default=_word)))


def _word(value: object) -> str:
    """What JSON has no form for. A function is known by its name: its address differs from run to run."""
    return str(getattr(value, "__qualname__", value))


def _leaves(node: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {path: node}
    children = cast(dict[str, Any], node).items()
    return {
        name: leaf
        for key, child in children
        for name, leaf in _leaves(child, f"{path}.{key}" if path else key).items()
    }
