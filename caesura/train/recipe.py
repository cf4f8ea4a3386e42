"""A named run: its words and its stages, and how the command line changes a field of them.

Enters: functions in `caesura/recipes/`. Leaves: `Recipe` values. Read next: `stage.py`.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from caesura.tokens import Tokenizer
from caesura.train.job import Job
from caesura.train.stage import start_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """From text to a model folder.

    name: what the command line calls it.
    tokenizer_texts: (data folder) -> what the merges are learnt from; None: the words of the model that
        the first stage starts from. vocab_size: how many tokens.
    stages: in order; the last one's model is the recipe's result. Where there is no `tokenizer_texts`, the
        first has a `start_from`.
    max_positions: the window that the tokenizer's config names.
    """

    name: str
    tokenizer_texts: Callable[[Path], Iterable[str]] | None
    vocab_size: int
    stages: tuple[Job, ...]
    max_positions: int


def ensure_tokenizer(recipe: Recipe, *, runs: Path, data: Path) -> Path:
    """The recipe's tokenizer folder, trained if it is not there yet."""
    if recipe.tokenizer_texts is None:
        start: str | None = getattr(recipe.stages[0], "start_from", None)
        if not start:
            raise ValueError(f"recipe {recipe.name} needs a model to start from: --set start_from=FOLDER")
        return start_folder(start, runs)
    folder = runs / f"{recipe.name}-tokenizer"
    if not folder.is_dir():
        log.info("%s: learning a vocabulary of %d tokens", recipe.name, recipe.vocab_size)
        tokenizer = Tokenizer.train(recipe.tokenizer_texts(data), vocab_size=recipe.vocab_size)
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        tokenizer.save(part, max_positions=recipe.max_positions)
        os.replace(part, folder)
    return folder


def override(recipe: Recipe, assignments: Iterable[str]) -> Recipe:
    """Apply `path=value` to every stage that has such a field, or to the stage whose name opens the path.

    `loop.num_steps=100` changes all that have a loop, `nano-sft.loop.num_steps=100` one. Values are JSON,
    else text. Raises ValueError naming the path and what may stand there.
    """
    stages = recipe.stages
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"{assignment!r} is not of the form path=value, e.g. loop.num_steps=100")
        first, _, rest = path.partition(".")
        named = {stage.name for stage in stages if stage.name == first}
        keys = (rest if named else path).split(".")
        chosen = named or {stage.name for stage in stages if keys[0] in _fields(stage)}
        if not chosen:
            known = sorted({name for stage in stages for name in _fields(stage)})
            raise ValueError(f"{path}: no stage has a field {keys[0]!r}; there are {', '.join(known)}")
        stages = tuple(
            _replaced(stage, keys, path, _value(text)) if stage.name in chosen else stage for stage in stages
        )
    return dataclasses.replace(recipe, stages=stages)


def _fields(node: Any) -> list[str]:
    return list(getattr(type(node), "__dataclass_fields__", ()))


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return tuple(cast(list[Any], value)) if isinstance(value, list) else value


def _replaced(node: Any, keys: list[str], path: str, value: Any) -> Any:
    """A copy of a dataclass with one field, however deep, set."""
    names = _fields(node)
    if keys[0] not in names:
        raise ValueError(f"{path}: no field {keys[0]!r}; there are {', '.join(names) or 'none'}")
    old = getattr(node, keys[0])
    if len(keys) > 1:
        value = _replaced(old, keys[1:], path, value)
    else:
        _check(get_type_hints(type(node))[keys[0]], old, path, value)
    return dataclasses.replace(node, **{keys[0]: value})


def _check(hint: Any, old: Any, path: str, value: Any) -> None:
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(f"{path}: {value!r} is not one of {', '.join(map(repr, get_args(hint)))}")
        return
    is_number = isinstance(old, float) and isinstance(value, int)
    if old is None or (type(value) is type(old)) or (is_number and not isinstance(value, bool)):
        return
    raise ValueError(f"{path}: {value!r} is not of the type of {old!r}")
