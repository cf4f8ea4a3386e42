"""Exercises of public textbooks, from CNXML modules to rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from caesura.messages.errors import DataError
from caesura.train.convert import remainder
from caesura.train.exercises import textbook_exercises

BOOK = "openstax/osbooks-sums"


def module(content: str, title: str = "Sums") -> bytes:
    namespaces = 'xmlns="http://cnx.rice.edu/cnxml" xmlns:m="http://www.w3.org/1998/Math/MathML"'
    return (
        f"<document {namespaces}><title>{title}</title><metadata><title>no</title></metadata>"
        f"<content><section>{content}</section></content></document>"
    ).encode()


def exercise(problem: str, solution: str = "<para>5</para>") -> str:
    return f"<exercise><problem>{problem}</problem><solution>{solution}</solution></exercise>"


def named(is_held_out: bool, start: int = 1) -> str:
    """The name of a module that the hash holds out, or does not."""
    return next(
        name
        for name in (f"m{number}" for number in range(start, 1000))
        if (remainder(f"sums/{name}", 25) == 0) == is_held_out
    )


def rows(*contents: str) -> list[dict[str, Any]]:
    """Of modules that are not held out."""
    files: dict[str, bytes] = {}
    start = 1
    for content in contents:
        name = named(False, start)
        start = int(name[1:]) + 1
        files[f"{BOOK}/modules/{name}/index.cnxml"] = module(content)
    return list(textbook_exercises(files))


def problems(found: Iterable[dict[str, Any]]) -> list[str]:
    return [row["problem"] for row in found]


def test_an_exercise_becomes_a_row_of_problem_and_solution() -> None:
    sum_of = "<para>Add <m:math><m:mn>2</m:mn><m:mo>+</m:mo><m:mn>3</m:mn></m:math>\n  now.</para>"
    (row,) = rows(exercise(sum_of, "<title>Solution</title><para>It is <term>5</term>.</para>"))
    assert row == {
        "id": f"sums/{named(False)}/0",
        "book": "sums",
        "module": "Sums",
        "problem": "Add 2 + 3 now.",
        "solution": "It is 5.",
    }


def test_the_instruction_of_a_group_stands_before_each_problem_until_the_next_heading() -> None:
    found = rows(
        "<para>Some words.</para><para>In the following exercises, add.</para>"
        + exercise("<para>1 and 4</para>")
        + "<para>A hint.</para>"
        + exercise("<para>2 and 3</para>")
        + '<para><emphasis effect="bold">Words</emphasis> </para>'
        + exercise("<para>How many are two and three?</para>")
        + "</section><section>"
        + exercise("<para>Name five.</para>")
    )
    assert problems(found) == [
        "Add.\n1 and 4",
        "Add.\n2 and 3",
        "How many are two and three?",
        "Name five.",
    ]


def test_lists_are_items_on_lines() -> None:
    items = "<item>ten</item><item>six <list><item>odd</item></list></item>"
    (row,) = rows(
        exercise(f'<para>Round: <list list-type="enumerated">{items}</list></para>', f"<list>{items}</list>")
    )
    assert row["problem"] == "Round:\n1. ten\n2. six\n- odd"
    assert row["solution"] == "- ten\n- six\n- odd"


def test_raised_and_lowered_text_keeps_its_mark_but_not_in_ordinals() -> None:
    (row,) = rows(exercise("<para>x<sup>2</sup> + x<sub>1</sub>, the 2<sup>nd</sup> time</para>"))
    assert row["problem"] == "x^2 + x_1, the 2nd time"


@pytest.mark.parametrize(
    "shown",
    [
        '<media alt="a line"><image src="a.jpg"/></media>',
        '<figure><media alt="a line"/></figure>',
        "<table><tgroup><tbody><row><entry>1</entry></row></tbody></tgroup></table>",
        '<para>See <link target-id="table-1"/>.</para>',
    ],
)
def test_what_plain_text_cannot_show_is_left_out_whichever_part_has_it(shown: str) -> None:
    found = rows(
        exercise(f"<para>Look.</para>{shown}")
        + exercise("<para>Draw.</para>", f"<para>So:</para>{shown}")
        + exercise("<para>Whole.</para>")
    )
    assert [(row["id"].rsplit("/", 1)[1], row["problem"]) for row in found] == [("2", "Whole.")]


def test_words_that_point_at_a_figure_leave_an_exercise_out() -> None:
    found = rows(
        exercise("<para>Use the graph to find x.</para>")
        + exercise("<para>Find the area of the shape shown below.</para>")
        + exercise("<para>Guests sit at tables of ten.</para>")
    )
    assert problems(found) == ["Guests sit at tables of ten."]


def test_an_instruction_that_needs_a_figure_leaves_its_group_out() -> None:
    assert not rows(
        '<para>In the following exercises, use this: <media alt="x"/></para>' + exercise("<para>a</para>")
    )


def test_an_exercise_without_a_solution_is_left_out() -> None:
    assert not rows("<exercise><problem><para>Add 1 and 4.</para></problem></exercise>")


def test_where_to_review_a_problem_is_left_out() -> None:
    review = 'If you missed this problem, review <link document="m1" target-id="x"/>.'
    assert problems(rows(exercise(f"<para>Add 1 and 4.<newline/>\n{review}</para>"))) == ["Add 1 and 4."]


def test_modules_are_held_out_by_hash_and_their_problems_everywhere() -> None:
    both = exercise("<para>In both.</para>")
    files = {
        f"{BOOK}/modules/{named(True)}/index.cnxml": module(both + exercise("<para>Held out.</para>")),
        f"{BOOK}/modules/{named(False)}/index.cnxml": module(both + exercise("<para>Ours.</para>")),
    }
    assert problems(textbook_exercises(files)) == ["Ours."]


def test_the_same_exercise_of_two_modules_is_one_row() -> None:
    same = exercise("<para>Add 1 and 4.</para>")
    found = rows(same, same + exercise("<para>Add 1 and 4.</para>", "<para>five</para>"))
    assert [row["solution"] for row in found] == ["5", "five"]


def test_a_module_that_is_not_xml_is_named() -> None:
    with pytest.raises(DataError, match=r"m1/index\.cnxml: not XML"):
        list(textbook_exercises({f"{BOOK}/modules/m1/index.cnxml": b"<document>"}))
