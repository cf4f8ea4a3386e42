"""The manifest: what a run was made from, also when it failed or was interrupted on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from caesura.train.job import OnProgress, Place
from caesura.train.manifest import Manifest, digest
from caesura.train.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Writes a word; or fails."""

    name: str = "writing"
    seed: int = 3
    word: str = "hello"
    error: type[BaseException] | None = None

    def run(self, place: Place, on_progress: OnProgress) -> Path:
        if self.error is not None:
            raise self.error("no ink")
        path = place.runs / self.name / "word.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.word)
        return path


def place_in(folder: Path) -> Place:
    for name in ("data", "tokenizer"):
        (folder / name).mkdir()
    (folder / "tokenizer" / "tokenizer.json").write_text("{}")
    return Place(runs=folder / "runs", data=folder / "data", tokenizer=folder / "tokenizer")


def ticks() -> Iterator[datetime]:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    while True:
        yield now
        now += timedelta(seconds=90)


def run(job: Writing, place: Place, times: Iterator[datetime]) -> dict[str, Any]:
    recipe = Recipe(name="tiny", tokenizer_texts=None, vocab_size=0, stages=(job,), max_positions=64)
    manifest = Manifest(path=place.runs / "tiny" / "manifest.json", clock=lambda: next(times))
    with pytest.raises(job.error) if job.error else nullcontext():
        manifest.run(recipe, job, place, lambda num_done, num_total, note: None)
    return json.loads((place.runs / "tiny" / "manifest.json").read_text())


def test_every_try_is_noted_with_its_times_and_its_end(tmp_path: Path) -> None:
    place, times = place_in(tmp_path), ticks()
    run(Writing(error=ValueError), place, times)
    run(Writing(error=KeyboardInterrupt), place, times)
    fields = run(Writing(), place, times)
    tries = fields["jobs"]["writing"]["runs"]
    assert [each["outcome"] for each in tries] == ["failed: no ink", "interrupted", "done"]
    assert all(each["seconds"] == 90 for each in tries)
    assert tries[0]["started"] == "2026-01-01T00:00:00Z"


def test_seeds_settings_and_results_are_there(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    (place.data / "xstest").mkdir()
    (place.data / "xstest" / "prompts.jsonl").write_text("{}")
    fields = run(Writing(), place, ticks())
    job = fields["jobs"]["writing"]
    assert job["seeds"] == {"seed": 3}
    assert job["result"] == "writing/word.txt"
    assert job["result_sha256"] == digest(place.runs / "writing" / "word.txt")
    assert list(fields["data"]) == ["xstest/prompts.jsonl"]
    other = run(Writing(word="bye"), place, ticks())["jobs"]["writing"]
    assert other["settings_sha256"] != job["settings_sha256"]
    assert other["result_sha256"] != job["result_sha256"]


def test_a_folder_is_known_by_its_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    before = digest(tmp_path / "a")
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    assert digest(tmp_path / "a") != before
    with pytest.raises(FileNotFoundError):
        digest(tmp_path / "a" / "x")
