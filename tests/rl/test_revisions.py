from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from caesura.constitution.principles import PACKAGED, load_constitution
from caesura.constitution.revising import read_steps
from caesura.messages.content import text_of, thinking_of
from caesura.messages.errors import DataError
from caesura.recipes.finetune import JobRows
from caesura.rl.revision_rows import RowConfig
from caesura.rl.revisions import RevisionJob
from caesura.rl.teacher import Teacher
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.train.data import read_rows
from caesura.train.job import Place
from tests.constitution.cases import declines
from tests.rl.tiny import WINDOW, Prompts, eights_held_out, nothing_held_out, place

CONSTITUTION = Path(__file__).parents[2] / "caesura" / "constitution" / PACKAGED


def job(**changes: Any) -> RevisionJob:
    made = RevisionJob(
        name="revisions",
        start_from="helpful",
        prompts=Prompts(),
        held_out=nothing_held_out,
        is_refusal=declines,
        num_rounds=2,
        max_tokens=8,
    )
    return replace(made, **changes)


def run(made: RevisionJob, where: Place) -> tuple[Path, list[int]]:
    told: list[int] = []
    path = made.run(where, lambda num_done, num_total, note: told.append(num_done))
    return path, told


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place(tmp_path_factory.mktemp("run"), "helpful")


@pytest.fixture
def fresh(where: Place) -> Place:
    shutil.rmtree(where.runs / "revisions", ignore_errors=True)
    return where


def test_rows_follow_the_constitution_and_say_where_they_come_from(fresh: Place) -> None:
    path, told = run(job(), fresh)
    assert path == fresh.runs / "revisions" / "rows.jsonl"
    assert (told[0], told[-1]) == (0, 10)
    prompts = {each.text: each for each in Prompts()(fresh.data)}
    rows = list(read_rows(path))
    assert {text_of(row.conversation.turns[0].content) for row in rows} == set(prompts)
    for row in rows:
        prompt = prompts[text_of(row.conversation.turns[0].content)]
        reply = row.conversation.turns[-1].content
        assert declines(text_of(reply)) == prompt.is_harmful
        assert not prompt.answer or text_of(reply) == prompt.answer
        assert (row.source, row.licence) == ("own", "CC0-1.0")
        assert bool(thinking_of(reply)) == (row.mode == "think")


def test_every_step_and_a_summary_are_kept(fresh: Place) -> None:
    path, _ = run(job(), fresh)
    steps = [step for each in read_steps(path.with_name("steps.jsonl")) for step in each.steps]
    assert len(steps) == 20
    summary = json.loads(path.with_name("summary.json").read_text())
    assert summary["digest"] == load_constitution().digest == steps[0].constitution
    assert summary["backends"] == ["rules"]
    assert (summary["num_prompts"], summary["num_harmful"], summary["num_steps"]) == (10, 5, 20)
    assert summary["num_rows"] == sum(1 for _ in read_rows(path))
    assert summary["steps_by_principle"] == Counter(step.principle_id for step in steps)


def test_modes_are_drawn_by_weight(fresh: Place) -> None:
    made = job(rows=RowConfig(mode_weights=(0.0, 0.0, 1.0)))
    assert {row.mode for row in read_rows(run(made, fresh)[0])} == {"think"}
    with pytest.raises(ValueError, match=r"mode_weights .* must be three numbers"):
        RowConfig(mode_weights=(0.0, 0.0, 0.0))


