"""What docs/redteam.md says, held against the code."""

from __future__ import annotations

import re
from pathlib import Path

from caesura.constitution.redteam.attacker import NUM_ROUNDS
from caesura.constitution.redteam.styles import FAMILIES, MAX_STEPS, SHOTS

PAGE = (Path(__file__).parents[3] / "docs" / "redteam.md").read_text(encoding="utf-8")


def test_the_page_lists_every_family() -> None:
    section = PAGE.partition("## What is tried")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| ([a-z_]+) \|", section, re.MULTILINE)
    assert set(listed) - {"family"} == set(FAMILIES)


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    words = {2: "two", 3: "three", 4: "four"}
    assert f"{words[NUM_ROUNDS]} rounds at most" in PAGE
    assert f"up to {words[MAX_STEPS]} styles together" in PAGE
    assert f"0, 1, 2, 4 ... {max(SHOTS)} faked dialogues" in PAGE
