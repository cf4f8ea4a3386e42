from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from caesura.constitution.principle_fields import KINDS, ConstitutionError
from caesura.constitution.principles import Constitution, load_constitution, parse_constitution
from caesura.constitution.prompts import WrittenPrompt
from caesura.constitution.rules import breach, filled
from caesura.messages.harms import CATEGORIES
from caesura.messages.preferences import DIMENSIONS
from tests.constitution.cases import HARMFUL, HARMLESS, declines, principle_fields, small, tree

OURS = load_constitution()
REQUIRED = tuple(name for name in principle_fields() if name not in ("thoughts", "signs"))


def read(changed: dict[str, Any]) -> Constitution:
    return parse_constitution(yaml.safe_dump(changed, sort_keys=False), "mine.yaml")


def with_principle(**changes: Any) -> dict[str, Any]:
    whole = tree()
    whole["principles"][0] |= changes
    return whole


def prompts_of(is_harmful: bool) -> list[WrittenPrompt]:
    return [WrittenPrompt(text="?", is_harmful=is_harmful, category=each) for each in CATEGORIES]


def test_our_constitution_covers_every_category_dimension_and_kind() -> None:
    assert 20 <= len(OURS.principles) <= 30
    assert {each.dimension for each in OURS.principles} == set(DIMENSIONS)
    assert {each.kind for each in OURS.principles} == set(KINDS)
    for category in CATEGORIES[:-1]:
        own = [each for each in OURS.principles if category in each.covers and not each.is_general]
        assert any(each.kind == "harmful" for each in own), category


@pytest.mark.parametrize("principle", OURS.principles, ids=lambda each: each.id)
def test_what_the_rules_say_is_plain_and_breaks_no_principle(principle: Any) -> None:
    for is_harmful in (True, False):
        for prompt in filter(principle.bears_on, prompts_of(is_harmful)):
            if is_harmful and principle.kind == "manner":
                continue  # a harmful request is declined in the words of another principle
            for template in principle.replies:
                reply = filled(template, prompt, OURS, random.Random(0))
                assert reply.isascii()
                assert len(reply) < 200
                assert not re.search(r"\w'(?!t\b)\w|\b(?!can't|won't)\w+n't", reply), reply
                broken = {
                    each.id: reason
                    for each in OURS.bearing_on(prompt)
                    if (reason := breach(each, prompt, reply, declines))
                }
                assert not broken, reply


def test_the_digest_hears_every_word_and_no_comment() -> None:
    whole = tree()
    text = yaml.safe_dump(whole)
    reordered = yaml.safe_dump(whole, sort_keys=False)
    assert parse_constitution(f"# a comment\n{text}", "b.yaml").digest == read(whole).digest
    assert parse_constitution(reordered, "b.yaml").digest == small().digest
    for name in ("title", "text", "critique", "revision", "comparison"):
        assert read(with_principle(**{name: "Something else."})).digest != small().digest
    assert read(with_principle(replies=["I can't."])).digest != small().digest
    assert read(whole | {"version": "2"}).digest != small().digest


