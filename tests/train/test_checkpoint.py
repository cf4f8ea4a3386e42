"""Checkpoints: whole or the one before, whatever happens to the disk or the process."""

from __future__ import annotations

import logging
import resource
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from caesura.train.checkpoint import Checkpoints


def _trained(value: float) -> tuple[nn.Module, list[Optimizer]]:
    """A small model whose weights all are `value`, and an optimiser that has taken a step."""
    model = nn.Linear(64, 64)
    optimiser = AdamW(model.parameters(), lr=1e-3)
    model(torch.ones(1, 64)).sum().backward()
    optimiser.step()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    return model, [optimiser]


def _save(checkpoints: Checkpoints, *steps: int) -> None:
    for step in steps:
        assert checkpoints.save(step, *_trained(step))


def _restored(checkpoints: Checkpoints) -> tuple[int, float]:
    model, optimisers = _trained(-1.0)
    step = checkpoints.restore(model, optimisers)
    return step, next(model.parameters())[0, 0].item()


def test_the_newest_is_restored_and_two_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    _save(checkpoints, 1, 2, 3)
    assert checkpoints.steps() == [2, 3]
    assert _restored(checkpoints) == (3, 3.0)


def test_without_a_checkpoint_a_run_starts_anew(tmp_path: Path) -> None:
    assert _restored(Checkpoints(tmp_path / "none")) == (0, -1.0)


@pytest.mark.parametrize("name", ["__0_0.distcp", ".metadata", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "zeroed", "gone"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_the_log_says_so(
    name: str, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path)
    _save(checkpoints, 1, 2)
    path = tmp_path / "step_2" / name
    size = path.stat().st_size
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: size // 2] if damage == "cut" else bytes(size))
    with caplog.at_level(logging.WARNING):
        assert _restored(checkpoints) == (1, 1.0)
    assert "using the one before, of step 1" in caplog.text
    assert checkpoints.steps() == [1]
    _save(checkpoints, 2)
    assert _restored(checkpoints) == (2, 2.0)


def test_only_damaged_checkpoints_mean_starting_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path)
    _save(checkpoints, 1)
    (tmp_path / "step_1" / "manifest.json").unlink()
    with caplog.at_level(logging.WARNING):
        assert _restored(checkpoints) == (0, -1.0)
    assert "starting anew" in caplog.text


@contextmanager
def _full_disk(max_file_bytes: int) -> Generator[None]:
    """Writes beyond a size fail, as they do on a disk that has filled up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints = Checkpoints(tmp_path)
    _save(checkpoints, 1)
    with _full_disk(10_000), caplog.at_level(logging.ERROR):
        assert not checkpoints.save(2, *_trained(2.0))
    assert "the previous one stays" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["step_1"]
    assert _restored(checkpoints) == (1, 1.0)


_SAVES_FOR_EVER = """
import itertools, sys
from pathlib import Path
from caesura.train.checkpoint import Checkpoints
from tests.train.test_checkpoint import _trained

for step in itertools.count(1):
    Checkpoints(Path(sys.argv[1])).save(step, *_trained(step))
    print(step, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.0, 0.004, 0.011])
def test_a_killed_process_leaves_a_whole_checkpoint(delay_s: float, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SAVES_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        saved = [int(process.stdout.readline()) for _ in range(3)]
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(delay_s)
        process.kill()
    (tmp_path / "step_9999.part").mkdir(exist_ok=True)
    step, value = _restored(Checkpoints(tmp_path))
    assert step >= saved[-1]
    assert value == step
    assert not list(tmp_path.glob("*.part"))
