"""The page on structured outputs, held against the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from caesura.engine.grammar import GrammarLimits
from caesura.engine.grammar_sources import Kind
from caesura.engine.schemas.arrays import MAX_UNIQUE
from caesura.engine.schemas.combining import LATE_RULES, RULES
from caesura.engine.schemas.formats import FORMATS
from caesura.engine.schemas.keywords import KEYWORDS, MAX_COUNT
from caesura.engine.schemas.objects import MAX_OPTIONAL
from caesura.engine.schemas.reader import MAX_ALTERNATIVES, MAX_DEPTH
from caesura.engine.schemas.yaml_text import MAX_LEVELS
from caesura.messages.errors import InvalidRequestError
from tests.engine.schemas.texts import accepts, grammar

PAGE = (Path(__file__).parents[3] / "docs" / "structured_outputs.md").read_text(encoding="utf-8")
# Read by the rule of another keyword.
BESIDE = {"minContains", "maxContains", "additionalItems"}
EXAMPLE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["name"],
}


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[1:]]


def test_the_page_lists_every_keyword_that_is_read() -> None:
    listed = [name for cells in rows("Keywords") for name in re.findall(r"`(\S+?)`", cells[0])]
    read = {*KEYWORDS, *BESIDE, *(late.keyword for late in LATE_RULES)}
    read |= {keyword for rule in RULES for keyword in rule.keywords}
    assert sorted(listed) == sorted(read)


def test_what_the_page_calls_refused_is_refused() -> None:
    refused = [cells[0].strip("`") for cells in rows("Keywords") if cells[1] == "refused"]
    assert refused
    for keyword in refused:
        with pytest.raises(InvalidRequestError, match=re.escape(f"schema.{keyword}: ")):
            grammar("json_schema", {keyword: "#"})


@pytest.mark.parametrize("keyword", ["title", "description", "default", "examples", "deprecated", "readOnly"])
def test_what_the_page_calls_an_annotation_changes_nothing(keyword: str) -> None:
    assert f"`{keyword}`" in section("Keywords")
    assert accepts(grammar("json_schema", {"type": "null", keyword: ["x"]}), "null")


def test_the_page_lists_every_format() -> None:
    first = section("String formats").strip().partition("\n")[0]
    assert re.findall(r"`(\S+)`", first) == list(FORMATS)


def test_the_examples_of_the_forms_are_what_is_written() -> None:
    forms = {cells[0].strip("`"): cells[2].strip("`").replace("\\|", "|") for cells in rows("Forms")}
    assert set(forms) | {"calls", "citations"} == set(get_args(Kind))
    assert accepts(grammar("json_schema", EXAMPLE), forms["json_schema"])
    assert accepts(grammar("xml", EXAMPLE), forms["xml"])
    assert accepts(grammar("yaml", EXAMPLE), forms["yaml"] + "\n")
    assert yaml.safe_load(forms["yaml"]) == {"name": "Ann"}
    assert accepts(grammar("lark", forms["lark"]), "yes")
    assert accepts(grammar("regex", forms["regex"]), "AB-12")
    block = re.findall(r"```\n(start: .*?)```", section("Forms"), re.DOTALL)[0]
    assert accepts(grammar("lark", block), "unknown, because nobody knows.")


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    limits = GrammarLimits()
    assert [cells[1] for cells in rows("Limits")] == [
        f"{limits.deadline_s:g}",
        f"{limits.max_steps:,}",
        f"{limits.max_characters:,}",
        f"{limits.max_lexer_states:,}",
        f"{limits.max_waiting}, then 529",
        f"{MAX_DEPTH}",
        f"{MAX_COUNT:,}",
    ]
    assert f"listed values, at most {MAX_UNIQUE};" in PAGE
    assert f"at most {MAX_OPTIONAL:,} optional properties" in PAGE
    assert f"multiply to {MAX_ALTERNATIVES:,} alternatives" in PAGE
    assert f"At most {MAX_LEVELS} levels" in PAGE
