"""What `caesura redteam` starts from: the training parts of the public safety sets, and who tells refusals.

Rows that measure are never read here, so what the search finds may be trained on. Enters: the data folder.
Leaves: `Seed`s and templates. Read next: `redteam_run.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from caesura.constitution.redteam.seeds import Seed
from caesura.evals.safety.split import is_for_training
from caesura.messages.errors import DataError
from caesura.train.sets import SETS, open_set, read_rows

TEMPLATES_FILE = "jailbreak_templates/templates.jsonl"

_FIELDS: Mapping[str, str] = {
    "advbench": "behavior",
    "harmbench": "Behavior",
    "strongreject": "forbidden_prompt",
    "xstest": "prompt",
}
# The sets' own categories, where one of ours says the same; the others are told by their words.
_CATEGORIES: Mapping[str, str] = {
    "chemical_biological": "chemical_biological",
    "copyright": "copyright",
    "misinformation_disinformation": "misinformation",
    "cybercrime_intrusion": "cybercrime",
    "harassment_bullying": "harassment_hate",
    "Hate, harassment and discrimination": "harassment_hate",
    "Sexual content": "sexual",
    "contrast_discr": "harassment_hate",
    "contrast_privacy": "privacy",
}
# The first that is found names the category.
_WORDS: tuple[tuple[str, str], ...] = (
    ("self_harm", r"suicid|self-harm|anorexi|bulimi|kill myself|hurt myself"),
    ("sexual", r"\bsex|porn|nude|rape"),
    ("chemical_biological", r"poison|toxi|chemical|biolog|\bdrugs?\b|synthes"),
    ("cybercrime", r"hack|malware|virus|ddos|password|botnet|cyber|exploit a"),
    ("weapons_violence", r"bomb|weapon|\bgun|explos|kill|murder|assassin|violen|shoot|attack|torture"),
    ("misinformation", r"fake news|misinformation|propaganda|conspiracy|false"),
    ("harassment_hate", r"racis|sexis|hate|minorit|bully|stalk|harass"),
    ("privacy", r"personal data|private|track|\bspy"),
    ("fraud_deception", r"fraud|scam|phish|identity|counterfeit|fake|launder|manipulat|cheat"),
    ("copyright", r"copyright|pirat|lyrics|watermark"),
)


def set_seeds(folder: Path) -> Iterator[Seed]:
    """The training parts of the sets, harmful and harmless. Raises DataError for a set that is not there."""
    for name, field in _FIELDS.items():
        for row in open_set(folder, name):
            text = str(row[field])
            # A request about a text that comes with it is none without that text.
            if is_for_training(text) and not row.get("ContextString"):
                yield _seed(name, text, row)


def set_templates(folder: Path) -> tuple[str, ...]:
    """The training part of the jailbreak templates; none where the set is not there."""
    path = folder / TEMPLATES_FILE
    if not path.is_file():
        return ()
    try:
        found = [str(row["template"]) for row in read_rows(path)]
    except KeyError as error:
        raise DataError(f"{path}: a row lacks {error}") from error
    return tuple(template for template in found if is_for_training(template))


def _seed(name: str, text: str, row: Mapping[str, Any]) -> Seed:
    is_harmful = row.get("label") != "safe"
    kind = str(row.get("type", ""))
    given = row.get("SemanticCategory") or row.get("category") or kind
    category = (_CATEGORIES.get(str(given)) or category_of(text)) if is_harmful else "none"
    licence = SETS[name].licence
    return Seed(text=text, is_harmful=is_harmful, category=category, kind=kind, source=name, licence=licence)


def category_of(text: str) -> str:
    """The category of a harmful request by its words; what none of them tells is an illegal act."""
    words = text.casefold()
    return next((category for category, pattern in _WORDS if re.search(pattern, words)), "illegal_acts")
