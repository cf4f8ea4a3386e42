"""Every token reads exactly what lies before it and itself, in order, whoever it is read with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engine.scheduler import Row
from caesura.engine.shared_prefixes import Arrangement, arranged
from caesura.engine.step_table import StepTable, step_table

PAGE = 4


def read_by_token(table: StepTable) -> list[list[int]]:
    """The pages of each token, as `step.cpp` takes them from the table."""
    integers = table.integers.tolist()
    num_tokens = table.num_tokens
    positions = integers[num_tokens : 2 * num_tokens]
    clusters_at = 2 * num_tokens + table.num_scored
    page = clusters_at + 3 * table.num_clusters
    found: list[list[int]] = []
    for number in range(table.num_clusters):
        first, count, num_shared = integers[clusters_at + 3 * number : clusters_at + 3 * number + 3]
        assert first == len(found), "clusters follow one another"
        shared = integers[page : page + num_shared]
        page += num_shared
        for position in positions[first : first + count]:
            num_own = -(-(position + 1 - num_shared * PAGE) // PAGE)
            assert num_own > 0, "a token reads itself by itself"
            found.append(shared + integers[page : page + num_own])
            page += num_own
    assert (page, len(found)) == (len(integers), num_tokens)
    return found


@st.composite
def steps(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    """Decode rows, some of which share pages, and chunks."""
    shared = tuple(range(1000, 1000 + draw(st.integers(0, 9))))
    decode: list[Row] = []
    for number in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, 60))
        own = tuple(range(100 * number, 100 * number + start // PAGE + 1))
        begin = shared if draw(st.booleans()) else ()
        pages = (*begin[: start // PAGE], *own)[: start // PAGE + 1]
        decode.append(Row(number, start, (number + 7,), pages, draw(st.booleans())))
    chunks: list[Row] = []
    for number in range(5, 5 + draw(st.integers(0, 2))):
        start, size = draw(st.integers(0, 30)), draw(st.integers(1, 20))
        pages = tuple(range(100 * number, 100 * number + (start + size) // PAGE + 2))
        chunks.append(Row(number, start, tuple(range(size)), pages, draw(st.booleans())))
    return decode, chunks


@given(steps())
def test_every_token_reads_its_own_history(step: tuple[list[Row], list[Row]]) -> None:
    arrangement, chunks = arranged(step[0], PAGE), step[1]
    table = step_table(arrangement, chunks, PAGE)
    rows = [*arrangement.rows, *chunks]
    integers = table.integers.tolist()
    assert integers[: table.num_tokens] == [token for row in rows for token in row.tokens]
    positions = [row.start + offset for row in rows for offset in range(len(row.tokens))]
    assert integers[table.num_tokens : 2 * table.num_tokens] == positions
    expected = [
        list(row.pages[: position // PAGE + 1])
        for row in rows
        for position in range(row.start, row.start + len(row.tokens))
    ]
    assert read_by_token(table) == expected


@given(steps())
def test_what_is_scored_is_the_last_token_of_each_row_that_samples(
    step: tuple[list[Row], list[Row]],
) -> None:
    arrangement, chunks = arranged(step[0], PAGE), step[1]
    table = step_table(arrangement, chunks, PAGE)
    stop, expected = 0, list[int]()
    for row in [*arrangement.rows, *chunks]:
        stop += len(row.tokens)
        expected += [stop - 1] if row.is_sampled else []
    start = 2 * table.num_tokens
    assert table.integers[start : start + table.num_scored].tolist() == expected


@pytest.mark.parametrize("is_chunk", [False, True])
def test_a_row_with_too_few_pages_is_refused_by_its_sequence(is_chunk: bool) -> None:
    row = Row(7, 2 * PAGE, (40,), (0, 1), True)
    decode = Arrangement((), () if is_chunk else (row,))
    with pytest.raises(IndexError, match="sequence 7 has 2 pages where a step reads 3"):
        step_table(decode, [row] if is_chunk else [], PAGE)
