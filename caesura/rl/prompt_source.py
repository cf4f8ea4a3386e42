"""Where a job's prompts come from, and that none of them is one to measure on.

Enters: the data folder. Leaves: prompts. Read next: `caesura/constitution/prompts.py` for what a prompt is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from caesura.constitution.principles import Constitution, load_constitution
from caesura.constitution.prompts import Prompt, read_prompts
from caesura.train.job import Place

# From the data folder to what says of a text whether it is one to measure on, or all but one.
HeldOut = Callable[[Path], Callable[[str], bool]]


class PromptSource(Protocol):
    """A frozen dataclass, so that its fields are part of the recipe."""

    def __call__(self, data: Path) -> Iterable[Prompt]:
        """The prompts, the same ones each time. data: the folder of public data sets."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFile:
    """Prompts from a JSONL file, as `caesura/constitution/prompts.py` reads them.

    path: the file, wherever it lies.
    """

    path: str

    def __call__(self, data: Path) -> Iterator[Prompt]:
        return read_prompts(Path(self.path))


def followed(constitution: str, place: Place) -> Constitution:
    """A constitution: of a file below the runs folder, where an earlier job wrote it; or of a file anywhere;
    or, for "", the one that comes along. Raises ConstitutionError.
    """
    if not constitution:
        return load_constitution()
    written = place.runs / constitution
    return load_constitution(written if written.is_file() else Path(constitution))


def checked_prompts(source: PromptSource, data: Path, held_out: HeldOut) -> Sequence[Prompt]:
    """All prompts. Raises ValueError where there are none, or where one is held out for measuring."""
    prompts = tuple(source(data))
    if not prompts:
        raise ValueError(
            f"{type(source).__qualname__} found no prompts in {data}; `caesura data` fetches them"
        )
    is_held_out = held_out(data)
    forbidden = [each.text for each in prompts if is_held_out(each.text)]
    if forbidden:
        raise ValueError(
            f"{type(source).__qualname__} holds {len(forbidden)} of {len(prompts)} prompts that are kept for "
            f"measuring and must not be trained on, the first {forbidden[0][:80]!r}"
        )
    return prompts
