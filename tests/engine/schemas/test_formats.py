"""Formats: what is written passes the checkers that other people use."""

from __future__ import annotations

import json

import jsonschema
import pytest

from caesura.engine.schemas.formats import FORMATS
from tests.engine.schemas.texts import accepts, grammar, written

CHECKER = jsonschema.Draft202012Validator.FORMAT_CHECKER
EXAMPLES = {
    "date": "1999-12-31",
    "time": "23:59:59.5+01:00",
    "date-time": "2024-02-29T00:00:00Z",
    "duration": "P1Y2M3DT4H5M6S",
    "email": "a.b+c@example.org",
    "idn-email": "ab@example.org",
    "hostname": "a-1.example.org",
    "idn-hostname": "example.org",
    "ipv4": "192.168.0.255",
    "ipv6": "fe80::1:2",
    "uri": "https://example.org:80/a/b?c=d#e",
    "iri": "urn:isbn:12",
    "uri-reference": "a/b?c#d",
    "iri-reference": "/a/b",
    "uri-template": "/a/{b}/c",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "json-pointer": "/a~1b/0",
    "relative-json-pointer": "1/a",
    "regex": "^[a-z]+$",
}


def test_there_is_an_example_for_each_format() -> None:
    assert set(EXAMPLES) == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_in_a_format_passes_its_checker(name: str) -> None:
    assert name in CHECKER.checkers, "an extra of jsonschema is not installed"
    found = grammar("json_schema", {"type": "string", "format": name})
    assert accepts(found, json.dumps(EXAMPLES[name]))
    assert not accepts(found, json.dumps("\n"))
    for text in written(found, 12):
        assert CHECKER.conforms(json.loads(text), name), text


def test_a_format_meets_other_conditions() -> None:
    schema = {"type": "string", "format": "date", "pattern": "^2", "not": {"const": "2020-02-20"}}
    found = grammar("json_schema", schema)
    assert accepts(found, '"2020-02-21"')
    assert not accepts(found, '"2020-02-20"')
    assert not accepts(found, '"1999-01-01"')
