"""The acceptance of `bench/schemas.py`: on a few schemas always, on the large sets where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bench.schema_data import REAL, SUITE, Case, real_cases, suite_cases
from bench.schemas import NANO, WANTED_SHARE, Acceptance, Tally, own_reading, table
from caesura.engine.grammar import GrammarCompiler
from caesura.tokens import Tokenizer

DATA = Path(os.environ.get("CAESURA_SCHEMA_DATA", "schema_data"))


def _tally(cases: list[Case], *, num_walks: int) -> Tally:
    token_bytes = Tokenizer.load(NANO).token_bytes
    compiler = GrammarCompiler(token_bytes)
    acceptance = Acceptance(own_reading(compiler), token_bytes, num_walks=num_walks, seeds=(0,))
    tally = acceptance.tally("sample", cases)
    compiler.close()
    return tally


def _person(**more: Any) -> dict[str, Any]:
    properties = {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0}}
    return {"type": "object", "properties": properties, "required": ["name"], **more}


SAMPLE = [
    Case(
        name="person",
        schema=_person(),
        valid=({"name": "Ann"}, {"age": 3, "name": "B"}),
        invalid=({"age": 3}, {"name": "Ann", "age": -1}),
    ),
    Case(
        name="union",
        schema={"oneOf": [_person(additionalProperties=False), {"type": "null"}]},
        valid=(None,),
        invalid=("Ann", {"name": 5}),
    ),
    Case(name="refused", schema={"type": "array", "uniqueItems": True}),
]


def test_a_tally_counts_what_became_of_each_schema() -> None:
    tally = _tally(SAMPLE, num_walks=4)
    assert (tally.schemas, tally.accepted, tally.admitted, tally.rejected) == (3, 2, 3, 4)
    assert tally.written + tally.unended == 8
    assert not tally.wrong
    assert not tally.unnamed
    assert [keyword.partition(":")[0] for keyword in tally.refused] == ["uniqueItems"]
    assert "| sample | 3 | 2 (66.7%) |" in table([tally])


def test_a_wrong_verdict_is_noticed() -> None:
    tally = _tally([Case(name="lie", schema={"type": "null"}, valid=(1,), invalid=(None,))], num_walks=1)
    assert (tally.missed, tally.admitted) == (1, 0)
    assert tally.wrong == ["lie: admitted null"]


@pytest.mark.slow
@pytest.mark.parametrize(("file", "read"), [(REAL, real_cases), (SUITE, suite_cases)], ids=["real", "suite"])
def test_whatever_is_written_for_real_schemas_satisfies_them(file: Path, read: Any) -> None:
    if not (DATA / file).is_file():
        pytest.skip(f"{file} is not at hand; CAESURA_SCHEMA_DATA names the folder that holds it")
    tally = _tally(read(DATA), num_walks=1)
    assert not tally.wrong
    assert not tally.unnamed
    assert file == SUITE or tally.share >= WANTED_SHARE