@given(number=st.integers(0, 2), name=st.sampled_from(REQUIRED), how=st.sampled_from(["gone", "", 7, {}]))
def test_a_missing_or_wrong_field_is_named_with_file_and_principle(number: int, name: str, how: Any) -> None:
    whole = tree()
    principle = whole["principles"][number]
    identity = f"principle number {number + 1}" if name == "id" else f"principle {principle['id']}"
    if how == "gone":
        del principle[name]
    else:
        principle[name] = how
    with pytest.raises(ConstitutionError) as caught:
        read(whole)
    assert str(caught.value).startswith(f"mine.yaml: {identity}: {name}: ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dimension": "nice"}, "no-weapons: dimension: 'nice' is not one of helpful, harmless"),
        ({"kind": "bad"}, "no-weapons: kind: 'bad' is not one of harmful, harmless, manner"),
        ({"covers": ["bombs"]}, "no-weapons: covers: 'bombs' is not one of any, chemical_biological"),
        ({"covers": []}, "no-weapons: covers: is empty"),
        ({"covers": ["any", "none"]}, "no-weapons: covers: 'any' stands alone"),
        ({"replies": []}, "no-weapons: replies: is empty"),
        ({"replies": [" "]}, "no-weapons: replies: is empty"),
        ({"replies": ["No.", "No."]}, "no-weapons: replies: 'No.' is given twice"),
        ({"replies": ["Not {what}."]}, r"no-weapons: replies: 'Not \{what\}.' has the slot \{what\}"),
        ({"replies": ["Not {."]}, "no-weapons: replies: 'Not {.': "),
        ({"signs": ["("]}, r"no-weapons: signs: '\(' is no regular expression: "),
        ({"signs": ["x*"]}, "no-weapons: signs: 'x\\*' is found in every reply"),
        ({"id": "No Weapons"}, "number 1: id: 'No Weapons' must be of small letters"),
        ({"id": "answer"}, "principles: the id 'answer' is given twice"),
        ({"sign": ["x"]}, "no-weapons: sign: is no field; there are comparison, covers"),
        ({"title": False}, "no-weapons: title: must be text, not False; quote it"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConstitutionError, match=f"^mine.yaml: .*{words}"):
        read(with_principle(**changes))


def test_what_is_wrong_outside_principles_is_said_too(tmp_path: Path) -> None:
    whole = tree()
    del whole["topics"]["privacy"]
    with pytest.raises(ConstitutionError, match=r"mine.yaml: topics: privacy: is missing"):
        read(whole)
    with pytest.raises(ConstitutionError, match=r"mine.yaml: principles: number 1 must be a mapping, not 3"):
        read(tree() | {"principles": [3]})
    with pytest.raises(ConstitutionError, match=r"mine.yaml: extra: is no field"):
        read(tree() | {"extra": 1})
    with pytest.raises(ConstitutionError, match="the field 'name' is given twice"):
        parse_constitution("name: a\nname: b\n", "mine.yaml")
    with pytest.raises(ConstitutionError, match=r"gone.yaml cannot be read"):
        load_constitution(tmp_path / "gone.yaml")
    (tmp_path / "large.yaml").write_text("#" * 1_000_001)
    with pytest.raises(ConstitutionError, match="1,000,001 bytes > 1,000,000 maximum"):
        load_constitution(tmp_path / "large.yaml")


@given(text=st.text() | st.text(alphabet="-:{}[]&*!|>'\"% \n#a?,"))
def test_whatever_is_in_the_file_is_read_or_refused(text: str) -> None:
    with pytest.raises(ConstitutionError, match=r"mine\.yaml"):
        parse_constitution(text, "mine.yaml")


@given(seed=st.integers(0, 50), num_rounds=st.integers(1, 40), is_harmful=st.booleans())
def test_drawing_is_seeded_and_repeats_nothing_before_all_have_come(
    seed: int, num_rounds: int, is_harmful: bool
) -> None:
    prompt = WrittenPrompt(text="?", is_harmful=is_harmful, category="self_harm")
    drawn = OURS.drawn(prompt, num_rounds, random.Random(seed))
    assert drawn == OURS.drawn(prompt, num_rounds, random.Random(seed))
    assert len(drawn) == num_rounds
    bearing = OURS.bearing_on(prompt)
    assert set(drawn) <= set(bearing)
    assert len(set(drawn[: len(bearing)])) == min(num_rounds, len(bearing))
    assert drawn[0].id == ("care-not-means" if is_harmful else "stay-with-those-in-pain")


def test_principles_bear_on_their_own_kind_and_manner_on_all() -> None:
    assert [each.id for each in small().bearing_on(HARMFUL)] == ["no-weapons", "polite"]
    assert [each.id for each in small().bearing_on(HARMLESS)] == ["answer", "polite"]
    uncovered = WrittenPrompt(text="?", is_harmful=True, category="privacy")
    with pytest.raises(ConstitutionError, match="no principle of the kind 'harmful' covers 'privacy'"):
        small().drawn(uncovered, 1, random.Random(0))
    with pytest.raises(ConstitutionError, match="no principle 'x'; there are no-weapons, answer, polite"):
        small().principle("x")
