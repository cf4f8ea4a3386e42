from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from bench.constraint import RECORDS, measure_constraint, new_schema
from bench.model_folder import endless_folder
from bench.settings import Settings


@pytest.mark.parametrize("number", [0, 1, 7])
def test_no_two_schemas_have_a_property_in_common(number: int) -> None:
    schema = new_schema(number)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert not set(schema["properties"]) & set(new_schema(number + 1)["properties"])


def test_records_cannot_end_within_what_is_measured() -> None:
    assert not jsonschema.Draft202012Validator(RECORDS).is_valid([])


def test_a_smoke_run_gives_every_figure(tmp_path: Path) -> None:
    folder = endless_folder(None, tmp_path / "model", is_quick=True)
    figures = measure_constraint(folder, Settings(is_quick=True))
    assert [figure.unit for figure in figures] == ["tokens/s"] * 4 + ["ms"] * 2
    assert all(figure.wanted and figure.ours for figure in figures)
