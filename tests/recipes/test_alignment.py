"""The prompts and rows of alignment: of every kind, the same each time, and nothing of what is measured."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from caesura.constitution.principles import load_constitution
from caesura.constitution.rules import better_reply
from caesura.evals.safety.grammar.forms import is_held_out
from caesura.evals.safety.grammar.harmful_acts import ACTS
from caesura.evals.safety.items import safety_items
from caesura.evals.safety.prompts import SLOT, SafetyPrompt
from caesura.evals.safety.refusal import is_refusal
from caesura.evals.safety.split import is_for_measuring
from caesura.messages.content import text_of
from caesura.recipes.alignment import AlignmentPrompts, is_measured
from caesura.recipes.jailbreaks import jailbreak, piece_of
from caesura.train.safety_sets import safety_rows
from tests.safety_sets import safety_set_rows, write_safety_sets

_PROMPTS = AlignmentPrompts(num_grammar=300, num_public=2, num_benign=5, num_templated=60, seed=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_safety_sets(tmp_path)
    return tmp_path


@pytest.fixture
def prompts(folder: Path) -> list[SafetyPrompt]:
    return list(_PROMPTS(folder))


def test_the_same_settings_give_the_same_prompts(folder: Path, prompts: list[SafetyPrompt]) -> None:
    assert list(_PROMPTS(folder)) == prompts


def test_all_kinds_are_there(prompts: list[SafetyPrompt]) -> None:
    assert {each.source for each in prompts} >= {"grammar", "advbench", "harmbench", "strongreject", "xstest"}
    assert any(each.system for each in prompts)
    assert any(each.before for each in prompts)
    for is_harmful in (True, False):
        assert any(each.kind.startswith("template") for each in prompts if each.is_harmful is is_harmful)
    assert all(each.answer for each in prompts if not each.is_harmful)


def test_nothing_that_is_measured_is_trained_on(folder: Path, prompts: list[SafetyPrompt]) -> None:
    trained = [each.text.casefold() for each in prompts]
    for item in safety_items(safety_rows(folder)):
        if item.form in ("plain", "look-alikes", "benign"):
            asked = text_of(item.conversation.turns[-1].content).casefold()
            assert not any(asked in text for text in trained), asked
    templates = [row["template"] for row in safety_set_rows()["jailbreak_templates"]]
    for template in filter(is_for_measuring, templates):
        assert not any(template.split(". Do it")[0] in each.text for each in prompts), template


def test_no_phrase_that_is_kept_for_measuring_is_in_a_row_of_the_grammar(prompts: list[SafetyPrompt]) -> None:
    kept = [act for table in ACTS.values() for act in table if is_held_out(act) and "{" not in act]
    assert len(kept) > 10
    own = [each.text.casefold() for each in prompts if each.source == "grammar"]
    for act in kept:
        assert not any(text.endswith(f"how to {act}") for text in own), act


def test_what_the_constitution_says_instead_declines_what_is_harmful_and_nothing_else(
    prompts: list[SafetyPrompt],
) -> None:
    constitution, rng = load_constitution(), Random(1)
    for prompt in prompts:
        principle = constitution.drawn(prompt, 1, rng)[0]
        assert is_refusal(better_reply(principle, prompt, constitution, rng)) is prompt.is_harmful


def test_a_prompt_that_is_measured_is_known_however_it_is_spaced(folder: Path) -> None:
    is_kept = is_measured(folder)
    asked = next(item for item in safety_items(safety_rows(folder)) if item.form == "plain")
    text = text_of(asked.conversation.turns[-1].content)
    assert is_kept(f"  {text.upper()} ")
    assert not is_kept(f"{text} and more")


def test_a_jailbreak_has_one_place_for_the_request() -> None:
    templates = [f"First line. Second line. {SLOT} And more. The end."]
    for seed in range(200):
        for text in (jailbreak(Random(seed)), piece_of(Random(seed), templates)):
            assert text.count(SLOT) == 1
            assert "{" not in text
