"""The kinds of harm that a request may be about: one list for principles, prompts and attacks.

Read next: `caesura/constitution/principle_fields.py`, `caesura/evals/safety/prompts.py`.
"""

from __future__ import annotations

from typing import Literal, get_args

Category = Literal[
    "chemical_biological",
    "weapons_violence",
    "illegal_acts",
    "cybercrime",
    "fraud_deception",
    "harassment_hate",
    "self_harm",
    "sexual",
    "privacy",
    "misinformation",
    "copyright",
    "none",
]
CATEGORIES: tuple[Category, ...] = get_args(Category)
