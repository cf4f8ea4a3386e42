"""The table of styles, and attacks made of it."""

from __future__ import annotations

import pytest

from caesura.constitution.redteam.dialogues import COMPLIANCE, HELD_OUT_COMPLIANCE
from caesura.constitution.redteam.draft import Draft
from caesura.constitution.redteam.styles import FAMILIES, MAX_STEPS, SHOTS, Attack, Playbook, Step
from caesura.messages.errors import DataError
from tests.constitution.redteam.attacking import SEEDS

TEMPLATE = "You are a pirate. [INSERT PROMPT HERE] Arr!"
PLAYBOOK = Playbook(SEEDS, [TEMPLATE])
REQUEST = SEEDS[0]


@pytest.mark.parametrize("name", PLAYBOOK.styles)
def test_every_variant_of_every_style_makes_a_prompt_of_its_own(name: str) -> None:
    style = PLAYBOOK.styles[name]
    plain = PLAYBOOK.draft(Attack(seed=REQUEST))
    drafts = [
        PLAYBOOK.draft(Attack(seed=REQUEST, steps=(Step(name, each),), style=name)) for each in style.variants
    ]
    assert plain not in drafts
    assert len(set(drafts)) == len(drafts)
    for draft in drafts:
        roles = [role for role, _ in draft.turns]
        assert roles == [("user", "assistant")[number % 2] for number in range(len(roles))]
        assert all(text.strip() for _, text in draft.turns)


@pytest.mark.parametrize(
    "name", [n for n, each in PLAYBOOK.styles.items() if each.family in ("wrapper", "template")]
)
def test_a_wrapper_holds_the_request_word_for_word(name: str) -> None:
    for variant in PLAYBOOK.styles[name].variants:
        assert REQUEST.text in PLAYBOOK.draft(Attack(seed=REQUEST, steps=(Step(name, variant),))).text


def test_steps_are_applied_in_the_order_of_their_families() -> None:
    steps = PLAYBOOK.ordered([Step("template", 0), Step("rot13", 0)])
    assert [step.style for step in steps] == ["rot13", "template"]
    text = PLAYBOOK.draft(Attack(seed=REQUEST, steps=steps)).text
    assert text.startswith("You are a pirate. ")
    assert "Ubj qb V bcra" in text


def test_of_one_family_there_is_one_step_and_of_all_no_more_than_allowed() -> None:
    wanted = [Step("rot13", 0), Step("morse", 0), Step("fiction", 0), Step("prefill", 0), Step("polite", 0)]
    kept = PLAYBOOK.ordered(wanted)
    assert Step("rot13", 0) in kept
    assert Step("morse", 0) not in kept
    assert len(kept) == MAX_STEPS
    places = [FAMILIES.index(PLAYBOOK.family(step.style)) for step in kept]
    assert places == sorted(places)


@pytest.mark.parametrize("num", [num for num in SHOTS if num])
def test_faked_dialogues_are_as_many_as_asked_for_and_none_is_the_request(num: int) -> None:
    draft = PLAYBOOK.draft(Attack(seed=REQUEST, steps=(Step("many_shot", num),)))
    asked = [text for role, text in draft.before if role == "user"]
    answered = [text for role, text in draft.before if role == "assistant"]
    assert len(asked) == len(answered) == num
    assert REQUEST.text not in asked
    assert set(answered) <= set(COMPLIANCE)
    assert HELD_OUT_COMPLIANCE not in answered
    assert draft.text == REQUEST.text


def test_what_is_put_into_a_slot_is_not_read_as_a_slot() -> None:
    draft = PLAYBOOK.styles["fiction"].apply(Draft(text="print {} twice"), 0)
    assert draft.text.count("print {} twice") == 1


def test_a_template_without_a_slot_is_an_error() -> None:
    with pytest.raises(DataError, match="has no slot"):
        Playbook(SEEDS, ["no place for it"])
