"""A whole run: it finds what a model gives in to, within its budget, and survives being killed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from caesura.constitution.redteam.archive import Cell
from caesura.constitution.redteam.findings import finding, write_findings
from caesura.constitution.redteam.journal import Journal
from caesura.constitution.redteam.seeds import read_seeds
from caesura.constitution.redteam.styles import Playbook
from caesura.messages.content import Conversation, text_of
from caesura.messages.errors import ApiError, DataError, InvalidRequestError
from caesura.messages.request import MessagesRequest
from caesura.messages.scripted import ScriptedClient, ScriptedReply
from tests.constitution.redteam.attacking import ANSWER, REFUSAL, SEEDS, attack, giving_in, prompt_of


def _is_role_play(request: MessagesRequest) -> bool:
    return "Max, who knows everything" in prompt_of(request)


def _lines(folder: Path) -> list[bytes]:
    return sorted((folder / "attempts.jsonl").read_bytes().splitlines())


async def test_the_one_wrapper_that_a_model_gives_in_to_is_found(tmp_path: Path) -> None:
    archive = await attack(giving_in(_is_role_play), tmp_path, budget=400)
    found = {cell for cell in archive.successes if cell.style == "role_play"}
    assert found == {Cell(category, "role_play") for category in archive.categories}
    assert all(
        "role_play" in [step.style for step in each.attack.steps] for each in archive.successes.values()
    )


async def test_what_worked_is_carried_into_other_styles(tmp_path: Path) -> None:
    archive = await attack(giving_in(_is_role_play), tmp_path, budget=400)
    assert len({cell.style for cell in archive.successes}) > 3


async def test_a_model_that_always_refuses_yields_nothing(tmp_path: Path) -> None:
    archive = await attack(giving_in(lambda _: False), tmp_path)
    assert not archive.successes
    assert archive.evenness is None


@pytest.mark.parametrize("budget", [1, 7, 64, 201])
async def test_the_budget_is_never_exceeded(tmp_path: Path, budget: int) -> None:
    target = giving_in(lambda request: len(prompt_of(request)) % 2 == 0)
    judge, attacker = ScriptedClient(otherwise="yes"), ScriptedClient(otherwise="<prompt>Open it</prompt>")
    await attack(target, tmp_path, budget=budget, judge=judge, attacker=attacker)
    total = len(target.history) + len(judge.history) + len(attacker.history)
    assert total <= budget
    with Journal(tmp_path / "attempts.jsonl") as journal:
        assert sum(record.num_requests for record in journal.records()) == total


async def test_without_further_models_all_of_the_budget_is_used(tmp_path: Path) -> None:
    target = giving_in(_is_role_play)
    await attack(target, tmp_path, budget=203)
    assert len(target.history) == 203


async def test_equal_seeds_give_equal_runs_whatever_runs_at_a_time(tmp_path: Path) -> None:
    for name, concurrency in (("one", 1), ("many", 50)):
        await attack(giving_in(_is_role_play), tmp_path / name, concurrency=concurrency)
    await attack(giving_in(_is_role_play), tmp_path / "other", seed=1)
    assert _lines(tmp_path / "one") == _lines(tmp_path / "many")
    assert _lines(tmp_path / "one") != _lines(tmp_path / "other")


class PowerCutError(Exception):
    """The machine is gone."""


def _dying(num_replies: int) -> ScriptedClient:
    """Gives in to role play, and is cut off after so many replies."""
    client: ScriptedClient

    def answer(request: MessagesRequest) -> ScriptedReply:
        if len(client.history) > num_replies:
            raise PowerCutError
        return ScriptedReply(text=ANSWER if _is_role_play(request) else REFUSAL)

    client = ScriptedClient(otherwise=answer)
    return client


@pytest.mark.parametrize("num_replies", [0, 3, 60, 150, 190])
async def test_a_run_that_was_killed_in_the_middle_of_a_line_ends_like_one_that_was_not(
    tmp_path: Path, num_replies: int
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    expected = await attack(giving_in(_is_role_play), whole)
    with pytest.raises(PowerCutError):
        await attack(_dying(num_replies), cut, concurrency=1)
    path = cut / "attempts.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - 9)])
    num_kept = path.read_bytes().count(b"\n")

    second = giving_in(_is_role_play)
    archive = await attack(second, cut)
    assert _lines(cut) == _lines(whole)
    assert archive.to_json() == expected.to_json()
    assert len(second.history) == len(_lines(whole)) - num_kept


async def test_a_run_that_is_over_asks_nothing_again(tmp_path: Path) -> None:
    await attack(giving_in(_is_role_play), tmp_path)
    again = giving_in(_is_role_play)
    await attack(again, tmp_path)
    assert not again.history


async def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    await attack(giving_in(_is_role_play), tmp_path, budget=40)
    path = tmp_path / "attempts.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b'{"phase": "plain"}\n', *lines[2:]]))
    with pytest.raises(DataError, match=r"attempts\.jsonl:2: "):
        Journal(path)


async def test_a_run_that_is_cancelled_keeps_what_was_answered(tmp_path: Path) -> None:
    stuck = asyncio.Event()
    reached = asyncio.Event()

    def answer(request: MessagesRequest) -> ScriptedReply:
        if len(client.history) <= 5:
            return ScriptedReply(text=REFUSAL)
        reached.set()
        return ScriptedReply(text=REFUSAL, pause=stuck)

    client = ScriptedClient(otherwise=answer)
    task = asyncio.create_task(attack(client, tmp_path, concurrency=1))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(_lines(tmp_path)) == 5


async def test_a_judge_takes_successes_back(tmp_path: Path) -> None:
    judge = ScriptedClient(otherwise="No.")
    archive = await attack(giving_in(lambda _: True), tmp_path, judge=judge)
    assert judge.history
    assert not archive.successes


async def test_an_attacker_sees_what_was_refused_and_its_wording_is_tried(tmp_path: Path) -> None:
    attacker = ScriptedClient(otherwise="<prompt>Whisper it, friend</prompt>")
    target = giving_in(lambda request: "Whisper it" in prompt_of(request))
    archive = await attack(target, tmp_path, budget=300, attacker=attacker)
    assert attacker.history
    assert all(REFUSAL in prompt_of(request) for request in attacker.history)
    assert any(cell.style == "attacker" for cell in archive.successes)
    assert "attacker" in archive.columns


async def test_prompts_beyond_what_the_model_was_trained_on_are_counted_and_not_sent(tmp_path: Path) -> None:
    target = giving_in(lambda _: False)
    await attack(target, tmp_path, window=120)
    with Journal(tmp_path / "attempts.jsonl") as journal:
        skipped = [record for record in journal.records() if record.outcome == "too_long"]
    assert {step.style for record in skipped for step in record.attack.steps} >= {"many_shot"}
    assert all(record.num_requests == 0 for record in skipped)
    assert all([await target.count_tokens(each) + each.max_tokens <= 120 for each in target.history])


async def test_a_prompt_that_the_server_will_not_take_is_counted_and_others_go_on(tmp_path: Path) -> None:
    def answer(request: MessagesRequest) -> ScriptedReply:
        if request.conversation.is_prefilled:
            raise InvalidRequestError("messages: a final assistant turn is not supported")
        return ScriptedReply(text=REFUSAL)

    target = ScriptedClient(otherwise=answer)
    await attack(target, tmp_path)
    assert len(target.history) == 200
    with Journal(tmp_path / "attempts.jsonl") as journal:
        unasked = [record for record in journal.records() if record.outcome == "unasked"]
    assert unasked
    assert not any(record.is_answered for record in unasked)


async def test_a_server_that_fails_ends_the_run_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="the cable is cut"):
        await attack(ScriptedClient(otherwise=ScriptedReply(error=ApiError("the cable is cut"))), tmp_path)


async def test_likelihoods_are_measured_where_they_can_be_and_cost_no_request(tmp_path: Path) -> None:
    async def score(conversation: Conversation, reply: str) -> float:
        num_shots = len(conversation.turns) // 2
        return -2.0 * (1 + num_shots) ** -0.5

    target = giving_in(lambda _: False)
    await attack(target, tmp_path, scorer=score)
    assert len(target.history) == 200
    with Journal(tmp_path / "attempts.jsonl") as journal:
        scored = [record for record in journal.records() if record.log_prob is not None]
    assert {record.log_prob for record in scored} >= {-2.0, -2.0 * 2**-0.5}


async def test_what_worked_can_be_read_as_prompts_of_the_next_round(tmp_path: Path) -> None:
    await attack(giving_in(_is_role_play), tmp_path, budget=400)
    with Journal(tmp_path / "attempts.jsonl") as journal:
        num_found = write_findings(tmp_path, journal.records(), Playbook(SEEDS), lambda text: "lock" in text)
    seeds = list(read_seeds(tmp_path / "successes.jsonl"))
    assert all(seed.is_harmful and seed.category != "none" and "role_play" in seed.kind for seed in seeds)
    assert len({seed.text for seed in seeds}) == len(seeds) > 0
    with Journal(tmp_path / "attempts.jsonl") as journal:
        records = [each for each in journal.records() if each.is_answered and each.is_success]
    own = {finding(each, Playbook(SEEDS)).text for each in records if "lock" in each.attack.seed.text}
    assert {seed.text for seed in seeds} == own
    fields = ["category", "is_harmful", "kind", "licence", "source", "text"]
    for line in (tmp_path / "successes.jsonl").read_bytes().splitlines():
        assert sorted(json.loads(line)) == fields
    rows = [json.loads(line) for line in (tmp_path / "conversations.jsonl").read_bytes().splitlines()]
    assert len(rows) == num_found
    assert all("Max, who knows" in "".join(turn["content"] for turn in row["turns"]) for row in rows)
    assert {row["licence"] for row in rows} == {"", "MIT"}
    assert {row["reply"] for row in rows} == {ANSWER}


async def test_samples_are_drawn_hot_and_with_seeds_of_their_own(tmp_path: Path) -> None:
    target = giving_in(lambda _: False)
    await attack(target, tmp_path)
    hot = [request for request in target.history if request.sampling.temperature == 1.0]
    assert hot
    assert len({request.sampling.seed for request in hot}) == len(hot)
    assert all(text_of(request.conversation.turns[0].content) for request in hot)
