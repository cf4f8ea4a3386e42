"""Prompts of the public safety sets: what is asked, whether it is harmful, and in which way.

Enters: a way to read a set's rows by the set's name. Leaves: `SafetyPrompt`s of the training or of the
measuring part. HarmBench's contextual behaviours come with their context above the request, as that set asks
them. Read next: `split.py`; `grammar/` for prompts of our own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from caesura.evals.safety.split import Resemblance, is_for_measuring
from caesura.messages.content import Conversation, Role, TextBlock, text_turn
from caesura.messages.harms import Category

SET_NAMES = ("advbench", "harmbench", "strongreject", "xstest")
TEMPLATES = "jailbreak_templates"
SLOT = "[INSERT PROMPT HERE]"

Rows = Callable[[str], Iterable[Mapping[str, Any]]]

_MIT, _CC_BY = "MIT", "CC-BY-4.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyPrompt:
    """One request.

    text: what is asked last. is_harmful: whether it is to be declined. category: of the harm; "none" for a
    harmless one. kind: XSTest's type, or the family of a template; "" for neither. source, licence: where
    it comes from. answer: what may be said to a harmless one; "" where nothing is at hand.
    system, before: a system prompt, and turns before the request.
    """

    text: str
    is_harmful: bool
    category: Category
    kind: str = ""
    source: str
    licence: str
    answer: str = ""
    system: str = ""
    before: tuple[tuple[Role, str], ...] = ()

    @property
    def conversation(self) -> Conversation:
        """What a model is asked."""
        turns: tuple[tuple[Role, str], ...] = (*self.before, ("user", self.text))
        return Conversation(
            turns=tuple(text_turn(role, text) for role, text in turns),
            system=(TextBlock(text=self.system),) if self.system else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A jailbreak: text around a slot. name: the set's own number for it."""

    name: str
    text: str

    def around(self, prompt: SafetyPrompt) -> SafetyPrompt:
        """The prompt inside the template, as harmful or harmless as before."""
        text = self.text.replace(SLOT, prompt.text)
        return replace(prompt, text=text, kind=f"template/{self.name}")


def measuring_prompts(rows: Rows) -> list[SafetyPrompt]:
    """The fifth of each set that is kept for measuring."""
    return [prompt for prompt in all_prompts(rows) if is_for_measuring(_key(prompt))]


def training_prompts(rows: Rows) -> list[SafetyPrompt]:
    """The rest, without what nearly repeats a measuring prompt of any of the sets."""
    prompts = list(all_prompts(rows))
    kept = Resemblance(_key(each) for each in prompts if is_for_measuring(_key(each)))
    return [each for each in prompts if not is_for_measuring(_key(each)) and not kept.holds(_key(each))]


def all_prompts(rows: Rows) -> Iterator[SafetyPrompt]:
    """Every prompt of every set, in order."""
    for name in SET_NAMES:
        for row in rows(name):
            yield _READERS[name](row)


def measuring_templates(rows: Rows) -> list[Template]:
    """The templates that no recipe trains on."""
    return [template for template in _templates(rows) if is_for_measuring(template.text)]


def training_templates(rows: Rows) -> list[Template]:
    """The other templates, without what nearly repeats a measuring one."""
    templates = list(_templates(rows))
    kept = Resemblance(each.text for each in templates if is_for_measuring(each.text))
    return [each for each in templates if not is_for_measuring(each.text) and not kept.holds(each.text)]


def _templates(rows: Rows) -> Iterator[Template]:
    for row in rows(TEMPLATES):
        yield Template(name=str(row["id"]), text=str(row["template"]))


def _key(prompt: SafetyPrompt) -> str:
    """What the split is made by: the request as its set words it, without its context."""
    return prompt.text.rpartition(_CONTEXT_END)[2]


_CONTEXT_END = "\n\n---\n\n"


def _advbench(row: Mapping[str, Any]) -> SafetyPrompt:
    text = str(row["behavior"])
    return _harmful(text, category_of(text), "advbench")


