"""Reinforcement as a job: sample, judge, learn, keep watch, and resume where it stopped.

A step's problems, seeds and order follow from its number and from what the checkpoint holds, so an
interrupted run ends with the same weights as one that was not. Enters: a `ReinforcementStage`. Leaves, in
its folder: `checkpoints/`, `best/` (the weights that did best on held-out problems), `metrics.jsonl`,
`recipe.json`, and at the end `model/`. Read next: `grpo.py` for a step, `watch.py` for what ends a run,
`caesura/recipes/reinforcement.py` for a recipe.
"""

from __future__ import annotations

import logging
import math
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from caesura.constitution.prompts import Prompt
from caesura.engine.loading import LoadedModel, load
from caesura.model import Transformer, load_model, save_model
from caesura.rl.curriculum import CurriculumConfig, groups, updated_rates
from caesura.rl.figures import passed, step_figures, vitals
from caesura.rl.grpo import (
    Learning,
    NotFiniteError,
    Sampled,
    UpdateConfig,
    Updater,
    advantages,
    sample_groups,
)
from caesura.rl.guard import GuardConfig, guarded_prompts, share_kept
from caesura.rl.imitation import written
from caesura.rl.learner import Learner
from caesura.rl.losses import DR_GRPO
from caesura.rl.policy import ScoringConfig, check_agreement
from caesura.rl.rewards import RewardConfig, check_disputes
from caesura.rl.rollouts import Rollout, RolloutConfig, RolloutEngine
from caesura.rl.run_record import append_figures, cosine, facts_of
from caesura.rl.watch import WatchConfig, alarms, gold_problems, has_strayed, measure, reason_to_stop
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.train.anchors import Anchors, packed_anchors
from caesura.train.checkpoint import Checkpoints
from caesura.train.job import OnProgress, Place
from caesura.train.optimisers import OptimiserConfig, make_optimisers, set_rates
from caesura.train.packing import PackingConfig
from caesura.train.stage import Documents, check_recipe, export, save_recipe, start_folder
from caesura.train.steps import LoopConfig

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinforcementStage:
    """Learning from verifiable rewards, as a `Job`.

    name: its folder below the runs folder. start_from: the stage, or the model folder, to go on from.
    num_steps: batches of rollouts. optimiser: rates and clipping; the rate warms up over `warmup_steps` and
        falls to zero along a cosine.
    curriculum, rollouts, reward, update, watch: see there.
    guard: what is asked besides at each measurement, and is not to be lost; None: nothing.
    shown_below: the written solution of a thought-out problem is shown beside its replies where no more than
        this share of them solved it.
    num_practised: how many groups more are posed in each step, of which nothing is sampled and the written
        solutions are shown.
    shown_weight: what the mean cross-entropy of all that is shown counts; 0: nothing is shown.
    anchors: rows of other kinds that are learnt on as before, so that nothing is forgotten; None: none.
    anchor_packing: how they are cut; a batch for each update. anchor_weight: how much a nat a target of
        theirs counts.
    checkpoint_every_s: seconds between checkpoints. seed: of torch's generator.
    display_name: what people read in lists of models.
    """

    name: str
    start_from: str
    num_steps: int
    optimiser: OptimiserConfig
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    rollouts: RolloutConfig = field(default_factory=RolloutConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    update: UpdateConfig = field(default_factory=lambda: UpdateConfig(loss=DR_GRPO, scoring=ScoringConfig()))
    watch: WatchConfig = field(default_factory=WatchConfig)
    guard: GuardConfig | None = None
    shown_weight: float = 0.0
    shown_below: float = 0.0
    num_practised: int = 0
    anchors: Documents | None = None
    anchor_packing: PackingConfig = field(default_factory=PackingConfig)
    anchor_weight: float = 1.0
    checkpoint_every_s: float = 180.0
    seed: int = 0
    display_name: str = ""

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ValueError(f"num_steps {self.num_steps} must be at least 1")

    def run(self, place: Place, on_progress: OnProgress) -> Path:
        """See `Job`. Raises AgreementError, RewardError, RolloutError or NotFiniteError, with checkpoints as
        they were, where going on would teach what is wrong.
        """
        folder = place.runs / self.name
        check_recipe(self, folder)
        save_recipe(self, folder)
        run = Run(self, place)
        run.restore()
        while not run.is_over:
            row = run.step()
            on_progress(run.num_done, self.num_steps, row.note)
        return run.export()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a step came to. figures: the line of `metrics.jsonl`. note: a few words for people."""

    figures: dict[str, Any]
    note: str


class Run:
    """A stage on its way: what its folder holds, in memory."""

    def __init__(self, stage: ReinforcementStage, place: Place) -> None:
        self._stage, self._folder = stage, place.runs / stage.name
        self._start = start_folder(stage.start_from, place.runs)
        self._tokenizer = Tokenizer.load(place.tokenizer)
        self._format = CaesuraFormat(self._tokenizer)
        torch.manual_seed(stage.seed)
        policy = load_model(self._start, device=place.device)
        max_drop = stage.guard.max_drop if stage.guard else math.inf
        self._learner = Learner(policy, stage.curriculum, max_drop=max_drop)
        self._optimisers = make_optimisers(policy, stage.optimiser)
        self._engine = RolloutEngine(engine_model(self._start, place.device), stage.rollouts)
        self._updater = Updater(
            policy, self._optimisers, self._engine, stage.update, reference=self._reference(place.device)
        )
        self._anchors: Anchors | None = None
        self._place = place
        self._checkpoints = Checkpoints(self._folder / "checkpoints")
        self._gold_problems = gold_problems(stage.watch)
        self._guarded: tuple[Prompt, ...] = ()
        self._began = self._saved = time.monotonic()
        self._reason: str | None = None
        self.num_done = 0

    @property
    def policy(self) -> Transformer:
        """The weights as they stand."""
        return self._learner.policy

    @property
    def is_over(self) -> bool:
        """Whether all steps are done, or something said stop."""
        return self.num_done >= self._stage.num_steps or self._reason is not None

    def restore(self) -> None:
        """Go on from the newest checkpoint, if there is one. A run that is done reads no data again."""
        self.num_done = self._checkpoints.restore(self._learner, self._optimisers)
        self._reason = self._why_stop()
        best, part = self._folder / "best", self._folder / "best.part"
        if not self.num_done:
            shutil.rmtree(best, ignore_errors=True)
        elif not best.exists() and part.exists():
            # It ended between the removal of the old ones and the renaming of the new ones, which are whole.
            part.rename(best)
        if not self._learner.is_exported:
            self._anchors = self._packed_anchors(self._place)
            guard = self._stage.guard
            self._guarded = guarded_prompts(guard, self._place.data) if guard else ()

    def step(self) -> Row:
        """One batch: hand the weights over, measure if it is time, sample, judge, learn, note."""
        stage, started = self._stage, time.monotonic()
        self._engine.sync(self.policy)
        if self.num_done % stage.watch.gold_every == 0:
            self._measure()
        sampled = sample_groups(
            self._engine, groups(self.num_done, self._learner.rates, stage.curriculum), stage.reward
        )
        sampled_at = time.monotonic()
        rollouts = [each for group in sampled.rollouts for each in group]
        gap = self._updater.gap(rollouts)
        check_agreement(gap, stage.update.max_gap)
        self._audit(sampled)
        rate = self._set_rate()
        learning = self._learn(sampled)
        self._learner.rates = updated_rates(self._learner.rates, passed(sampled), stage.curriculum.memory)
        self._learner.note_alarms(self._alarms(sampled, learning))
        self.num_done += 1
        times = {
            "sampling_s": round(sampled_at - started, 2),
            "learning_s": round(time.monotonic() - sampled_at, 2),
            "elapsed_s": round(time.monotonic() - self._began, 1),
        }
        row = self._row(sampled, learning, {"gap": gap, "learning_rate": rate, **times})
        self._finish_step(row)
        return row

    def export(self) -> Path:
        """Measure the last weights, and write the best as a model folder."""
        if (self._folder / "model").is_dir() and self._learner.is_exported:
            return self._folder / "model"
        self._engine.sync(self.policy)
        self._measure()
        best = load_model(self._folder / "best")
        facts = facts_of(self._start, self._stage.display_name or self._stage.name)
        export(best, self._tokenizer, self._folder / "model", facts)
        self._learner.is_exported = True
        self._checkpoints.save(self.num_done, self._learner, self._optimisers)
        log.info("%s: best at step %d, %s", self._stage.name, self._learner.best_step, self._reason or "done")
        return self._folder / "model"

    def _reference(self, device: str) -> Transformer | None:
        """What the policy started as, where leaving it costs something."""
        if not self._stage.update.loss.kl_weight:
            return None
        return load_model(self._start, device=device).eval().requires_grad_(False)

    def _packed_anchors(self, place: Place) -> Anchors | None:
        stage = self._stage
        if stage.anchors is None:
            return None
        packer = packed_anchors(stage.anchors, stage.anchor_packing, self._folder, self._format, place)
        is_bfloat16 = stage.update.scoring.is_bfloat16
        loop = LoopConfig(num_steps=stage.num_steps, is_compiled=False, is_bfloat16=is_bfloat16)
        return Anchors(packer, self.policy, loop, place.device)

    def _anchor_loss(self, number: int) -> Tensor:
        """Of the rows beside an update; 0 where there are none."""
        if self._anchors is None:
            return torch.zeros((), requires_grad=True)
        batch = self.num_done * self._stage.update.num_updates + number
        return self._anchors.loss(batch)

    def _measure(self) -> None:
        """Held-out problems, and what is guarded; the best weights so far are kept, unless they strayed."""
        gold = measure(self._engine, self._gold_problems, self._stage.watch)
        if guard := self._stage.guard:
            gold = gold._replace(kept=share_kept(self._engine, self._guarded, guard.is_refusal))
        if self._learner.note_gold(self.num_done, gold):
            part = self._folder / "best.part"
            shutil.rmtree(part, ignore_errors=True)
            save_model(self.policy, part, dtype=torch.float32)
            shutil.rmtree(self._folder / "best", ignore_errors=True)
            part.rename(self._folder / "best")

    def _strayed(self) -> str | None:
        guard = self._stage.guard
        return has_strayed(self._learner.measured, guard.max_drop) if guard else None

    def _audit(self, sampled: Sampled) -> None:
        verdicts = [each for group in sampled.judged for each in group]
        self._learner.note_audit(sum(each.is_disputed for each in verdicts), len(verdicts))
        check_disputes(*self._learner.audit, limit=self._stage.watch.max_disputed)

    def _set_rate(self) -> float:
        config = self._stage.optimiser
        factor = cosine(self.num_done, self._stage.num_steps, config.warmup_steps)
        set_rates(self._optimisers, factor)
        return config.learning_rate * factor

    def _learn(self, sampled: Sampled) -> Learning:
        """An update that is no number is left out and counted; too many end the run."""
        try:
            chosen = advantages(sampled, self._stage.update.loss)
            return self._updater.update(
                chosen,
                self._shown(sampled),
                self._stage.shown_weight,
                seed=f"{self._stage.seed}/{self.num_done}",
                anchor=self._anchor_loss,
                anchor_weight=self._stage.anchor_weight,
            )
        except NotFiniteError as error:
            num_bad = self._learner.note_bad_step()
            log.warning("step %d: %s (%d so far)", self.num_done, error, num_bad)
            if num_bad >= self._stage.watch.max_bad_steps:
                raise NotFiniteError(f"{num_bad} updates were no numbers; the run stops: {error}") from error
            return Learning(math.nan, math.nan, 0.0, 0.0, math.nan)

    def _shown(self, sampled: Sampled) -> list[Rollout]:
        if not self._stage.shown_weight:
            return []
        failed = [
            written(group, self._format)
            for group, judged in zip(sampled.groups, sampled.judged, strict=True)
            if group.cell.kind == "enabled"
            and sum(each.is_solved for each in judged) <= self._stage.shown_below * len(judged)
        ]
        return [*failed, *self._practice()]

    def _practice(self) -> list[Rollout]:
        num_groups = self._stage.num_practised
        if not num_groups:
            return []
        config = replace(self._stage.curriculum, num_groups=num_groups)
        posed = groups(self.num_done, self._learner.rates, config, tag="practice")
        return [written(group, self._format) for group in posed]

    def _alarms(self, sampled: Sampled, learning: Learning) -> list[str]:
        now = vitals(sampled, learning)
        found = alarms(now, self._learner.first_vitals(now), self._stage.watch)
        for each in found:
            log.warning("step %d: %s", self.num_done, each)
        return found

    def _why_stop(self) -> str | None:
        if self._learner.alarms_in_row >= self._stage.watch.max_alarms:
            return f"alarms in {self._learner.alarms_in_row} steps in a row"
        return self._strayed() or reason_to_stop(self._learner.gold_accuracies, self._stage.watch)

    def _row(self, sampled: Sampled, learning: Learning, more: dict[str, Any]) -> Row:
        figures = {
            "step": self.num_done,
            **step_figures(sampled, learning),
            **more,
            **self._learner.figures(),
        }
        note = (
            f"solved {figures['solved_share']:.1%}  held out {self._learner.last_gold:.1%}  "
            f"{figures['sampled_tokens'] / max(1e-9, more['sampling_s']):,.0f} tokens/s sampled"
        )
        return Row(figures=figures, note=note)

    def _finish_step(self, row: Row) -> None:
        append_figures(self._folder / "metrics.jsonl", row.figures)
        self._reason = self._why_stop()
        is_due = time.monotonic() - self._saved > self._stage.checkpoint_every_s
        if is_due or self.is_over:
            self._checkpoints.save(self.num_done, self._learner, self._optimisers)
            self._saved = time.monotonic()


def engine_model(folder: Path, device: str) -> LoadedModel:
    """Weights of the engine's own, in the trainer's float32: in bfloat16 the two could not agree."""
    return load(folder, dtype=torch.float32, device=device)
