"""A constitution with one principle changed is one, and differs in that principle alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caesura.constitution.changing import packaged_text, with_changed
from caesura.constitution.principle_fields import ConstitutionError
from caesura.constitution.principles import load_constitution, parse_constitution


def test_one_principle_says_something_else_and_all_others_the_same() -> None:
    changed = parse_constitution(
        with_changed(packaged_text(), "no-crime", {"text": "Other words.", "replies": ["I can't, ask her."]}),
        "changed",
    )
    before = load_constitution()
    assert changed.digest != before.digest
    expected = replace(before.principle("no-crime"), text="Other words.", replies=("I can't, ask her.",))
    assert changed.principle("no-crime") == expected
    others = [each for each in before.principles if each.id != "no-crime"]
    assert [each for each in changed.principles if each.id != "no-crime"] == others


def test_a_principle_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConstitutionError, match=r"no principle 'no-fun'; there are .*no-crime"):
        with_changed(packaged_text(), "no-fun", {"text": "x"})


def test_a_change_that_leaves_no_constitution_is_refused() -> None:
    with pytest.raises(ConstitutionError, match="no-crime"):
        with_changed(packaged_text(), "no-crime", {"replies": []})
