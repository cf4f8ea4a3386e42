"""The table of what can be done to a request, and attacks made of it.

A style is one row: a name, a family, and a pure function from draft to draft. New ones are new rows.
Enters: seeds and templates. Leaves: a `Playbook`, which turns an `Attack` into the draft of a prompt.
Read next: `archive.py`, which combines them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple, get_args

from caesura.constitution.redteam import dialogues, wrappers
from caesura.constitution.redteam.draft import Draft
from caesura.constitution.redteam.encodings import ENCODINGS, Encoding
from caesura.constitution.redteam.seeds import Seed

# In the order in which they are applied: a request is phrased before it is encoded, encoded before it is
# wrapped, and only then set into a conversation.
Family = Literal[
    "plain", "attacker", "phrasing", "encoding", "wrapper", "template", "multi_turn", "many_shot", "prefill"
]
FAMILIES: tuple[Family, ...] = get_args(Family)
SHOTS = (0, 1, 2, 4, 8, 16, 32, 64)
MAX_STEPS = 3


class Step(NamedTuple):
    """A style and which of its variants."""

    style: str
    variant: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attempt to get a request answered.

    seed: the request. steps: what is done to it, in the order of their families. style: the column of the
    archive that it belongs to. text: the request in an attacker's words; "" for the seed's own.
    """

    seed: Seed
    steps: tuple[Step, ...] = ()
    style: str = "plain"
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One row of the table.

    name, family: what it is called. variants: which there are. apply: makes the change.
    """

    name: str
    family: Family
    variants: tuple[int, ...]
    apply: Callable[[Draft, int], Draft]


class Playbook:
    """All styles over one set of seeds and templates."""

    def __init__(self, seeds: Sequence[Seed], templates: Sequence[str] = ()) -> None:
        """seeds: whose harmful texts fill faked dialogues."""
        questions = tuple(seed.text for seed in seeds if seed.is_harmful)
        rows = [*_phrasings(), *_encodings(), *_wrappers(), *_dialogues()]
        if templates:
            known = wrappers.check_templates(templates)
            rows.append(_style("template", "template", len(known), partial(_in_template, known)))
        if len(questions) > 1:
            shots = tuple(num for num in SHOTS if num)
            rows.append(
                Style(
                    name="many_shot",
                    family="many_shot",
                    variants=shots,
                    apply=partial(_with_shots, questions),
                )
            )
        self.styles: Mapping[str, Style] = {style.name: style for style in rows}

    def family(self, style: str) -> Family:
        """The family of a style; "plain" and "attacker" are their own."""
        if style == "plain" or style == "attacker":
            return style
        return self.styles[style].family

    def draft(self, attack: Attack) -> Draft:
        """The prompt of an attack."""
        draft = Draft(text=attack.text or attack.seed.text)
        for step in attack.steps:
            draft = self.styles[step.style].apply(draft, step.variant)
        return draft

    def ordered(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """The steps in the order in which they can be applied, one a family, at most `MAX_STEPS`.

        Of two in one family the first stays.
        """
        by_family: dict[Family, Step] = {}
        for step in steps:
            by_family.setdefault(self.family(step.style), step)
        kept = list(by_family.items())[:MAX_STEPS]
        return tuple(step for _, step in sorted(kept, key=lambda pair: FAMILIES.index(pair[0])))


def _style(name: str, family: Family, num_variants: int, apply: Callable[[Draft, int], Draft]) -> Style:
    return Style(name=name, family=family, variants=tuple(range(num_variants)), apply=apply)


def _phrasings() -> Iterator[Style]:
    for name, forms in wrappers.PHRASINGS.items():
        yield _style(name, "phrasing", len(forms), partial(_in_form, forms))
    yield _style("typos", "phrasing", wrappers.NUM_TYPOS, _with_typos)


def _encodings() -> Iterator[Style]:
    for encoding in ENCODINGS:
        yield _style(encoding.name, "encoding", len(encoding.frames), partial(_encoded, encoding))


def _wrappers() -> Iterator[Style]:
    for name, forms in wrappers.PRETEXTS.items():
        yield _style(name, "wrapper", len(forms), partial(_in_form, forms))
    yield _style("system_override", "wrapper", len(wrappers.SYSTEMS), _under_system)


def _dialogues() -> Iterator[Style]:
    yield _style("split_turns", "multi_turn", dialogues.NUM_SPLITS, dialogues.split_over_turns)
    yield _style("faked_compliance", "multi_turn", dialogues.NUM_FRIENDLY, dialogues.with_faked_compliance)
    yield _style("step_by_step", "multi_turn", dialogues.NUM_GENTLE, dialogues.step_by_step)
    yield _style("prefill", "prefill", len(dialogues.PREFILLS), dialogues.prefilled)


def _in_form(forms: Sequence[str], draft: Draft, variant: int) -> Draft:
    return replace(draft, text=wrappers.filled(forms[variant], draft.text))


def _in_template(templates: Sequence[str], draft: Draft, variant: int) -> Draft:
    return replace(draft, text=wrappers.filled_template(templates[variant], draft.text))


def _with_typos(draft: Draft, variant: int) -> Draft:
    return replace(draft, text=wrappers.with_typos(draft.text, variant))


def _encoded(encoding: Encoding, draft: Draft, variant: int) -> Draft:
    return replace(draft, text=wrappers.filled(encoding.frames[variant], encoding.encode(draft.text)))


def _under_system(draft: Draft, variant: int) -> Draft:
    return replace(draft, system=wrappers.SYSTEMS[variant])


def _with_shots(questions: Sequence[str], draft: Draft, variant: int) -> Draft:
    return dialogues.faked_shots(draft, variant, questions)
