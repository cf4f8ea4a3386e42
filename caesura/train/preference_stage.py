"""The job that moves a model towards what is preferred, by DPO, and stops before it forgets.

Enters: a `PreferenceStage`. Leaves, in its folder: `pairs/` with the reference's log-probabilities,
`anchors/` (rows that are learnt on as before), `checkpoints/`, `metrics.jsonl`, `watch.jsonl`, `recipe.json`,
`model/` and `report.json`. Read next: `preference_loss.py`, `preference_watch.py`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
from torch import Tensor

from caesura.model import Transformer, load_model
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.train.anchors import Anchors, packed_anchors
from caesura.train.job import OnProgress, Place
from caesura.train.job_report import is_done, write_report
from caesura.train.packing import PackingConfig
from caesura.train.pairs import PARTS, Comparisons, PairBatches, PairConfig, in_order, prepare_pairs, spread
from caesura.train.preference_loss import PreferenceLossConfig, implicit_lead, preference_loss
from caesura.train.preference_watch import Gold, Look, Watch, WatchConfig, token_kl
from caesura.train.reference import ReferencedPairs, policy_log_probs, reference_log_probs
from caesura.train.stage import Documents, check_recipe, export, save_recipe, start_folder
from caesura.train.steps import LoopConfig, StepDone, Steps, run_steps, seeded
from caesura.train.views import metrics_views

log = logging.getLogger(__name__)


class PreferenceMetrics(NamedTuple):
    """One row: what happened since the row before, means over its steps.

    step: steps done. loss: nats, everything included. margin: the lead of the better reply, in nats of the
    implicit reward. accuracy: how often it leads. drift: by how many nats a token the better reply became
    less probable than it was. anchor_loss: nats a target of the rows learnt on as before. grad_norm: before
    clipping. learning_rate: at the plateau's scale. num_skipped: steps skipped so far in this process,
    because a loss or a gradient was no number. elapsed_s: since this process began.
    """

    step: int
    loss: float
    margin: float
    accuracy: float
    drift: float
    anchor_loss: float
    grad_norm: float
    learning_rate: float
    num_skipped: int
    elapsed_s: float


class Noted(NamedTuple):
    """What is noted of one step; see `PreferenceMetrics`."""

    margin: float
    accuracy: float
    drift: float
    anchor_loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceStage:
    """What is preferred, where to start, and how far to go.

    name: the stage's folder below the runs folder.
    comparisons: where the preferences come from.
    start_from: the stage, or the model folder, to go on from; it is the frozen reference as well.
    loop, pairs, loss, watch: see there.
    anchors: rows of text that are learnt on as before, so that nothing is forgotten; None: none.
    anchor_packing: how they are cut. anchor_weight: how much a nat a target of theirs counts.
    gold: a measure that nothing trains on; a fall ends the run.
    display_name: what people read in lists of models.
    """

    name: str
    comparisons: Comparisons
    start_from: str
    loop: LoopConfig
    pairs: PairConfig = field(default_factory=PairConfig)
    loss: PreferenceLossConfig = field(default_factory=PreferenceLossConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
    anchors: Documents | None = None
    anchor_packing: PackingConfig = field(default_factory=PackingConfig)
    anchor_weight: float = 1.0
    gold: Gold | None = None
    display_name: str = ""

    def run(self, place: Place, on_progress: OnProgress) -> Path:
        """See `Job`."""
        folder = place.runs / self.name
        check_recipe(self, folder)
        if is_done(folder, self.loop.num_steps):
            return folder / "model"
        save_recipe(self, folder)
        started = time.monotonic()
        run = _Run(self, folder, place)
        report = run.train(on_progress)
        start = start_folder(self.start_from, place.runs)
        export(run.policy, run.chat_format.tokenizer, folder / "model", _card(self, start))
        write_report(folder, report | {"seconds": round(time.monotonic() - started, 1)})
        return folder / "model"


def _card(stage: PreferenceStage, start: Path) -> dict[str, Any]:
    """The model list's facts; the model that it starts from was trained on rows as long, or longer."""
    path = start / "caesura.json"
    before = json.loads(path.read_text(encoding="utf-8")).get("trained_tokens", 0) if path.is_file() else 0
    return {
        "display_name": stage.display_name or stage.name,
        "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "trained_tokens": max(before, *stage.pairs.row_tokens),
    }


