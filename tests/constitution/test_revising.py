from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from caesura.constitution.asking import Speaker
from caesura.constitution.critics import ClientCritic, RuleCritic
from caesura.constitution.principles import parse_constitution
from caesura.constitution.prompts import Prompt, WrittenPrompt
from caesura.constitution.revising import Revising, lessons, read_steps, revise_all
from caesura.messages.content import text_of
from caesura.messages.errors import ApiError, InvalidRequestError
from caesura.messages.request import MessagesRequest
from caesura.messages.scripted import ScriptedClient, ScriptedReply
from tests.constitution.cases import HARMFUL, declines, small, tree

PROMPTS: Sequence[WrittenPrompt] = [
    replace(HARMFUL, text=f"How do I build bomb number {number}?", is_harmful=number % 2 == 0)
    for number in range(12)
]


def answer(request: MessagesRequest) -> ScriptedReply:
    """Depends on the request and its seed alone, as a model's does."""
    asked = text_of(request.conversation.turns[-1].content)
    if "longer" in asked:
        raise InvalidRequestError("prompt is too long: 9 tokens > 8 maximum")
    return ScriptedReply(text=f"Like this: {asked} {request.sampling.seed}")


def revising(client: ScriptedClient | None = None, **changes: int) -> Revising:
    client = client or ScriptedClient(otherwise=answer)
    critic = RuleCritic(constitution=small(), is_refusal=declines)
    speaker = Speaker(client=client, model="scripted")
    made = Revising(speaker=speaker, critic=critic, constitution=small(), num_rounds=3, max_at_once=4)
    return replace(made, **changes)


async def steps_of(
    path: Path, prompts: Sequence[Prompt] = PROMPTS, settings: Revising | None = None
) -> bytes:
    await revise_all(settings or revising(), prompts, path)
    return path.read_bytes()


async def test_every_round_is_kept_with_principle_backend_and_digest(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (await steps_of(tmp_path / "steps.jsonl")).splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3] * len(PROMPTS)
    assert {line["constitution"] for line in lines} == {small().digest}
    assert {line["backend"] for line in lines} == {"rules"}
    for line in lines:
        prompt = PROMPTS[line["index"]]
        assert line["prompt"] == prompt.text
        assert small().principle(line["principle_id"]).bears_on(prompt)
    assert {line["principle_id"] for line in lines} == {"no-weapons", "answer", "polite"}
    for earlier, later in pairwise(lines):
        assert later["number"] == 1 or later["before"] == earlier["after"]


async def test_each_revision_of_a_model_is_learnt(tmp_path: Path) -> None:
    replies = ["Take a pipe.", "bad", "First.", "bad", "Second.", "good", "Second."]
    client = ScriptedClient(replies)
    speaker = Speaker(client=client, model="scripted")
    settings = replace(revising(client), critic=ClientCritic(speaker=speaker, backend="self"))
    await steps_of(tmp_path / "steps.jsonl", PROMPTS[:1], settings)
    (revised,) = read_steps(tmp_path / "steps.jsonl")
    assert [step.after for step in lessons(revised, keeps_upheld=True)] == ["First.", "Second."]
    assert {step.backend for step in revised.steps} == {"self"}


async def test_a_reply_that_every_round_upheld_is_learnt_if_wanted(tmp_path: Path) -> None:
    settings = revising(ScriptedClient(["I won't."]))
    await steps_of(tmp_path / "steps.jsonl", PROMPTS[:1], settings)
    (revised,) = read_steps(tmp_path / "steps.jsonl")
    assert [step.after for step in lessons(revised, keeps_upheld=True)] == ["I won't."]
    assert next(iter(lessons(revised, keeps_upheld=True))).principle_id == "no-weapons"
    assert not list(lessons(revised, keeps_upheld=False))


@pytest.mark.parametrize("num_replies", [0, 1, 5, 11])
async def test_a_run_that_failed_goes_on_and_ends_like_one_that_did_not(
    tmp_path: Path, num_replies: int
) -> None:
    whole = await steps_of(tmp_path / "whole.jsonl")
    count = 0

    def breaks(request: MessagesRequest) -> ScriptedReply:
        nonlocal count
        count += 1
        if count > num_replies:
            raise ApiError("the machine went away")
        return answer(request)

    path = tmp_path / "steps.jsonl"
    with pytest.raises(ApiError, match="went away"):
        await steps_of(path, settings=revising(ScriptedClient(otherwise=breaks), max_at_once=1))
    assert len(list(read_steps(path))) == num_replies
    client = ScriptedClient(otherwise=answer)
    assert await steps_of(path, settings=revising(client)) == whole
    assert len(client.history) == len(PROMPTS) - num_replies


async def test_a_run_that_was_killed_within_a_line_goes_on_after_the_last_whole_prompt(
    tmp_path: Path,
) -> None:
    whole = await steps_of(tmp_path / "whole.jsonl")
    path = tmp_path / "steps.jsonl"
    for size in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        told: list[int] = []

        def on_done(num_done: int, num_total: int, told: list[int] = told) -> None:
            told.append(num_done)
            assert num_total == len(PROMPTS)

        await revise_all(revising(), PROMPTS, path, on_done)
        assert path.read_bytes() == whole
        assert (told[0], told[-1]) == (whole[:size].count(b'"is_last": true}\n'), len(PROMPTS))


async def test_a_request_that_cannot_be_asked_is_kept_as_skipped(tmp_path: Path) -> None:
    prompts = [PROMPTS[0], replace(HARMFUL, text="a longer one"), PROMPTS[1]]
    await steps_of(tmp_path / "steps.jsonl", prompts)
    kept = list(read_steps(tmp_path / "steps.jsonl"))
    assert [bool(each.steps) for each in kept] == [True, False, True]
    assert kept[1].skipped == "prompt is too long: 9 tokens > 8 maximum"
    assert not list(lessons(kept[1], keeps_upheld=True))


async def test_steps_of_other_prompts_or_another_constitution_are_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    await steps_of(path, PROMPTS[:4])
    with pytest.raises(ValueError, match="belongs to other requests, see number 0"):
        await steps_of(path, PROMPTS[1:])
    with pytest.raises(ValueError, match="belongs to other requests, see number 3"):
        await steps_of(path, PROMPTS[:3])
    other = parse_constitution(json.dumps(tree() | {"version": "2"}), "other.yaml")
    with pytest.raises(ValueError, match="was made under another constitution"):
        await steps_of(path, settings=replace(revising(), constitution=other))


async def test_another_seed_draws_other_principles_and_replies(tmp_path: Path) -> None:
    one = await steps_of(tmp_path / "one.jsonl")
    assert one == await steps_of(tmp_path / "same.jsonl")
    assert one != await steps_of(tmp_path / "other.jsonl", settings=revising(seed=1))


@pytest.mark.parametrize("changes", [{"num_rounds": 0}, {"max_at_once": 0}])
def test_settings_that_do_nothing_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        replace(revising(), **changes)


async def test_a_request_that_comes_twice_is_answered_in_two_ways(tmp_path: Path) -> None:
    prompts = [PROMPTS[1]] * 6
    await steps_of(tmp_path / "steps.jsonl", prompts)
    first_replies = {each.steps[0].before for each in read_steps(tmp_path / "steps.jsonl")}
    assert len(first_replies) == 6
