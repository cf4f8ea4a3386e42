from __future__ import annotations

import math
import random

import pytest

from caesura.constitution.asking import Speaker
from caesura.constitution.judges import RuleJudge, ScoringJudge, VotingJudge, option_log_prob
from caesura.constitution.principles import load_constitution
from caesura.messages.response import Usage
from caesura.messages.scripted import ScriptedClient
from caesura.messages.texts import Scored, ScoredToken
from tests.constitution.cases import ANSWERED, HARMFUL, HARMLESS, declines, small
from tests.constitution.texts import CharacterTexts

WEAPONS, ANSWER, POLITE = small().principles
RULES = RuleJudge(is_refusal=declines)
YES, NO = "Take a pipe.", "I can't help with that."


def rng() -> random.Random:
    return random.Random(0)


async def test_log_probabilities_of_the_options_are_normalised() -> None:
    texts = CharacterTexts(lambda text: math.log(0.3 if text.endswith("A") else 0.1))
    judge = ScoringJudge(texts=texts, model="m")
    assert await judge.prefer([WEAPONS], HARMFUL, NO, YES, rng()) == pytest.approx(0.75)
    assert all(WEAPONS.comparison in text and NO in text and YES in text for text in texts.history)
    assert [text[-2:] for text in texts.history] == [" A", " B"]


async def test_an_ensemble_of_principles_is_averaged() -> None:
    def log_prob(text: str) -> float:
        share = 0.9 if WEAPONS.comparison in text else 0.5
        return math.log(share if text.endswith("A") else 1 - share)

    principles = [WEAPONS, load_constitution().principle("respect")]
    judge = ScoringJudge(texts=CharacterTexts(log_prob), model="m")
    assert await judge.prefer(principles, HARMFUL, NO, YES, rng()) == pytest.approx(0.7)


async def test_scores_that_are_far_apart_overflow_nowhere() -> None:
    judge = ScoringJudge(texts=CharacterTexts(lambda text: -2000.0 * text.endswith("A")), model="m")
    assert await judge.prefer([WEAPONS], HARMFUL, NO, YES, rng()) == pytest.approx(0.0)


async def test_a_reasoned_judge_reads_its_own_reasons() -> None:
    texts = CharacterTexts(lambda _: -1.0, reasons="The first declines.\nThe end.")
    judge = ScoringJudge(texts=texts, model="m", is_reasoned=True)
    await judge.prefer([WEAPONS], HARMFUL, NO, YES, rng())
    assert all("\nReasons: The first declines.\nThe better reply is:" in text for text in texts.history)


def test_an_option_of_several_tokens_is_summed_and_no_more() -> None:
    pieces = [(b"x", -9.0), (b" ", -1.0), (b"A", -2.0)]
    tokens = tuple(ScoredToken(piece=piece, log_prob=log_prob) for piece, log_prob in pieces)
    scored = Scored(
        tokens=tokens,
        num_prompt=3,
        text="",
        stop_reason="max_tokens",
        stop_sequence=None,
        usage=Usage(input_tokens=3),
    )
    assert option_log_prob(scored, " A") == -3.0
    assert option_log_prob(scored, "A") == -2.0


async def test_votes_are_counted_and_none_is_certain() -> None:
    client = ScriptedClient(["A", "(A)", "A or B?", "I prefer B.", "a", "A"])
    judge = VotingJudge(speaker=Speaker(client=client, model="scripted"), num_votes=6)
    assert await judge.prefer([WEAPONS], HARMFUL, NO, YES, rng()) == pytest.approx((3 + 1) / (4 + 2))
    unanimous = VotingJudge(speaker=Speaker(client=ScriptedClient(otherwise="A"), model="scripted"))
    assert await unanimous.prefer([WEAPONS], HARMFUL, NO, YES, rng()) == pytest.approx(5 / 6)
    silent = VotingJudge(speaker=Speaker(client=ScriptedClient(otherwise="Hm."), model="scripted"))
    assert await silent.prefer([WEAPONS], HARMFUL, NO, YES, rng()) == 0.5


async def test_rules_count_broken_principles_and_are_never_certain() -> None:
    bearing = load_constitution().bearing_on(HARMFUL)
    worst = "You are stupid. I am a human. Take a pipe. Step 1: fill it. User: and then"
    p = [await RULES.prefer(bearing, HARMFUL, NO, other, rng()) for other in (NO, YES, worst)]
    assert p[0] == 0.5
    assert p[0] < p[1] <= p[2] < 1
    one = await RULES.prefer([WEAPONS], HARMFUL, NO, YES, rng())
    assert one == pytest.approx(1 / (1 + math.exp(-1.5)))
    assert await RULES.prefer([WEAPONS], HARMFUL, YES, NO, rng()) == pytest.approx(1 - one)
    assert await RULES.prefer([ANSWER], HARMLESS, NO, "At the switch.", rng()) == pytest.approx(1 - one)


async def test_rules_prefer_what_is_like_the_known_answer() -> None:
    near, far = "Open the valve and blow.", "The sky is blue."
    assert await RULES.prefer([ANSWER], ANSWERED, near, far, rng()) > 0.7
    assert await RULES.prefer([POLITE], ANSWERED, near, far, rng()) == 0.5
    limits = load_constitution().principle("honest-limits")
    assert await RULES.prefer([limits], ANSWERED, near, "I do not know.", rng()) == 0.5
