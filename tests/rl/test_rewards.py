"""The verifier under attack, the audit beside it, and ids that have to match."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.evals.tasks import FAMILIES, Problem, is_correct
from caesura.rl.rewards import (
    Judged,
    RewardConfig,
    RewardError,
    audit,
    check_disputes,
    check_ids,
    judge_group,
    num_repetitions,
    relative_length,
)
from tests.rl.replies import rollout

PROBLEM = Problem(question="What is 1+2?", steps=("1+2=3",), answer="3")
LIST = Problem(question="Sort.", steps=("1,2",), answer="1,2,3")
CONFIG = RewardConfig()


def reward_of(text: str, problem: Problem = PROBLEM, **changes: Any) -> float:
    return judge_group([rollout(text, **changes)], problem, CONFIG)[0].reward


@pytest.mark.parametrize("text", ["The answer is 3.", "the answer is 3", "So the answer is: 3."])
def test_a_right_answer_that_is_well_formed_is_worth_one(text: str) -> None:
    assert reward_of(text) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        ".",
        "3",  # no announcement: how would one know which of several numbers is meant
        "The answer is 3 or 4.",
        "The answer is 4. The answer is 3.",
        "The answer is 3. The answer is 4.",
        "The answer is 4, no, the answer is 3.",
        "THE ANSWER IS 4. The answer is 3.",
        "The answer is ٣.",
        "The answer is ３.",
        "The answer is three.",
        "The answer is 3.0.",
        "The answer is 03.",
        "The answer is 3\u200b.",
        "The answer is 1+2.",
        "The answer is not 4 but 3.",
        "The answer is 3" + "3" * 100_000,
        "3" * 100_000 + " The answer is 3.",
        "The answer is " + " " * 100_000 + "3.",
        "The answer is 0 1 2 3 4 5 6 7 8 9.",
        "<think>The answer is 3.</think>",
        "The answer is {answer}.",
    ],
)
def test_what_only_looks_like_an_answer_is_worth_nothing(text: str) -> None:
    assert reward_of(text) == 0.0


def test_an_answer_in_the_thought_alone_is_worth_nothing() -> None:
    assert reward_of("", thinking_tokens=10) == 0.0
    assert reward_of("See above.", thinking_tokens=10) == 0.0


@pytest.mark.parametrize("finish", ["max_tokens", "window", "stop_sequence", "tool_use"])
def test_a_right_answer_that_was_cut_off_is_worth_nothing(finish: str) -> None:
    judged = judge_group([rollout("The answer is 3.", finish=finish)], PROBLEM, CONFIG)[0]
    assert (judged.reward, judged.is_right, judged.is_formed, judged.is_solved) == (0.0, True, False, False)


def test_only_right_replies_pay_for_length_and_only_where_it_is_wanted() -> None:
    lengths, texts = [10, 30, 90], ["The answer is 3.", "The answer is 3.", "The answer is 4."]
    replies = [
        rollout(text, id=str(number), thinking_tokens=length, mode="adaptive")
        for number, (length, text) in enumerate(zip(lengths, texts, strict=True))
    ]
    judged = judge_group(replies, PROBLEM, RewardConfig(length_cost=0.2))
    assert [each.reward for each in judged] == pytest.approx([1.1, 0.9, 0.0])
    free = [rollout(text, thinking_tokens=length) for length, text in zip(lengths, texts, strict=True)]
    assert [each.reward for each in judge_group(free, PROBLEM, RewardConfig(length_cost=0.2))] == [
        1.0,
        1.0,
        0.0,
    ]


def test_however_long_a_right_reply_is_it_is_worth_more_than_a_wrong_one() -> None:
    assert relative_length(10_000, 10.0) == 1.0
    assert relative_length(0, 10.0) == -1.0
    assert relative_length(5, 0.0) == 0.0


def test_a_reply_that_goes_round_in_circles_is_told_from_one_that_does_not() -> None:
    assert num_repetitions([1, 2, 3] * 5, 3) == 5
    assert num_repetitions(list(range(50)), 3) == 1
    assert num_repetitions([1], 3) == 0
    circles = rollout("The answer is 3.", reply=(7, 8, 9, 10) * 12)
    assert judge_group([circles], PROBLEM, CONFIG)[0].is_repetitive


def _near_misses(rng: Random, problem: Problem) -> list[str]:
    answer = problem.answer
    return [
        problem.reply,
        answer,
        f"The answer is {answer}",
        f"The answer is {answer}0.",
        f"the answer is: {answer.upper()}.",
        f"The answer is {answer.replace(',', ' , ')}.\nThe end.",
        f"The answer is {rng.randrange(100)}. The answer is {answer}.",
        f"The answer is {answer}. The answer is {rng.randrange(100)}.",
        f"The answer is\n{answer}.",
        f"My answer is {answer}.5.",
        problem.thinking,
    ]


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_grader_and_audit_agree_on_every_family(name: str) -> None:
    rng = Random(name)
    for seed in range(20):
        problem = FAMILIES[name].problem(seed, 1 + seed % 5, is_held_out=False)
        for reply in _near_misses(rng, problem):
            assert audit(reply, problem.answer) is is_correct(problem, reply), reply
        assert audit(problem.reply, problem.answer)


_PIECES = [
    "answer is",
    "Answer is",
    "The",
    "3",
    ".",
    ",",
    ":",
    " ",
    "\n",
    "\t",
    "1,2,3",
    "4",
    "ANSWER IS",
    "\u2003",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join), st.sampled_from([PROBLEM, LIST]))
def test_grader_and_audit_agree_whatever_is_put_together(reply: str, problem: Problem) -> None:
    assert audit(reply, problem.answer) is is_correct(problem, reply)


def _judged(id: str) -> Judged:
    return Judged(id=id, reward=1.0, is_right=True, is_formed=True, is_repetitive=False, is_disputed=False)


def test_rewards_that_do_not_belong_to_their_rollouts_are_refused() -> None:
    replies = [rollout("a", id="x"), rollout("b", id="y")]
    check_ids(replies, [_judged("x"), _judged("y")])
    for wrong in (["y", "x"], ["x"], ["x", "y", "y"], ["x", "z"]):
        with pytest.raises(RewardError, match="do not belong"):
            check_ids(replies, [_judged(each) for each in wrong])
    with pytest.raises(RewardError, match="come twice"):
        check_ids([replies[0]] * 2, [_judged("x")] * 2)


def test_graders_that_disagree_too_often_stop_the_run() -> None:
    check_disputes(1, 100, limit=0.001)
    check_disputes(10, 10_000, limit=0.001)
    with pytest.raises(RewardError, match="disagree about 11 of 10000"):
        check_disputes(11, 10_000, limit=0.001)
