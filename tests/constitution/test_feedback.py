from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.constitution.asking import Speaker
from caesura.constitution.feedback import (
    CLAMP,
    Compared,
    Feedback,
    Verdict,
    compare_all,
    label,
    outcomes,
    preferences_of,
    read_comparisons,
)
from caesura.constitution.judges import RuleJudge, ScoringJudge
from caesura.constitution.principles import Principle, load_constitution
from caesura.constitution.prompts import Prompt, WrittenPrompt
from caesura.messages.content import Conversation, conversation
from caesura.messages.errors import ApiError
from caesura.messages.preferences import DIMENSIONS
from caesura.messages.request import MessagesRequest
from caesura.messages.scripted import ScriptedClient, ScriptedReply
from tests.constitution.cases import HARMFUL, HARMLESS, declines, small
from tests.constitution.texts import CharacterTexts

YES, NO = "Take a pipe.", "I can't help with that."
WEAPONS = small().principles[0]


@dataclass(frozen=True, kw_only=True)
class Biased:
    """Says p for whatever stands first, and more for a refusal.

    gain: how much more.
    """

    p: float
    gain: float = 0.0
    labeler: str = "biased"
    is_reasoned: bool = False

    async def prefer(
        self, principles: Sequence[Principle], prompt: Prompt, first: str, second: str, rng: random.Random
    ) -> float:
        return self.p + self.gain * (declines(first) - declines(second))


def speaker(*replies: str, **options: object) -> Speaker:
    return Speaker(client=ScriptedClient(replies), model="scripted")


def feedback(first: Speaker, second: Speaker | None = None) -> Feedback:
    return Feedback(
        first=first,
        second=second or first,
        judge=RuleJudge(is_refusal=declines),
        constitution=small(),
        max_at_once=1,
    )


@given(p=st.floats(0, 1))
async def test_a_judge_that_favours_a_place_favours_nobody(p: float) -> None:
    judge = Biased(p=p)
    assert await label(judge, [WEAPONS], HARMFUL, (NO, YES), random.Random(0)) == pytest.approx(0.5)


@given(p=st.floats(0.2, 0.8))
async def test_what_is_left_of_a_biased_judge_is_what_it_thinks_of_the_replies(p: float) -> None:
    judge = Biased(p=p, gain=0.2)
    assert await label(judge, [WEAPONS], HARMFUL, (NO, YES), random.Random(0)) == pytest.approx(0.7)
    assert await label(judge, [WEAPONS], HARMFUL, (YES, NO), random.Random(0)) == pytest.approx(0.3)


@given(gain=st.floats(-0.5, 0.5))
async def test_a_reasoned_judge_is_clamped(gain: float) -> None:
    judge = Biased(p=0.5, gain=gain, is_reasoned=True)
    found = await label(judge, [WEAPONS], HARMFUL, (NO, YES), random.Random(0))
    assert found == pytest.approx(min(max(0.5 + gain, CLAMP[0]), CLAMP[1]))
    assert CLAMP == (0.4, 0.6)


async def test_a_judge_that_always_says_a_is_undone_in_log_probabilities_too() -> None:
    judge = ScoringJudge(texts=CharacterTexts(lambda text: -5.0 * text.endswith("B")), model="m")
    forwards = await judge.prefer([WEAPONS], HARMFUL, NO, YES, random.Random(0))
    assert forwards > 0.99
    assert await label(judge, [WEAPONS], HARMFUL, (NO, YES), random.Random(0)) == pytest.approx(0.5)


async def test_rows_have_dimension_principles_and_labeler(tmp_path: Path) -> None:
    prompts = [HARMFUL, HARMLESS]
    path = tmp_path / "comparisons.jsonl"
    settings = feedback(speaker(YES, NO), speaker(NO, "You are stupid."))
    await compare_all(settings, prompts, path)
    kept = list(read_comparisons(path))
    rows = [row for prompt, each in zip(prompts, kept, strict=True) for row in preferences_of(each, prompt)]
    assert [(row.dimension, row.principle_id, row.chosen, row.rejected) for row in rows] == [
        ("harmless", "no-weapons", NO, YES),
        ("helpful", "answer", "You are stupid.", NO),
        ("coherent", "polite", NO, "You are stupid."),
    ]
    assert all(0.5 < row.p < 1 and row.labeler == "rules" for row in rows)
    assert (rows[0].source, rows[0].licence) == ("own", "CC0-1.0")
    assert rows[0].prompt == conversation(("user", HARMFUL.text)).turns


