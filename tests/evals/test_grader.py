"""The grader: which answer a reply is taken to give."""

from __future__ import annotations

import pytest

from caesura.evals.tasks import Problem, is_correct, stated_answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("The answer is 7.", "7"),
        ("the answer is: 7", "7"),
        ("7.", "7"),
        ("The answer is 12. I hope so.", "12"),
        ("I think the answer is 5. No, the answer is 7.", "7"),
        ("The answer is 5 - no, the answer is 7", "7"),
        ("The answer is 5.\nOn reflection the answer is 7.\nDone.", "7"),
        ("The answer is 24 February. It is a leap year.", "24 February"),
        ("The answer is 0,2,8,6. Sorted, that is.", "0,2,8,6"),
        ("The answer is 0, 2, 8, 6", "0, 2, 8, 6"),
        ("The answer is 7\nbecause I say so", "7"),
    ],
)
def test_the_last_stated_answer_counts_up_to_its_full_stop(reply: str, answer: str) -> None:
    assert stated_answer(reply) == answer


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "The answer is",
        "The answer is .",
        "The answer is 7.5.",
        "The answer is not 7.",
        "The answer is 7 or 8.",
        "The answer is -7.",
        "The answer is 7. No, the answer is 8.",
        "7 8",
        "It may be 7, who knows.",
    ],
)
def test_a_reply_that_does_not_state_the_answer_alone_is_wrong(reply: str) -> None:
    assert not is_correct(Problem(question="Which?", steps=("3+4=7",), answer="7"), reply)
