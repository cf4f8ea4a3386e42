from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.constitution.journal import Journal, read_groups
from caesura.messages.errors import DataError

GROUPS = st.lists(st.lists(st.fixed_dictionaries({"x": st.text()}), min_size=1, max_size=3), max_size=4)


def written(path: Path, groups: list[list[dict[str, str]]]) -> list[int]:
    """Where each group ends."""
    ends: list[int] = []
    with Journal(path) as journal:
        for group in groups:
            journal.append(group)
            ends.append(path.stat().st_size)
    return ends


@settings(max_examples=25)  # each writes to the disk and waits for it
@given(groups=GROUPS, share=st.floats(0, 1))
def test_a_write_that_was_killed_anywhere_costs_its_own_group_only(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[dict[str, str]]], share: float
) -> None:
    path = tmp_path_factory.mktemp("journal") / "steps.jsonl"
    ends = written(path, groups)
    size = int(share * path.stat().st_size)
    with path.open("r+b") as file:
        file.truncate(size)
    num_whole = sum(end <= size for end in ends)
    assert len(list(read_groups(path))) == num_whole
    with Journal(path) as journal:
        assert journal.num_groups == num_whole
        for group in groups[num_whole:]:
            journal.append(group)
    found = [[line["x"] for line in group] for group in read_groups(path)]
    assert found == [[line["x"] for line in group] for group in groups]


@pytest.mark.parametrize(
    ("line", "words"),
    [(b"{", "Expecting"), (b"3", "expected an object"), (b'{"index": 7}', "index is 7 where 1")],
)
def test_damage_that_no_kill_explains_is_named(tmp_path: Path, line: bytes, words: str) -> None:
    path = tmp_path / "steps.jsonl"
    written(path, [[{"x": "a"}]])
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(DataError, match=f"steps.jsonl:2: {words}"):
        Journal(path)
