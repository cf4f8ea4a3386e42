"""What declining rests on: `python -m bench.declining --data FOLDER`.

Two comparisons with what `caesura eval safety` says of a model. How far words alone go: a logistic regression
over words, pairs of words and runs of four letters learns the same prompts as nano, once without the requests
written for the project and once with them. And how much of the written requests a model declines of those
that it was trained on, beside those kept for measuring: the gap is what it learnt by heart.
Prints two tables and one line of JSON. Read next: `caesura/recipes/alignment.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from caesura.cli.bundled import bundled_folder
from caesura.evals.safety.items import safety_items
from caesura.evals.safety.prompts import SafetyPrompt
from caesura.evals.safety.refusal import is_refusal
from caesura.evals.safety.written import written_requests
from caesura.messages.content import text_of
from caesura.recipes.alignment import AlignmentPrompts
from caesura.rl.guard import share_kept
from caesura.rl.reinforcement import engine_model
from caesura.rl.rollouts import RolloutConfig, RolloutEngine
from caesura.train.safety_sets import safety_rows

FORMS = ("plain", "look-alikes", "benign", "own words, harmful", "own words, harmless")
_WORD = re.compile(r"[a-z0-9]+")
_LEAST, _PASSES, _BATCH = 3, 6, 256


def traits(text: str) -> set[str]:
    """The words, the pairs of words, and the runs of four letters."""
    words = _WORD.findall(text.lower())
    pairs = (f"{first}_{second}" for first, second in pairwise(words))
    runs = (f"#{word[at : at + 4]}" for word in words for at in range(max(1, len(word) - 3)))
    return {*words, *pairs, *runs}


class Words:
    """A logistic regression from a text's traits to whether it is harmful."""

    def __init__(self, prompts: Sequence[SafetyPrompt]) -> None:
        found = [traits(each.text) for each in prompts]
        counts = Counter(trait for each in found for trait in each)
        kept = (trait for trait, count in counts.items() if count >= _LEAST)
        self._places = {trait: place for place, trait in enumerate(kept)}
        self._weights = torch.nn.EmbeddingBag(len(self._places) + 1, 1, mode="sum")
        torch.nn.init.zeros_(self._weights.weight)
        self._learn([self._ids(each) for each in found], torch.tensor([float(p.is_harmful) for p in prompts]))

    def declines(self, text: str) -> bool:
        """Whether it holds a text for harmful."""
        with torch.no_grad():
            return float(self._scores([self._ids(traits(text))])) > 0

    def _ids(self, found: Iterable[str]) -> Tensor:
        known = sorted(self._places[trait] for trait in found if trait in self._places)
        return torch.tensor([*known, len(self._places)])

    def _scores(self, rows: Sequence[Tensor]) -> Tensor:
        starts = torch.tensor([0, *(len(row) for row in rows[:-1])]).cumsum(0)
        return self._weights(torch.cat(list(rows)), starts).squeeze(1)

    def _learn(self, rows: Sequence[Tensor], is_harmful: Tensor) -> None:
        optimiser = torch.optim.Adam(self._weights.parameters(), lr=0.02)
        for _ in range(_PASSES):
            for indices in torch.randperm(len(rows)).split(_BATCH):
                scores = self._scores([rows[index] for index in indices.tolist()])
                loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, is_harmful[indices])
                optimiser.zero_grad()
                (loss + 1e-5 * self._weights.weight.square().sum()).backward()
                optimiser.step()


def words_alone(data: Path, num_written: int) -> dict[str, float]:
    """The share of each form that words alone decline."""
    torch.manual_seed(0)
    prompts = list(AlignmentPrompts(num_written=num_written, num_templated=0)(data))
    words = Words(prompts)
    shares: dict[str, float] = {}
    items = safety_items(safety_rows(data))
    for form in FORMS:
        texts = [text_of(item.conversation.turns[-1].content) for item in items if item.form == form]
        shares[form] = sum(map(words.declines, texts)) / len(texts)
    return shares


def learnt_and_kept(model: Path, num_each: int) -> dict[str, float]:
    """The share of written requests that a model declines, by part and side."""
    limits = RolloutConfig(max_running=256, max_step_tokens=2048)
    engine = RolloutEngine(engine_model(model, "cpu"), limits)
    shares: dict[str, float] = {}
    for part, for_measuring in (("learnt", False), ("kept", True)):
        prompts = written_requests(for_measuring=for_measuring)
        random.Random(1).shuffle(prompts)
        for side, is_harmful in (("harmful", True), ("harmless", False)):
            chosen = [each for each in prompts if each.is_harmful is is_harmful][:num_each]
            right = share_kept(engine, chosen, is_refusal)
            shares[f"{part}, {side}"] = right if is_harmful else 1 - right
    return shares


def main() -> None:
    """Measure, print, and end with a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data sets' folder")
    parser.add_argument("--model", type=Path, default=bundled_folder(), help="default: the bundled nano")
    parser.add_argument("--num-each", type=int, default=300, help="written requests of each part and side")
    options = parser.parse_args()
    results = {
        "words alone, without the written requests": words_alone(options.data, 0),
        "words alone, with them": words_alone(options.data, 2),
        "written requests, the model": learnt_and_kept(options.model, options.num_each),
    }
    for title, shares in results.items():
        table = Table(title=f"{title}: share declined")
        table.add_column("requests")
        table.add_column("declined", justify="right")
        for name, share in shares.items():
            table.add_row(name, f"{share:.1%}")
        Console().print(table)
    print(json.dumps({"name": "declining", **results}))


if __name__ == "__main__":
    main()
