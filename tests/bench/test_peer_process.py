from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.model_folder import endless_folder, llama_folder
from bench.peer_process import PEERS, PeerError, PeerKind, PeerProcess, started
from bench.peers.gguf_folder import ids_of, text_of
from bench.peers.protocol import Batch, Job, PeerSettings
from caesura.engine import SequenceRequest, build_engine, load
from caesura.messages.request import Sampling

ECHO = PeerKind(python=Path(sys.executable), module="tests.bench.echo_peer")


def settings(folder: Path, **changes: int) -> PeerSettings:
    base = PeerSettings(
        folder=str(folder / "model"),
        scratch=str(folder),
        threads=1,
        context=256,
        streams=2,
        keeps_prefixes=False,
    )
    return replace(base, **changes)


def test_a_peer_runs_batch_after_batch_and_its_prints_are_no_replies(tmp_path: Path) -> None:
    peer = PeerProcess("echo", ECHO, settings(tmp_path))
    try:
        jobs = (Job(prompt=(7, 8), num_new=3), Job(prompt=(9,), num_new=1))
        runs = [peer.run(Batch(jobs=jobs)) for _ in range(2)]
        assert [run.ids for run in runs] == [[[7, 8, 7], [9]]] * 2
        assert all(len(run.times_s[0]) == 3 and run.wall_s >= 0 for run in runs)
        assert peer.version == "echo of 1 threads"
    finally:
        peer.close()


def test_a_batch_that_fails_says_why_and_the_next_one_runs(tmp_path: Path) -> None:
    peer = PeerProcess("echo", ECHO, settings(tmp_path))
    try:
        with pytest.raises(PeerError, match="echo: ValueError: the prompt is empty"):
            peer.run(Batch(jobs=(Job(prompt=(), num_new=1),)))
        assert peer.run(Batch(jobs=(Job(prompt=(5,), num_new=2),))).ids == [[5, 5]]
    finally:
        peer.close()


def test_whoever_is_not_installed_or_does_not_start_is_left_out_with_a_reason(tmp_path: Path) -> None:
    kinds = {"echo": ECHO, "absent": PeerKind(python=tmp_path / "python", module="m")}
    with started(["absent", "echo"], settings(tmp_path), kinds) as (peers, absent):
        assert [peer.name for peer in peers] == ["echo"]
        assert absent == ["absent is not installed; `make peers` installs it"]
    with started(["echo"], settings(tmp_path, streams=0), kinds) as (peers, absent):
        assert not peers
        assert absent == ["echo: ValueError: no streams"]


def test_ids_come_back_from_the_text_that_a_converted_vocabulary_writes() -> None:
    assert ids_of("".join(text_of(token) for token in (3, 17, 4095))) == [3, 17, 4095]


@pytest.mark.peer
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("family", ["qwen3", "llama"])
@pytest.mark.parametrize("name", list(PEERS))
def test_a_peer_writes_what_the_engine_writes(name: str, family: str, tmp_path: Path) -> None:
    if not PEERS[name].python.is_file():
        pytest.skip(f"{name} is not installed; `make peers` installs it")
    if family == "llama":
        folder = llama_folder("5M", tmp_path / "model", is_quick=True)
    else:
        folder = endless_folder(None, tmp_path / "model", is_quick=True)
    loaded = load(folder)
    prompts = [tuple(range(20 + start, 50 + start)) for start in range(4)]
    engine = build_engine(loaded)
    greedy = Sampling(temperature=0.0)
    ours = engine.generate([SequenceRequest(prompt=each, max_tokens=1, sampling=greedy) for each in prompts])
    engine.close()
    peer = PeerProcess(name, PEERS[name], settings(tmp_path, streams=4))
    try:
        run = peer.run(Batch(jobs=tuple(Job(prompt=each, num_new=1) for each in prompts)))
    finally:
        peer.close()
    same = [each.finished.output[0] == ids[0] for each, ids in zip(ours, run.ids, strict=True)]
    # Rounding to 16 bits may part one near-tie.
    assert sum(same) >= len(same) - 1