class _Run:
    """One run: the policy, the frozen reference, and the pairs that both were asked about."""

    def __init__(self, stage: PreferenceStage, folder: Path, place: Place) -> None:
        start = start_folder(stage.start_from, place.runs)
        self.chat_format = CaesuraFormat(Tokenizer.load(start))
        self.policy = load_model(start)
        seeded(self.policy, place.device)
        self._reference = load_model(start, device=place.device)
        self._stage = stage
        self._folder = folder
        self._place = place
        pairs = prepare_pairs(
            lambda: stage.comparisons(place.data, place.runs),
            self.chat_format,
            folder / "pairs",
            stage.pairs.row_tokens[-1],
        )
        asked = policy_log_probs(self._reference, stage.loop, place.device, is_compiled=False)
        file = folder / "pairs" / "reference.npy"
        self._pairs = ReferencedPairs(
            pairs=pairs,
            num_ids_N2=pairs.num_reply_ids(),
            log_probs_N2=reference_log_probs(asked, pairs, stage.pairs, file, place.device),
        )

    def train(self, on_progress: OnProgress) -> dict[str, Any]:
        """Train to the end; returns what the report tells."""
        stage, pairs = self._stage, self._pairs.pairs
        watch = Watch(stage.watch, self._folder, self._look, stage.loop.num_steps)
        steps = _PreferenceSteps(stage, self.policy, self._pairs, self._anchors(), self._place.device)
        steps.views = (*metrics_views(self._folder), _told(stage, on_progress))
        plan = Steps(
            loss_of=steps.loss_of,
            on_step=steps.on_step,
            is_over=lambda step: watch.is_over(step, self.policy),
        )
        last_step = run_steps(self.policy, stage.loop, self._folder, plan)
        reason = watch.stopped_because(last_step)
        exported = last_step if reason is None else self._restore_good(watch)
        return {
            "name": stage.name,
            "num_steps": stage.loop.num_steps,
            "num_steps_done": last_step,
            "exported_step": exported,
            "stopped_because": reason,
            "num_pairs": {part: len(pairs.part(part)) for part in PARTS},
            "num_too_long": pairs.num_too_long,
            "before": asdict(watch.look(0)),
            "after": asdict(watch.look(exported)),
            "num_skipped": steps.num_skipped,
        }

    def _restore_good(self, watch: Watch) -> int:
        """Put back the last weights that passed; where none are kept, those that the run began with."""
        if step := watch.restore_good(self.policy):
            return step
        self.policy.load_state_dict(self._reference.state_dict())
        return 0

    def _anchors(self) -> Anchors | None:
        stage = self._stage
        if stage.anchors is None:
            return None
        packer = packed_anchors(
            stage.anchors, stage.anchor_packing, self._folder, self.chat_format, self._place
        )
        return Anchors(packer, self.policy, stage.loop, self._place.device)

    @torch.no_grad()
    def _look(self, step: int) -> Look:
        """What held-out pairs and the gold measure tell of the policy as it is."""
        stage, device = self._stage, self._place.device
        self.policy.eval()
        log_probs = policy_log_probs(self.policy, stage.loop, device, is_compiled=False)
        watched = spread(self._pairs.pairs.part("held_out"), stage.watch.num_pairs)
        leads: list[Tensor] = []
        kls: list[Tensor] = []
        for _, batch in in_order(self._pairs.pairs, watched, stage.pairs):
            on_device = batch.to(device)
            terms = self._pairs.terms(batch.indices_B, device)
            leads.append(implicit_lead(log_probs(on_device), *terms, stage.loss))
            kls.append(token_kl(self.policy, self._reference, on_device))
        gold = None if stage.gold is None else stage.gold(self.policy, self.chat_format)
        self.policy.train()
        lead_B = torch.cat(leads)
        return Look(
            step=step,
            accuracy=float((lead_B > 0).float().mean()),
            margin=float(lead_B.mean()),
            kl=float(torch.cat(kls).mean()),
            gold=gold,
        )


def _told(stage: PreferenceStage, on_progress: OnProgress) -> Callable[[PreferenceMetrics], None]:
    def told(row: PreferenceMetrics) -> None:
        note = f"loss {row.loss:.3f}  margin {row.margin:.2f}  accuracy {row.accuracy:.0%}"
        on_progress(row.step, stage.loop.num_steps, note)

    return told


class _PreferenceSteps:
    """The loss of a batch of pairs and of the anchors beside it, and the rows of metrics that follow."""

    def __init__(
        self,
        stage: PreferenceStage,
        policy: Transformer,
        pairs: ReferencedPairs,
        anchors: Anchors | None,
        device: str,
    ) -> None:
        self._stage = stage
        self._device = device
        self._pairs = pairs
        self._batches = PairBatches(pairs.pairs, pairs.pairs.part("train"), stage.pairs)
        self._log_probs = policy_log_probs(policy, stage.loop, device, is_compiled=stage.loop.is_compiled)
        self._anchors = anchors
        self._started = time.monotonic()
        self._noted = Noted(0.0, 0.0, 0.0, 0.0)
        self._rows: list[tuple[float, Noted]] = []
        self.views: tuple[Callable[[PreferenceMetrics], None], ...] = ()
        self.num_skipped = 0

    def loss_of(self, step: int) -> Tensor:
        """See `preference_loss`; the anchors' nats a target are added."""
        batch = self._batches.batch(step)
        reference_S, num_ids_S = self._pairs.terms(batch.indices_B, self._device)
        batch = batch.to(self._device)
        policy_S = self._log_probs(batch)
        loss = preference_loss(policy_S, reference_S, num_ids_S, batch.p_B, self._stage.loss)
        anchor_loss = self._anchors.loss(step) if self._anchors else torch.zeros((), device=self._device)
        with torch.no_grad():
            lead_B = implicit_lead(policy_S, reference_S, num_ids_S, self._stage.loss)
            drift_B = ((reference_S - policy_S) / num_ids_S).chunk(2)[0]
            self._noted = Noted(
                margin=float(lead_B.mean()),
                accuracy=float((lead_B > 0).float().mean()),
                drift=float(drift_B.mean()),
                anchor_loss=float(anchor_loss.detach()),
            )
        return loss + self._stage.anchor_weight * anchor_loss

    def on_step(self, done: StepDone) -> None:
        self.num_skipped = done.num_skipped
        if not done.is_skipped:
            self._rows.append((done.loss, self._noted))
        if not (self._stage.loop.is_logged(done.step) and self._rows):
            return
        losses, notes = zip(*self._rows, strict=True)
        row = PreferenceMetrics(
            step=done.step,
            loss=fmean(losses),
            **{name: fmean(getattr(note, name) for note in notes) for name in Noted._fields},
            grad_norm=done.grad_norm,
            learning_rate=done.learning_rate,
            num_skipped=done.num_skipped,
            elapsed_s=time.monotonic() - self._started,
        )
        self._rows = []
        for view in self.views:
            view(row)
