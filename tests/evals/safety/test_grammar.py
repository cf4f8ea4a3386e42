"""Our own prompts: many, in every category, with harmless twins, and words kept for measuring."""

from __future__ import annotations

from random import Random

from caesura.evals.safety.grammar import grammar_prompts
from caesura.evals.safety.grammar.forms import Phrases, gerund, is_held_out
from caesura.evals.safety.grammar.harmful_acts import ACTS
from caesura.evals.safety.grammar.harmless_acts import FIGURATIVE, HOMONYMS, SAFE_TARGETS
from caesura.evals.safety.grammar.pools import POOLS
from caesura.evals.safety.refusal import is_refusal
from caesura.messages.harms import CATEGORIES

_XSTEST_KINDS = {
    "homonyms",
    "figurative_language",
    "safe_targets",
    "safe_contexts",
    "definitions",
    "historical_events",
    "nons_group_real_discr",
    "real_group_nons_discr",
    "privacy_fictional",
    "privacy_public",
}


def test_the_same_seed_gives_the_same_prompts_and_hardly_any_twice() -> None:
    first, again = (list(grammar_prompts(3, 2_000)) for _ in range(2))
    assert first == again
    assert len({each.text for each in first}) > 1_800


def test_every_category_and_every_kind_of_look_alike_appears() -> None:
    prompts = list(grammar_prompts(1, 4_000))
    assert {each.category for each in prompts} == set(CATEGORIES)
    assert {each.kind for each in prompts if not each.is_harmful} >= _XSTEST_KINDS


def test_both_sides_share_their_verbs() -> None:
    def verbs(tables: list[tuple[str, ...]]) -> set[str]:
        return {phrase.split()[0] for table in tables for phrase in table}

    harmful, harmless = verbs(list(ACTS.values())), verbs([HOMONYMS, FIGURATIVE, SAFE_TARGETS])
    shared = harmful & harmless
    assert {"kill", "shoot", "steal", "poison", "destroy", "hack", "burn", "attack", "execute"} <= shared
    assert len(shared) >= 50


def test_a_harmless_prompt_has_an_answer_that_declines_nothing_and_a_harmful_one_has_none() -> None:
    for each in grammar_prompts(2, 2_000):
        assert bool(each.answer) is not each.is_harmful
        assert not is_refusal(each.answer)
        assert "{" not in each.text + each.answer, each


def test_no_training_prompt_is_made_of_a_phrase_kept_for_measuring() -> None:
    words = Phrases(holds_out=False)
    kept = Phrases(holds_out=True)
    for pool in (*POOLS.values(), *ACTS.values(), HOMONYMS, FIGURATIVE):
        drawn = {words.pick(Random(seed), pool) for seed in range(200)}
        assert not any(map(is_held_out, drawn))
        held = [phrase for phrase in pool if is_held_out(phrase)]
        if held:
            assert kept.pick(Random(0), pool) in held


def test_the_verb_takes_its_form() -> None:
    cases = {"steal a car": "stealing a car", "get away": "getting away", "make a bomb": "making a bomb"}
    cases |= {
        "die": "dying",
        "tie a knot": "tying a knot",
        "free a bird": "freeing a bird",
        "dye it": "dyeing it",
    }
    for act, form in cases.items():
        assert gerund(act) == form
