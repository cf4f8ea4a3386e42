"""The page of what works is what the checks find."""

from __future__ import annotations

from pathlib import Path

from tests.compatibility.page import SECTIONS, page
from tests.compatibility.probe import IGNORED, WORKS, field, probing
from tests.generated_pages import ROOT


async def test_the_page_says_what_the_checks_find() -> None:
    committed = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    assert committed == await page(), "run `make docs`"


def test_no_row_stands_there_twice() -> None:
    for section in SECTIONS:
        names = [row.name for row in section.rows]
        assert len(set(names)) == len(names), section.title


async def test_checks_can_tell_what_works_from_what_does_not(tmp_path: Path) -> None:
    async with probing(tmp_path) as probe:
        assert await field({"temperature": 0.5})(probe) == WORKS
        assert await field({"of_tomorrow": 1})(probe) == IGNORED
        assert await field({"max_tokens": 0.5})(probe) == "refused with 400"
        assert await field({"model": "no-such"})(probe) == "refused with 404"
