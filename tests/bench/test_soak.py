from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from bench.model_folder import endless_folder
from bench.settings import Settings
from bench.soak import CROWD, PATIENT, SHORT, TINY, Report, Sample, Soak, run_soak
from bench.soak_requests import MAX_NEW, MAX_PROMPT, MIN_NEW, MIN_PROMPT, Asks
from bench.soak_stream import Ending, Outcome

PAGE = Path(__file__).parent.parent.parent / "docs" / "benchmarks.md"
SETTINGS = Settings(is_quick=True)
IDLE = {
    "num_running": 0,
    "num_waiting": 0,
    "num_pages": 10,
    "num_free_pages": 4,
    "num_kept_pages": 6,
    "num_evicted_pages": 0,
    "num_loaded_pages": 0,
    "num_spills": 0,
    "num_prompt_tokens": 0,
    "num_cached_tokens": 0,
    "num_output_tokens": 0,
}
SOAK = Soak(num_streams=2, share_leaving=0.5, duration_s=100.0, settled_s=50.0, last_s=20.0)


def report(endings: Sequence[Ending] = (), sizes: Sequence[int] = (1,), **after: int) -> Report:
    return Report(
        soak=SOAK,
        outcomes=[Outcome(ending=ending, detail="why", first_s=1.0) for ending in endings],
        wall_s=10.0,
        samples=[Sample(at_s=float(number), num_bytes=size) for number, size in enumerate(sizes)],
        idle_bytes=1,
        before=IDLE,
        after=IDLE | after,
    )


def held(made: Report, words: str) -> bool | None:
    [figure] = [each for each in made.figures() if words in each.name]
    return figure.holds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return endless_folder(None, tmp_path_factory.mktemp("soak") / "model", is_quick=True)


@pytest.mark.slow
def test_a_small_soak_ends_with_everything_accounted_for(folder: Path, tmp_path: Path) -> None:
    done = run_soak(folder, tmp_path, TINY, SETTINGS)
    assert done.count("faulty") == 0, done.figures()[1]
    assert done.count("finished") > 0
    assert done.count("left") > 0
    assert (done.num_lost_pages, done.after["num_running"], done.after["num_waiting"]) == (0, 0, 0)
    assert done.after["num_evicted_pages"] > 0
    lengths = [outcome.num_prompt for outcome in done.outcomes if outcome.num_prompt]
    assert MIN_PROMPT - 4 <= min(lengths) < max(lengths) <= MAX_PROMPT
    assert [sample.num_bytes > 10_000_000 for sample in done.samples[:2]] == [True, True]
    assert all(figure.as_json() for figure in done.figures())


def test_asks_are_the_same_each_time_and_as_varied_as_is_said(folder: Path) -> None:
    asks = Asks(folder, share_leaving=0.5, max_pause_s=1.0)
    drawn = list(islice(asks.of(3), 200))
    assert drawn == list(islice(Asks(folder, share_leaving=0.5, max_pause_s=1.0).of(3), 200))
    assert drawn != list(islice(asks.of(4), 200))
    assert 60 < sum(ask.departure is not None for ask in drawn) < 140
    bodies = [json.loads(ask.body) for ask in drawn]
    systems = [json.dumps(body["system"][0]["text"]) for body in bodies if "system" in body]
    assert 20 < len(systems) < 120
    assert len(set(systems)) <= 8
    assert 50 < sum("cache_control" in json.dumps(body) for body in bodies) < 180


def test_nobody_leaves_where_none_is_to(folder: Path) -> None:
    asks = Asks(folder, share_leaving=0.0, max_pause_s=1.0)
    assert all(ask.departure is None for ask in islice(asks.of(0), 50))


def test_one_faulty_stream_is_a_miss_and_says_why() -> None:
    assert held(report(["finished", "left", "refused"]), "in no way") is True
    made = report(["finished", "faulty", "faulty"])
    assert held(made, "in no way") is False
    assert "2 x why" in made.figures()[1].note


def test_a_page_that_is_neither_free_nor_kept_is_a_miss() -> None:
    assert held(report(["finished", "left"]), "not accounted for") is True
    made = report(["finished", "left"], num_kept_pages=5)
    assert (made.num_lost_pages, held(made, "not accounted for")) == (1, False)


def test_memory_is_compared_from_when_it_settled_to_the_end() -> None:
    settled = [1] * 40 + [100] * 40
    assert held(report(sizes=[*settled, *[104] * 21]), "growth") is True
    grown = report(sizes=[*settled, *[106] * 21])
    assert grown.growth_percent == pytest.approx(6.0)
    assert held(grown, "growth") is False


def test_on_a_busy_machine_the_nearest_sample_counts() -> None:
    samples = [Sample(at_s=0.0, num_bytes=1), Sample(at_s=30.0, num_bytes=2), Sample(at_s=75.0, num_bytes=3)]
    assert replace(report(), samples=samples).growth_percent == pytest.approx(50.0)


def test_the_page_says_what_a_soak_does() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for soak in (SHORT, CROWD, PATIENT):
        assert (
            f"| {soak.num_streams} | {soak.share_leaving:.0%} | {soak.duration_s:g} s |".replace("%", " %")
            in page
        )
        assert f"a pool of {soak.kv_memory.removesuffix('MB')} MB" in page
    assert f"Prompts have {MIN_PROMPT} to {MAX_PROMPT} tokens" in page
    assert f"Replies have {MIN_NEW} to {MAX_NEW} tokens" in page
    assert f"the median of the last {CROWD.last_s:g} s" in page
    assert f"({SHORT.last_s:g} s in the short run)" in page
    assert f"around {CROWD.settled_s:g} s ({SHORT.settled_s:g} s in the short run)" in page