def test_a_killed_job_goes_on_and_a_done_one_asks_no_model(fresh: Place) -> None:
    path, _ = run(job(), fresh)
    rows, steps = path.read_bytes(), path.with_name("steps.jsonl")
    whole = steps.read_bytes()
    steps.write_bytes(whole[: len(whole) // 2])
    path.unlink()
    _, told = run(job(), fresh)
    assert told[0] > 0
    assert path.read_bytes() == rows
    model = fresh.runs / "helpful"
    model.rename(fresh.runs / "away")
    try:
        again, told = run(job(), fresh)
    finally:
        (fresh.runs / "away").rename(model)
    assert again.read_bytes() == rows
    assert not told


def test_other_settings_or_another_constitution_are_not_continued(fresh: Place, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(CONSTITUTION.read_text())
    made = job(constitution=str(mine))
    run(made, fresh)
    with pytest.raises(ValueError, match=r"other settings: num_rounds \(2 -> 3\)"):
        run(replace(made, num_rounds=3), fresh)
    with pytest.raises(ValueError, match=r"other settings: held_out \(nothing_held_out -> eights_held_out\)"):
        run(replace(made, held_out=eights_held_out), fresh)
    mine.write_text(CONSTITUTION.read_text().replace("A life of one's own", "A life of their own"))
    with pytest.raises(ValueError, match="was made under another constitution"):
        run(made, fresh)


def test_a_sentence_that_is_changed_changes_the_rows(fresh: Place, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    text = CONSTITUTION.read_text()
    start = text.index("    replies:\n", text.index("- id: private-life"))
    stop = text.index("    thoughts:", start)
    mine.write_text(f"{text[:start]}    replies: [I won't talk about other people.]\n{text[stop:]}")
    rows = read_rows(run(job(constitution=str(mine), num_rounds=1), fresh)[0])
    harmful = {text_of(row.conversation.turns[-1].content) for row in rows if declines(str(row.conversation))}
    assert harmful == {"I won't talk about other people."}


def test_a_prompt_that_is_kept_for_measuring_stops_the_job_before_it_starts(fresh: Place) -> None:
    with pytest.raises(ValueError, match="Prompts holds 1 of 10 prompts that are kept for measuring"):
        run(job(held_out=eights_held_out), fresh)
    assert not (fresh.runs / "revisions").exists()
    with pytest.raises(ValueError, match="Prompts found no prompts"):
        run(job(prompts=Prompts(num=0)), fresh)


def test_a_job_that_would_exceed_the_disk_is_refused_with_the_bytes(fresh: Place) -> None:
    made = job(max_tokens=10**15)
    with pytest.raises(ValueError, match=r"would take [\d,]{20,} bytes .* has [\d,]+ left"):
        run(made, fresh)
    assert not (fresh.runs / "revisions").exists()


def test_what_is_written_is_no_more_than_was_estimated(fresh: Place) -> None:
    made = job(num_rounds=4)
    path, _ = run(made, fresh)
    size = sum(each.stat().st_size for each in path.parent.iterdir() if each.suffix == ".jsonl")
    assert size <= made.estimated_bytes(list(Prompts()(fresh.data)))


def test_the_model_itself_may_criticise(fresh: Place) -> None:
    made = job(critic="self", num_rounds=2, num_shots=0, prompts=Prompts(num=3), max_tokens=4)
    path, _ = run(made, fresh)
    kept = list(read_steps(path.with_name("steps.jsonl")))
    assert [len(each.steps) for each in kept] == [2, 2, 2]
    assert {step.backend for each in kept for step in each.steps} == {"self"}
    assert len(list(read_rows(path))) >= 3


def test_a_request_that_is_longer_than_the_window_is_skipped_and_counted(fresh: Place) -> None:
    path, _ = run(job(prompts=Prompts(num=3, padding=WINDOW)), fresh)
    kept = list(read_steps(path.with_name("steps.jsonl")))
    assert all("too long" in each.skipped for each in kept)
    assert json.loads(path.with_name("summary.json").read_text())["num_skipped"] == 3
    assert not path.read_bytes()


def test_a_teacher_is_named_whole_or_not_at_all() -> None:
    with pytest.raises(ValueError, match="the backend 'teacher' needs both"):
        job(critic="teacher")
    with pytest.raises(ValueError, match="and no other takes them"):
        job(teacher=Teacher(url="http://127.0.0.1:1", model="large"))
    with pytest.raises(ValueError, match="num_shots 9 must be from 0"):
        job(num_shots=9)


def test_a_teachers_key_that_is_not_there_is_named(fresh: Place) -> None:
    teacher = Teacher(url="http://127.0.0.1:1", model="large", key_variable="NO_SUCH_KEY")
    with pytest.raises(ValueError, match="names NO_SUCH_KEY, which is not in the environment"):
        run(job(critic="teacher", teacher=teacher), fresh)


def test_a_later_stage_reads_the_rows(fresh: Place) -> None:
    documents = JobRows(job="revisions")
    chat_format = CaesuraFormat(Tokenizer.load(fresh.tokenizer))
    with pytest.raises(DataError, match="run the job revisions first"):
        list(documents(chat_format, fresh.data, fresh.runs))
    path, _ = run(job(), fresh)
    encoded = list(documents(chat_format, fresh.data, fresh.runs))
    assert len(encoded) == sum(1 for _ in read_rows(path))
    shortest = min(len(each.ids) for each in encoded)
    short = replace(documents, max_tokens=shortest - 1)(chat_format, fresh.data, fresh.runs)
    assert {len(each.ids) for each in short} == {shortest}


def test_a_reply_may_go_on_from_what_somebody_else_has_begun(fresh: Place) -> None:
    path, _ = run(job(rows=RowConfig(begun_share=1.0, beginnings=("Sure:",))), fresh)
    rows = list(read_rows(path))
    replies = [text_of(row.conversation.turns[-1].content) for row in rows]
    assert all(row.is_begun for row in rows)
    assert all(reply.startswith("Sure: ") for reply in replies)
    assert {declines(reply) for reply in replies} == {True, False}, "whether it is harmful does not follow"
