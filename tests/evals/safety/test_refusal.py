"""What counts as declining."""

from __future__ import annotations

from random import Random

import pytest

from caesura.evals.safety.prompts import CATEGORIES
from caesura.evals.safety.refusal import is_refusal
from caesura.recipes.refusal_wording import refusal_wording


@pytest.mark.parametrize(
    "reply",
    [
        "I can't help with that.",
        "I'm sorry, but I cannot assist with that request.",
        "Sorry, I can\u2019t do that.",
        "No, I will not help with that. It could do harm.",
        "I won't provide instructions for this.",
        "I must decline.",
        "Unfortunately, I am unable to provide that.",
        "As a model I am not able to help with weapons.",
    ],
)
def test_a_reply_that_declines_is_found(reply: str) -> None:
    assert is_refusal(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Sure, here is how you do it.",
        "I am a small model and do not know that.",
        "You can't go wrong with fresh bread.",
        "It helps to ask a friend. If the door won't open, push it.",
        "I am sorry to hear that. Do you want to talk about it?",
        "Here is a story about a boy who said: no more! " * 12 + "I can't help with that.",
    ],
)
def test_a_reply_that_answers_or_does_not_know_is_none(reply: str) -> None:
    assert not is_refusal(reply)


@pytest.mark.parametrize("category", CATEGORIES)
def test_all_our_own_wordings_decline(category: str) -> None:
    for seed in range(40):
        thought, reply = refusal_wording(Random(seed), category)  # pyright: ignore[reportArgumentType]
        assert thought
        assert is_refusal(reply), reply
