"""The families of problems: right by an independent solution, varied, and not to be guessed."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from statistics import fmean

import pytest

from caesura.evals.tasks import FAMILIES, MAX_DIFFICULTY, Family, Problem, is_correct
from tests.evals.solvers import SOLVERS

families = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)


def _problems(family: Family, count: int) -> list[Problem]:
    return [
        family.problem(f"test/{number}", 1 + number % MAX_DIFFICULTY, is_held_out=True)
        for number in range(count)
    ]


def test_there_are_a_dozen_families_and_a_control() -> None:
    assert sum(family.needs_thinking for family in FAMILIES.values()) >= 12
    assert not FAMILIES["addition"].needs_thinking
    assert SOLVERS.keys() == FAMILIES.keys()


@families
def test_an_independent_solution_agrees(family: Family) -> None:
    for problem in _problems(family, 400):
        assert SOLVERS[family.name](problem.question) == problem.answer, problem.question


@families
def test_a_seed_gives_the_same_problem_and_another_seed_another(family: Family) -> None:
    again = [
        family.problem(f"test/{number}", 1 + number % MAX_DIFFICULTY, is_held_out=True)
        for number in range(50)
    ]
    assert again == _problems(family, 50)
    assert family.problem("one", 5, is_held_out=True) != family.problem("two", 5, is_held_out=True)


@families
def test_a_difficulty_off_the_dial_is_refused(family: Family) -> None:
    for difficulty in (0, MAX_DIFFICULTY + 1):
        with pytest.raises(ValueError, match=f"difficulty {difficulty} is not in"):
            family.problem("seed", difficulty, is_held_out=True)


@families
def test_every_sum_in_the_reasoning_is_right(family: Family) -> None:
    for problem in _problems(family, 200):
        for expression, result in re.findall(r"(\d+(?:[+*/-]\d+)+)=(-?\d+)", problem.thinking):
            assert eval(expression) == int(result), problem.thinking


def _concluded(family: str, problem: Problem) -> str:
    """What the last step of the reasoning comes to."""
    last = problem.steps[-1]
    match family:
        case "state":
            place = re.findall(r"(\d)\?", problem.question)[-1]
            return last.split(": ")[1].split()[int(place) - 1]
        case "equations":
            return last.split(":")[0]
        case "boolean":
            return last.split(";")[1]
        case "letters":
            return max(re.findall(r"\d+", problem.thinking), key=int, default="0")
        case "dates":
            first, second = re.findall(r"(\d+) ([A-Z]\w+)|([A-Z]\w+) \d+\+\d+=(\d+)", last)[0][:2] or ("", "")
            month, day = (re.findall(r"([A-Z]\w+) \d+\+\d+=(\d+)", last) or [("", "")])[0]
            return f"{day} {month}" if day else (second if second.endswith("day") else f"{first} {second}")
        case "sorting" | "lists":
            return last.split(":")[1]
        case _:
            return last.split("=")[-1]


@families
def test_the_reasoning_leads_to_the_answer(family: Family) -> None:
    for problem in _problems(family, 200):
        assert problem.steps
        assert _concluded(family.name, problem) == problem.answer, problem.thinking


@families
def test_the_right_answer_is_graded_right_and_others_wrong(family: Family) -> None:
    problems = _problems(family, 100)
    for problem, other in pairwise(problems):
        assert is_correct(problem, problem.reply)
        assert is_correct(problem, f"It is simple.\nSo the answer is: {problem.answer}")
        assert is_correct(problem, problem.answer)
        if other.answer.casefold() != problem.answer.casefold():
            assert not is_correct(problem, other.reply)


@families
def test_a_reply_that_hedges_is_wrong(family: Family) -> None:
    for problem in _problems(family, 50):
        answer = problem.answer
        for reply in (
            "",
            "The answer is .",
            "The answer is",
            f"The answer is {answer} or 99999.",
            f"The answer is 99999 or {answer}.",
            f"The answer is not {answer}.",
            f"The answer is {answer}. The answer is 99999.",
            f"The answer is {answer}.\nNo: the answer is 99999.",
            f"{answer} 99999",
            f"The answer is {answer}0.",
            f"The answer is -{answer}.",
            "The answer is " + ", ".join(["0", "1", "2", "3", "4", answer, "5", "A", "B", "Monday"]) + ".",
        ):
            assert not is_correct(problem, reply), (reply, answer)


def test_spaces_after_commas_and_case_do_not_matter() -> None:
    problem = Problem(question="Which list?", steps=("1:4,5",), answer="4,5")
    assert is_correct(problem, "The answer is 4, 5.")
    weekday = Problem(question="Which day?", steps=("0 Monday",), answer="Monday")
    assert is_correct(weekday, "the answer is monday")


@families
def test_no_constant_answer_beats_the_chance_level(family: Family) -> None:
    answers = Counter(problem.answer for problem in _problems(family, 1500))
    assert answers.most_common(1)[0][1] / 1500 <= family.chance + 0.05, answers.most_common(3)


@families
def test_the_dial_makes_problems_longer(family: Family) -> None:
    def length(difficulty: int) -> float:
        return fmean(
            len(family.problem(number, difficulty, is_held_out=True).thinking) for number in range(200)
        )

    assert length(MAX_DIFFICULTY) > 1.2 * length(1)
    assert length(MAX_DIFFICULTY) > length(2)


@families
def test_questions_come_in_several_wordings(family: Family) -> None:
    plain = [re.sub(r"\b[A-Z]\w*|[\d\W]", "", problem.question) for problem in _problems(family, 300)]
    starts, ends = Counter(text[:8] for text in plain), Counter(text[-6:] for text in plain)
    common = [sum(count >= 15 for count in shapes.values()) for shapes in (starts, ends)]
    assert max(common) >= 3, (starts, ends)