async def test_equal_and_empty_replies_and_ties_are_skipped_and_counted(tmp_path: Path) -> None:
    prompts = [replace(HARMFUL, text=f"number {number}") for number in range(4)]
    path = tmp_path / "comparisons.jsonl"
    replies = (NO, YES), (NO, f" {NO}"), (NO, " "), (NO, "I won't do that.")
    settings = feedback(*(speaker(*each) for each in zip(*replies, strict=True)))
    await compare_all(settings, prompts, path)
    assert outcomes(path) == {"compared": 1, "equal": 1, "empty": 1, "undecided": 1}
    kept = zip(prompts, read_comparisons(path), strict=True)
    assert sum(len(list(preferences_of(each, prompt))) for prompt, each in kept) == 1


async def test_principles_are_drawn_for_each_dimension_or_all_are_averaged(tmp_path: Path) -> None:
    ours = load_constitution()
    settings = replace(feedback(speaker(NO), speaker(YES)), constitution=ours, num_principles=1)
    await compare_all(settings, [HARMFUL], tmp_path / "one.jsonl")
    (one,) = read_comparisons(tmp_path / "one.jsonl")
    assert [len(each.principle_ids) for each in one.verdicts] == [1] * len(DIMENSIONS)
    settings = replace(settings, num_principles=0, first=speaker(NO), second=speaker(YES))
    await compare_all(settings, [HARMFUL], tmp_path / "all.jsonl")
    (every,) = read_comparisons(tmp_path / "all.jsonl")
    for verdict in every.verdicts:
        bearing = [each.id for each in ours.bearing_on(HARMFUL) if each.dimension == verdict.dimension]
        assert sorted(verdict.principle_ids) == sorted(bearing)


def seeded(request: MessagesRequest) -> ScriptedReply:
    return ScriptedReply(text=f"Pipe number {request.sampling.seed}.")


async def test_a_run_that_failed_goes_on_and_ends_like_one_that_did_not(tmp_path: Path) -> None:
    prompts = [replace(HARMFUL, text=f"number {number}") for number in range(5)]

    async def run(path: Path, client: ScriptedClient) -> bytes:
        await compare_all(feedback(Speaker(client=client, model="scripted")), prompts, path)
        return path.read_bytes()

    whole = await run(tmp_path / "whole.jsonl", ScriptedClient(otherwise=seeded))
    path = tmp_path / "comparisons.jsonl"
    left = [4]

    def breaks(request: MessagesRequest) -> ScriptedReply:
        left[0] -= 1
        if left[0] < 0:
            raise ApiError("the machine went away")
        return seeded(request)

    with pytest.raises(ApiError, match="went away"):
        await run(path, ScriptedClient(otherwise=breaks))
    assert len(list(read_comparisons(path))) == 2
    path.write_bytes(path.read_bytes()[:-3])
    client = ScriptedClient(otherwise=seeded)
    assert await run(path, client) == whole
    assert len(client.history) == 2 * 4


async def test_comparisons_of_other_prompts_or_another_constitution_are_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "comparisons.jsonl"
    settings = feedback(Speaker(client=ScriptedClient(otherwise=seeded), model="scripted"))
    await compare_all(settings, [HARMFUL], path)
    with pytest.raises(ValueError, match="belongs to other requests"):
        await compare_all(settings, [HARMLESS], path)
    with pytest.raises(ValueError, match="under another constitution"):
        await compare_all(replace(settings, constitution=load_constitution()), [HARMFUL], path)


async def test_a_prompt_with_a_system_prompt_is_skipped_and_counted(tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Told(WrittenPrompt):
        @property
        def conversation(self) -> Conversation:
            return conversation(("user", self.text), system="Be brief.")

    prompt = Told(text="a", is_harmful=True, category="weapons_violence")
    path = tmp_path / "c.jsonl"
    await compare_all(feedback(speaker(YES), speaker(NO)), [prompt, HARMFUL], path)
    skipped, compared = read_comparisons(path)
    assert (skipped.outcome, skipped.skipped) == ("skipped", "a preference holds no system prompt")
    assert not list(preferences_of(skipped, prompt))
    assert compared.outcome == "compared"


def test_the_more_probable_side_is_chosen_whichever_it_is() -> None:
    verdicts = tuple(Verdict(dimension="harmless", p=p, principle_ids=("a", "b")) for p in (0.2, 0.8, 0.5))
    compared = Compared(
        prompt="",
        prompt_id="",
        first="one",
        second="two",
        labeler="x",
        constitution="",
        verdicts=verdicts,
    )
    rows = list(preferences_of(compared, HARMFUL))
    assert [(row.chosen, row.p) for row in rows] == [("two", 0.8), ("one", 0.8)]
    assert {row.principle_id for row in rows} == {"a+b"}


@pytest.mark.parametrize("changes", [{"num_principles": -1}, {"max_at_once": 0}])
def test_settings_that_mean_nothing_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        replace(feedback(speaker()), **changes)
