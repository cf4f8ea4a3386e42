"""The watch: what it measures, when it ends a run, what it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from caesura.model import Transformer
from caesura.train.pairs import PairSet
from caesura.train.preference_loss import hidden_function
from caesura.train.preference_watch import Look, Watch, WatchConfig, token_kl
from tests.train.tiny_pairs import formats, preference, tiny_model

CONFIG = WatchConfig(every=2, max_gold_drop=0.1, max_kl=1.0)


def _look(step: int, gold: float | None = None, kl: float = 0.0) -> Look:
    return Look(step=step, accuracy=0.5, margin=0.0, kl=kl, gold=gold)


class _Looks:
    """Looks given beforehand, and which of them were asked for."""

    def __init__(self, *looks: Look) -> None:
        self._looks = {look.step: look for look in looks}
        self.asked: list[int] = []

    def __call__(self, step: int) -> Look:
        self.asked.append(step)
        return self._looks[step]


def _marked(value: float) -> Transformer:
    model = tiny_model()
    model.norm.weight.data.fill_(value)
    return model


def test_a_fall_of_gold_ends_the_run_and_the_last_good_weights_come_back(tmp_path: Path) -> None:
    looks = _Looks(_look(0, 0.8), _look(2, 0.75), _look(4, 0.69))
    watch = Watch(CONFIG, tmp_path, looks, num_steps=9)
    assert [watch.is_over(step, _marked(float(step))) for step in range(5)] == [False] * 4 + [True]
    assert looks.asked == [0, 2, 4]
    assert watch.stopped_because(4) == "the gold measure fell from 0.800 to 0.690, by more than 0.1"
    model = _marked(4.0)
    assert watch.restore_good(model) == 2
    assert model.norm.weight[0].item() == 2.0


def test_distance_ends_the_run_as_well_and_so_does_what_is_no_number(tmp_path: Path) -> None:
    looks = _Looks(_look(0), _look(2, kl=1.1), _look(4, kl=float("nan")))
    watch = Watch(CONFIG, tmp_path, looks, num_steps=9)
    assert not watch.is_over(0, tiny_model())
    assert watch.is_over(2, tiny_model())
    assert watch.stopped_because(2) == "the policy is 1.100 nats a token from the reference, more than 1.0"
    assert watch.is_over(4, tiny_model())


def test_the_last_step_is_looked_at_whatever_its_number(tmp_path: Path) -> None:
    looks = _Looks(_look(0), _look(3))
    watch = Watch(CONFIG, tmp_path, looks, num_steps=3)
    assert [watch.is_over(step, tiny_model()) for step in (0, 3)] == [False, False]
    assert looks.asked == [0, 3]


def test_what_was_seen_before_an_interruption_is_not_looked_at_again(tmp_path: Path) -> None:
    Watch(CONFIG, tmp_path, _Looks(_look(0, 0.8)), num_steps=9).is_over(0, tiny_model())
    with (tmp_path / "watch.jsonl").open("a") as file:
        file.write('{"step": 2, "accu')
    looks = _Looks(_look(2, 0.5))
    watch = Watch(CONFIG, tmp_path, looks, num_steps=9)
    assert watch.is_over(2, tiny_model())
    assert looks.asked == [2]
    assert watch.look(0).gold == 0.8


def test_kl_is_zero_to_oneself_and_the_sum_over_the_vocabulary_to_another() -> None:
    first, second = tiny_model(0).eval(), tiny_model(1).eval()
    batch = PairSet.collect(formats(), [preference(0)], 64).batch([0], (32,))
    assert token_kl(first, first, batch).abs().max() < 1e-6
    found = token_kl(first, second, batch)
    assert len(found) == int(batch.mask_ST.sum())
    assert (found > 0).all()
    # the first reply id, by hand
    start = int(batch.mask_ST[0].nonzero()[0])
    logs = []
    for model in (first, second):
        hidden = hidden_function(model, is_compiled=False)(batch.tokens_ST)
        logs.append(model.logits(hidden[0, start - 1]).log_softmax(dim=-1))
    expected = sum((torch.exp(p) * (p - q)).sum().item() for p, q in zip(*logs, strict=True))
    assert float(found[0]) == pytest.approx(expected, rel=1e-3)


def test_no_nonsense_settings() -> None:
    with pytest.raises(ValueError, match="every 0"):
        WatchConfig(every=0)
