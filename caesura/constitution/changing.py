"""A constitution with one principle changed, as text: for trials of what a sentence is worth.

Enters: a constitution's YAML, a principle's id, fields. Leaves: YAML that `principles.py` reads. Comments are
lost on the way. Read next: `caesura/rl/principle_trial.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import yaml

from caesura.constitution.principle_fields import ConstitutionError, parse_yaml
from caesura.constitution.principles import PACKAGED, parse_constitution


def packaged_text() -> str:
    """The YAML of the constitution that comes along."""
    return files("caesura.constitution").joinpath(PACKAGED).read_text(encoding="utf-8")


def with_changed(text: str, principle_id: str, fields: Mapping[str, str | Sequence[str]]) -> str:
    """The same with some fields of one principle replaced.

    Raises ConstitutionError where there is no such principle, or what comes out is no constitution.
    """
    tree = dict(parse_yaml(text, PACKAGED))
    principles: list[dict[str, Any]] = [dict(each) for each in tree["principles"]]
    chosen = [each for each in principles if each.get("id") == principle_id]
    if not chosen:
        known = ", ".join(str(each.get("id")) for each in principles)
        raise ConstitutionError(f"there is no principle {principle_id!r}; there are {known}")
    for name, value in fields.items():
        chosen[0][name] = value if isinstance(value, str) else list(value)
    changed = yaml.safe_dump(tree | {"principles": principles}, sort_keys=False, allow_unicode=True)
    parse_constitution(changed, f"the constitution with another {principle_id}")
    return changed