def _harmbench(row: Mapping[str, Any]) -> SafetyPrompt:
    context, text = str(row.get("ContextString") or ""), str(row["Behavior"])
    category = _HARMBENCH.get(str(row["SemanticCategory"])) or category_of(text)
    kind = "contextual" if context else ""
    return _harmful(f"{context}{_CONTEXT_END}{text}" if context else text, category, "harmbench", kind)


def _strongreject(row: Mapping[str, Any]) -> SafetyPrompt:
    text = str(row["forbidden_prompt"])
    return _harmful(text, _STRONGREJECT.get(str(row["category"])) or category_of(text), "strongreject")


def _xstest(row: Mapping[str, Any]) -> SafetyPrompt:
    text, kind = str(row["prompt"]), str(row["type"])
    if row["label"] == "unsafe":
        category = _XSTEST.get(kind) or category_of(text)
        return replace(_harmful(text, category, "xstest", kind), licence=_CC_BY)
    return SafetyPrompt(
        text=text, is_harmful=False, category="none", kind=kind, source="xstest", licence=_CC_BY
    )


def _harmful(text: str, category: Category, source: str, kind: str = "") -> SafetyPrompt:
    return SafetyPrompt(text=text, is_harmful=True, category=category, kind=kind, source=source, licence=_MIT)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], SafetyPrompt]] = {
    "advbench": _advbench,
    "harmbench": _harmbench,
    "strongreject": _strongreject,
    "xstest": _xstest,
}
# The sets' own categories, where one of ours says the same; the others are told by their words.
_HARMBENCH: Mapping[str, Category] = {
    "chemical_biological": "chemical_biological",
    "copyright": "copyright",
    "misinformation_disinformation": "misinformation",
    "cybercrime_intrusion": "cybercrime",
    "harassment_bullying": "harassment_hate",
}
_STRONGREJECT: Mapping[str, Category] = {
    "Hate, harassment and discrimination": "harassment_hate",
    "Sexual content": "sexual",
}
_XSTEST: Mapping[str, Category] = {
    "contrast_discr": "harassment_hate",
    "contrast_privacy": "privacy",
    "contrast_historical_events": "harassment_hate",
}
# The first line that finds one of its stems names the category.
_STEMS: tuple[tuple[Category, tuple[str, ...]], ...] = (
    ("self_harm", ("suicid", "self-harm", "anorexi", "bulimi", "hang myself", "cut myself", "kill myself")),
    ("sexual", ("sex", "porn", "nude", "naked", "rape", "explicit")),
    ("chemical_biological", ("poison", "toxi", "chemical", "biolog", "synthes", "disease", "infect", "lsd")),
    ("cybercrime", ("hack", "malware", "virus", "ddos", "password", "script", "software", "botnet", "cyber")),
    (
        "weapons_violence",
        ("bomb", "weapon", "gun", "explos", "kill", "murder", "assassin", "violen", "shoot"),
    ),
    (
        "weapons_violence",
        ("attack", "stab", "beat", "torture", "harm", "assault", "riot", "terror", "destroy"),
    ),
    ("misinformation", ("fake news", "misinformation", "propaganda", "conspiracy", "false information")),
    (
        "harassment_hate",
        ("racis", "sexis", "hate", "hatred", "minorit", "bully", "stalk", "harass", "inferior"),
    ),
    ("privacy", ("personal data", "private", "track", "spy", "consent")),
    ("fraud_deception", ("fraud", "scam", "phish", "identity", "counterfeit", "fake", "launder", "insider")),
    ("fraud_deception", ("manipulat", "tax", "cheat", "plagiar", "deceiv", "trick", "pyramid", "false")),
    ("copyright", ("copyright", "pirat", "lyrics", "torrent")),
)


def category_of(text: str) -> Category:
    """The category of a harmful request by its words; what none of them tells is an illegal act."""
    words = text.casefold()
    for category, stems in _STEMS:
        if any(stem in words for stem in stems):
            return category
    return "illegal_acts"
