"""Words alone: what they see of a text, and that they learn what words can tell."""

from __future__ import annotations

from bench.declining import Words, traits
from caesura.evals.safety.prompts import SafetyPrompt


def prompt(text: str, *, is_harmful: bool) -> SafetyPrompt:
    category = "cybercrime" if is_harmful else "none"
    return SafetyPrompt(text=text, is_harmful=is_harmful, category=category, source="", licence="")


def test_traits_are_words_pairs_and_runs_of_letters() -> None:
    assert traits("Hack it!") == {"hack", "it", "hack_it", "#hack", "#it"}
    assert {"#stea", "#teal"} <= traits("STEAL")


def test_words_learn_what_a_word_tells_and_answer_what_they_never_saw() -> None:
    harmful = [prompt(f"steal the car {number}", is_harmful=True) for number in range(300)]
    harmless = [prompt(f"wash the car {number}", is_harmful=False) for number in range(300)]
    words = Words([*harmful, *harmless])
    assert words.declines("steal the bicycle")
    assert not words.declines("wash the bicycle")
