"""The job that trains a reward model and measures it: pairs, steps, statistics, a folder, a report.

Enters: a `RewardStage`. Leaves, in its folder: `pairs/`, `checkpoints/`, `metrics.jsonl`, `recipe.json`,
`model/` (what `load_reward_model` reads), `control/` (the same with shuffled labels) and `report.json`.
Read next: `pairs.py`, `reward_model.py`, `reward_report.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from caesura.messages.preferences import Dimension, Preference
from caesura.model import load_model
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.train.job import OnProgress, Place
from caesura.train.job_report import is_done, write_report
from caesura.train.pairs import (
    PARTS,
    Comparisons,
    PairBatch,
    PairBatches,
    PairConfig,
    PairSet,
    Part,
    in_order,
    prepare_pairs,
)
from caesura.train.reward_loss import RewardLossConfig, reward_loss
from caesura.train.reward_model import RewardModel, fit_standard, save_reward_model
from caesura.train.reward_report import Floats, calibration, correlation, mean_probability, pair_accuracy
from caesura.train.stage import check_recipe, save_recipe, start_folder
from caesura.train.steps import LoopConfig, StepDone, Steps, run_steps, seeded
from caesura.train.views import metrics_views


class RewardMetrics(NamedTuple):
    """One row: what happened since the row before.

    step: steps done. loss: nats a pair, centring included. accuracy: how often the better side was ahead.
    grad_norm: before clipping. learning_rate: at the plateau's scale. num_skipped: steps skipped so far in
    this process, because a loss or a gradient was no number. elapsed_s: since this process began.
    """

    step: int
    loss: float
    accuracy: float
    grad_norm: float
    learning_rate: float
    num_skipped: int
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardStage:
    """What a reward model judges, what it learns that from, and how.

    name: the stage's folder below the runs folder.
    dimension: what the model judges; comparisons in other dimensions are left out.
    comparisons: where its preferences come from.
    start_from: the stage, or the model folder, whose network it reads with.
    loop, pairs, loss: see there.
    seed: of the fresh head, and of the control's labels.
    has_control: train the same again with shuffled labels, which must come out at about one half.
    """

    name: str
    dimension: Dimension
    comparisons: Comparisons
    start_from: str
    loop: LoopConfig
    pairs: PairConfig = field(default_factory=PairConfig)
    loss: RewardLossConfig = field(default_factory=RewardLossConfig)
    seed: int = 0
    has_control: bool = True

    def run(self, place: Place, on_progress: OnProgress) -> Path:
        """See `Job`."""
        folder = place.runs / self.name
        check_recipe(self, folder)
        if is_done(folder, self.loop.num_steps):
            return folder / "model"
        save_recipe(self, folder)
        started = time.monotonic()
        tokenizer = Tokenizer.load(start_folder(self.start_from, place.runs))
        pairs = self._prepare(CaesuraFormat(tokenizer), folder / "pairs", place)
        model, skipped = _fit(self, pairs, folder, place, _progress(self, on_progress, is_control=False))
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        facts = {"display_name": self.name, "created_at": created}
        save_reward_model(model, tokenizer, folder / "model", self.dimension, facts)
        report = {"num_steps": self.loop.num_steps} | measured(model, pairs, self.pairs, place.device)
        if self.has_control:
            report["control"] = _control(self, pairs, folder / "control", place, on_progress)
        counts = {"num_skipped": skipped, "seconds": round(time.monotonic() - started, 1)}
        write_report(folder, {"name": self.name, "dimension": self.dimension} | report | counts)
        return folder / "model"

    def _prepare(self, chat_format: CaesuraFormat, folder: Path, place: Place) -> PairSet:
        def wanted() -> Iterable[Preference]:
            rows = self.comparisons(place.data, place.runs)
            return (row for row in rows if row.dimension == self.dimension)

        return prepare_pairs(wanted, chat_format, folder, self.pairs.row_tokens[-1])


def _progress(
    stage: RewardStage, on_progress: OnProgress, *, is_control: bool
) -> Callable[[RewardMetrics], None]:
    def told(row: RewardMetrics) -> None:
        num_runs, num_before = 1 + stage.has_control, stage.loop.num_steps * is_control
        note = f"loss {row.loss:.3f}  accuracy {row.accuracy:.0%}{'  control' if is_control else ''}"
        on_progress(num_before + row.step, num_runs * stage.loop.num_steps, note)

    return told


def _fit(
    stage: RewardStage,
    pairs: PairSet,
    folder: Path,
    place: Place,
    on_metrics: Callable[[RewardMetrics], None],
    *,
    has_shuffled_labels: bool = False,
) -> tuple[RewardModel, int]:
    """Train to the end, statistics included; returns the model, and how many steps were skipped."""
    folder.mkdir(parents=True, exist_ok=True)
    model = RewardModel(load_model(start_folder(stage.start_from, place.runs)))
    model.initialise_head(torch.Generator().manual_seed(stage.seed))
    seeded(model, place.device)
    views = (*metrics_views(folder), on_metrics)
    steps = _RewardSteps(model, pairs, stage, views, place.device, has_shuffled_labels)

    def store_standard() -> None:
        raw, lengths = rewards_of(model, pairs, "reference", stage.pairs, place.device)
        model.standard = fit_standard(torch.from_numpy(raw.ravel()), torch.from_numpy(lengths.ravel()))

    run_steps(
        model,
        stage.loop,
        folder,
        Steps(loss_of=steps.loss_of, on_step=steps.on_step, on_end=store_standard),
    )
    return model.eval(), steps.num_skipped


class _RewardSteps:
    """The loss of a batch of pairs, and the rows of metrics that follow from it."""

    def __init__(
        self,
        model: RewardModel,
        pairs: PairSet,
        stage: RewardStage,
        views: tuple[Callable[[RewardMetrics], None], ...],
        device: str,
        has_shuffled_labels: bool,
    ) -> None:
        self._batches = PairBatches(pairs, pairs.part("train"), stage.pairs)
        self._stage = stage
        self._views = views
        self._device = device
        self._rewards = _rewards_function(model, stage.loop, device)
        # Half of the pairs are told the wrong way round, the same half whenever the run is resumed.
        rng = np.random.default_rng(stage.seed)
        self._is_swapped = torch.from_numpy(rng.random(len(pairs)) < 0.5 * has_shuffled_labels)
        self._started = time.monotonic()
        self._leads: list[Tensor] = []
        self._losses: list[float] = []
        self._lead_B = torch.zeros(0)
        self.num_skipped = 0

    def loss_of(self, step: int) -> Tensor:
        """See `reward_loss`."""
        batch = self._batches.batch(step)
        is_swapped_B = self._is_swapped[batch.indices_B]
        p_B = torch.where(is_swapped_B, 1 - batch.p_B, batch.p_B).to(self._device)
        chosen_B, rejected_B = self._rewards(*_inputs(batch.to(self._device))).chunk(2)
        sign_B = torch.where(is_swapped_B, -1.0, 1.0)
        self._lead_B = (chosen_B - rejected_B).detach().cpu() * sign_B
        return reward_loss(chosen_B, rejected_B, p_B, self._stage.loss)

    def on_step(self, done: StepDone) -> None:
        self.num_skipped = done.num_skipped
        if not done.is_skipped:
            self._leads.append(self._lead_B)
            self._losses.append(done.loss)
        if not (self._stage.loop.is_logged(done.step) and self._losses):
            return
        row = RewardMetrics(
            step=done.step,
            loss=sum(self._losses) / len(self._losses),
            accuracy=float((torch.cat(self._leads) > 0).float().mean()),
            grad_norm=done.grad_norm,
            learning_rate=done.learning_rate,
            num_skipped=done.num_skipped,
            elapsed_s=time.monotonic() - self._started,
        )
        self._leads, self._losses = [], []
        for view in self._views:
            view(row)


def _inputs(batch: PairBatch) -> tuple[Tensor, Tensor]:
    return batch.tokens_ST, batch.last_S


def _rewards_function(model: RewardModel, config: LoopConfig, device: str) -> Callable[..., Tensor]:
    """(tokens, last) -> raw rewards, compiled if so configured."""

    def rewards(tokens_ST: Tensor, last_S: Tensor) -> Tensor:
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=config.is_bfloat16):
            return model(tokens_ST, last_S)

    return torch.compile(rewards, dynamic=False) if config.is_compiled else rewards


@torch.no_grad()
def rewards_of(
    model: RewardModel, pairs: PairSet, part: Part, config: PairConfig, device: str
) -> tuple[Floats, Floats]:
    """Raw rewards and lengths of the pairs of a part, (N, 2) each: the chosen side, then the rejected one."""
    indices = pairs.part(part)
    places = {int(pair): at for at, pair in enumerate(indices)}
    raw = np.zeros((len(indices), 2))
    for chosen, batch in in_order(pairs, indices, config):
        rewards_S = model(*_inputs(batch.to(device))).double().cpu().numpy()
        raw[[places[pair] for pair in chosen]] = rewards_S.reshape(2, -1).T
    return raw, pairs.num_reply_ids()[indices].astype(np.float64)


def measured(model: RewardModel, pairs: PairSet, config: PairConfig, device: str) -> dict[str, Any]:
    """What `report.json` tells of a trained model, all of it on the held-out pairs."""
    raw, lengths = rewards_of(model, pairs, "held_out", config, device)
    labels = pairs.p[pairs.part("held_out")].astype(np.float64)
    standard = model.standard
    fair = standard.without_length(torch.from_numpy(raw), torch.from_numpy(lengths)).numpy()
    leads = fair[:, 0] - fair[:, 1]
    return {
        "num_pairs": {part: len(pairs.part(part)) for part in PARTS},
        "num_too_long": pairs.num_too_long,
        "by_source": _by_source(leads, pairs.sources[pairs.part("held_out")]),
        "statistics": asdict(standard),
        "accuracy": asdict(pair_accuracy(leads)),
        "probability": mean_probability(leads),
        "accuracy_with_length": asdict(pair_accuracy(raw[:, 0] - raw[:, 1])),
        "length_only_accuracy": asdict(pair_accuracy(lengths[:, 0] - lengths[:, 1])),
        "calibration": asdict(calibration(leads, labels)),
        "length_correlation": {
            "before": correlation(raw.ravel(), lengths.ravel()),
            "after": correlation(fair.ravel(), lengths.ravel()),
        },
    }


def _by_source(leads: Floats, sources: npt.NDArray[np.str_]) -> dict[str, Any]:
    """The accuracy on the pairs of each source: an average hides which of them are hard."""
    return {str(source): asdict(pair_accuracy(leads[sources == source])) for source in np.unique(sources)}


def _control(
    stage: RewardStage, pairs: PairSet, folder: Path, place: Place, on_progress: OnProgress
) -> dict[str, Any]:
    """The same recipe on labels that say nothing, measured on the true ones."""
    told = _progress(stage, on_progress, is_control=True)
    model, _ = _fit(stage, pairs, folder, place, told, has_shuffled_labels=True)
    found = measured(model, pairs, stage.pairs, place.device)
    return {name: found[name] for name in ("accuracy", "probability")}
