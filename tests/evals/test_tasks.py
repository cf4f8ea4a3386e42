"""The families of problems: right by an independent solution, varied, and not to be guessed."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest
import tokenizers

from caesura.evals.tasks import FAMILIES, MAX_DIFFICULTY, Family, Problem, is_correct
from tests.evals.solvers import SOLVERS

_VOCABULARY = Path(__file__).parents[2] / "caesura" / "bundled" / "nano" / "tokenizer.json"

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
            return last.split()[-1]
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


def _problems_with(family: str) -> list[Problem]:
    return _problems(FAMILIES[family], 200)


def test_the_last_state_is_read_out_place_by_place_and_at_the_place_that_is_asked_for() -> None:
    for problem in _problems_with("state"):
        *swaps, places, asked = problem.steps
        state = swaps[-1].split(": ")[1].split()
        assert places == ",".join(f"{place} {letter}" for place, letter in enumerate(state, start=1))
        place = re.findall(r"(\d)\?", problem.question)[-1]
        assert asked == f"place {place} {problem.answer}"
        assert f"{place} {problem.answer}" in places.split(",")


def test_every_swap_leads_from_one_written_state_to_the_next() -> None:
    for problem in _problems_with("state"):
        asked = re.findall(r"\((\d+)\) (\d) and (\d)", problem.question)
        state = re.findall(r"\b[A-K]\b", problem.question.split("(1)")[0])[:5]
        for (number, first, second), step in zip(asked, problem.steps[:-2], strict=True):
            one, other = int(first) - 1, int(second) - 1
            state[one], state[other] = state[other], state[one]
            assert step == f"{number}:{first}-{second}: {' '.join(state)}"


def test_every_variable_stands_beside_the_value_that_the_question_gives_it() -> None:
    for problem in _problems_with("boolean"):
        given = dict(re.findall(r"\b([a-e]) is (true|false)", problem.question))
        assert dict(re.findall(r"\b([a-e]) (true|false)", problem.steps[0])) == given
        for step in problem.steps:
            for name, value in re.findall(r"\b([a-e]) (true|false)", step):
                assert given[name] == value, problem.thinking


def test_every_statement_is_copied_and_worked_out_from_the_left() -> None:
    for problem in _problems_with("boolean"):
        statements = re.findall(r"\(\d\) (.+?)(?=, \(\d\)|[?.]$)", problem.question)
        count = 0
        for statement, step in zip(statements, problem.steps[1:], strict=True):
            line, stated = step.split(": ")[1].split(";")
            copied = re.sub(r" is (true|false)| = (true|false)|(?<=\b[a-e]) (true|false)", "", line)
            assert copied == re.sub(r"[()]", "", statement)
            value, count = _worked_out(line), count + _worked_out(line)
            assert line.endswith("true" if value else "false")
            assert int(stated) == count


def _worked_out(line: str) -> bool:
    """The value of a written statement, with every value on the way compared to what is written."""
    value = True
    literal = r"(?:(and|or) )?(not )?[a-e] (true|false)(?: is (true|false))?(?: = (true|false))?"
    for operator, negation, word, negated, result in re.findall(literal, line):
        own = (word == "true") is not bool(negation)
        assert not negation or negated == ("true" if own else "false")
        value = (value or own) if operator == "or" else (value and own)
        assert not operator or result == ("true" if value else "false")
    return value


def test_a_plan_names_every_event_and_the_sums_follow_it() -> None:
    for problem in _problems_with("word_problems"):
        start, *plan = problem.steps[0].split(";")
        total = int(start)
        for number, item in enumerate(plan, start=1):
            index, change = item.split(":")
            assert int(index) == number
            own = [step.split(":")[1] for step in problem.steps[1:] if step.startswith(f"{number}:")]
            assert own[-1].startswith(f"{total}{'+' if change == '*2' else change[0]}"), problem.thinking
            total = int(eval(f"{total}{change}"))
            assert own[-1].endswith(f"={total}"), problem.thinking
        assert str(total) == problem.answer


@pytest.mark.parametrize("family", ["state", "boolean", "word_problems", "lists"])
def test_a_thought_stays_short(family: str) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(_VOCABULARY))
    sizes = [len(tokenizer.encode(problem.thinking).ids) for problem in _problems_with(family)]
    assert max(sizes) < 200


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
