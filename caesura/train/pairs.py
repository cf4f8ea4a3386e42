"""Preferences as pairs of encoded conversations, kept on disk, and their batches by number.

Enters: `Preference`s and the chat format. Leaves: a `PairSet`, split by a hash of the prompt into what is
learnt, what statistics are taken from, and what is measured on; and batches that are a pure function of the
step's number. Shapes: B pairs, S = 2B sides (all chosen ones, then all rejected ones), T tokens.
Read next: `reward_stage.py`, `preference_stage.py`.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from caesura.messages.content import Conversation, Turn, text_of, text_turn
from caesura.messages.errors import DataError
from caesura.messages.preferences import Preference
from caesura.tokens import CaesuraFormat
from caesura.train.data import Row
from caesura.train.encoding import Encoded, TokenSet, encode_row

log = logging.getLogger(__name__)

Part = Literal["train", "reference", "held_out"]
PARTS: tuple[Part, ...] = ("train", "reference", "held_out")
_NUM_BUCKETS = 10
_WINDOW_BATCHES = 16  # batches whose pairs are sorted by length: little padding, still shuffled


class Comparisons(Protocol):
    """Where preferences come from: a frozen dataclass, so that its fields are part of the recipe."""

    def __call__(self, data: Path, runs: Path) -> Iterable[Preference]:
        """The preferences, the same ones each time. data: the folder of public data sets. runs: that of
        earlier jobs, whose preferences are read where they are there.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PairConfig:
    """How pairs are cut into batches.

    batch_pairs: pairs a batch. row_tokens: the widths on offer, ascending; a batch is padded to the first
    that holds its longest side. Pairs with a longer side are left out, and counted.
    seed: of the shuffle; each pass over the pairs is shuffled anew.
    """

    batch_pairs: int = 32
    row_tokens: tuple[int, ...] = (64, 128, 256, 512)
    seed: int = 0


class PairBatch(NamedTuple):
    """What the network reads of some pairs.

    tokens_ST: ids, the chosen sides first, padded at the end. mask_ST: which ids are the reply's.
    last_S: where each side's last id lies. p_B: how probable it is that the chosen side is better.
    indices_B: which pairs of the set they are.
    """

    tokens_ST: Tensor
    mask_ST: Tensor
    last_S: Tensor
    p_B: Tensor
    indices_B: Tensor

    def to(self, device: str) -> PairBatch:
        """The same on a device."""
        return PairBatch(*(tensor.to(device) for tensor in self))


def part_of(prompt: Sequence[Turn]) -> Part:
    """Which part a prompt falls into: a tenth is measured on, a tenth gives statistics, the rest is learnt.

    All pairs of one prompt fall into one part.
    """
    text = "\n".join(f"{turn.role}: {text_of(turn.content)}" for turn in prompt)
    # However it is typed: with or without capitals and full stops.
    digest = hashlib.sha256(f"pairs/{' '.join(re.findall('[a-z0-9]+', text.lower()))}".encode()).digest()
    bucket = int.from_bytes(digest[:4], "big") % _NUM_BUCKETS
    return "held_out" if bucket == 0 else "reference" if bucket == 1 else "train"


def encode_reply(chat_format: CaesuraFormat, prompt: Sequence[Turn], reply: str) -> Encoded:
    """A reply without a thought, behind its prompt; its text and its end are masked in, and it has an end."""
    conversation = Conversation(turns=(*prompt, text_turn("assistant", reply)))
    encoded = encode_row(chat_format, Row(conversation=conversation, mode="fast", source="", licence=""))
    # What a reward is read from; without it, nobody knows whether the reply was finished.
    assert encoded.ids[-1] in chat_format.phase_tokens.end
    return encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSet:
    """Encoded preferences.

    sides: the chosen and the rejected side of each pair, in turn. p: see `Preference`.
    parts: the index into `PARTS` of each pair. sources: where each comes from. num_too_long: how many were
        left out.
    """

    sides: TokenSet
    p: npt.NDArray[np.float32]
    parts: npt.NDArray[np.int64]
    sources: npt.NDArray[np.str_]
    num_too_long: int = 0

    def __len__(self) -> int:
        return len(self.p)

    def num_reply_ids(self) -> npt.NDArray[np.int64]:
        """(N, 2): the number of ids of each reply, its end included: the chosen one's, the rejected one's."""
        return np.add.reduceat(self.sides.mask.astype(np.int64), self.sides.starts[:-1]).reshape(-1, 2)

    def part(self, name: Part) -> npt.NDArray[np.int64]:
        """The indices of the pairs of a part."""
        return np.flatnonzero(self.parts == PARTS.index(name))

    def require_parts(self) -> None:
        """Raises DataError if a part is empty, before anything is spent on the others."""
        empty = [name for name in PARTS if not len(self.part(name))]
        if empty:
            raise DataError(
                f"of {len(self)} pairs none falls into {', '.join(empty)}; more different prompts are needed"
            )

    @classmethod
    def collect(
        cls, chat_format: CaesuraFormat, preferences: Iterable[Preference], max_tokens: int
    ) -> PairSet:
        """Encode preferences, in memory. Raises DataError where none fits."""
        sides: list[Encoded] = []
        ps: list[float] = []
        parts: list[int] = []
        sources: list[str] = []
        num_too_long = 0
        for row in preferences:
            pair = [encode_reply(chat_format, row.prompt, reply) for reply in (row.chosen, row.rejected)]
            if max(len(side.ids) for side in pair) > max_tokens:
                num_too_long += 1
                continue
            sides += pair
            ps.append(row.p)
            parts.append(PARTS.index(part_of(row.prompt)))
            sources.append(row.source)
        if not ps:
            raise DataError(f"there are no preferences of at most {max_tokens} tokens a side to learn from")
        return cls(
            sides=TokenSet.collect(sides),
            p=np.asarray(ps, np.float32),
            parts=np.asarray(parts, np.int64),
            sources=np.asarray(sources, np.str_),
            num_too_long=num_too_long,
        )

    def save(self, folder: Path) -> None:
        """Write the arrays; the token set's manifest comes last, so a folder without one is unfinished."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(
            folder / "pairs.npz",
            p=self.p,
            parts=self.parts,
            sources=self.sources,
            num_too_long=self.num_too_long,
        )
        self.sides.save(folder)

    @classmethod
    def load(cls, folder: Path) -> PairSet:
        """Map the arrays into memory. Raises DataError if the folder is unfinished."""
        sides = TokenSet.load(folder)
        with np.load(folder / "pairs.npz") as arrays:
            return cls(
                sides=sides,
                p=arrays["p"],
                parts=arrays["parts"],
                sources=arrays["sources"],
                num_too_long=int(arrays["num_too_long"]),
            )

    def batch(self, pairs: Sequence[int], row_tokens: tuple[int, ...]) -> PairBatch:
        """Some pairs, padded to the first width that holds them."""
        indices = [2 * pair + side for side in (0, 1) for pair in pairs]
        lengths = [int(self.sides.starts[index + 1] - self.sides.starts[index]) for index in indices]
        width = next(width for width in row_tokens if width >= max(lengths))
        tokens, mask = np.zeros((len(indices), width), np.int64), np.zeros((len(indices), width), np.bool_)
        for row, (index, length) in enumerate(zip(indices, lengths, strict=True)):
            start = int(self.sides.starts[index])
            tokens[row, :length] = self.sides.ids[start : start + length]
            mask[row, :length] = self.sides.mask[start : start + length]
        return PairBatch(
            tokens_ST=torch.from_numpy(tokens),
            mask_ST=torch.from_numpy(mask),
            last_S=torch.tensor(lengths) - 1,
            p_B=torch.tensor([float(self.p[pair]) for pair in pairs]),
            indices_B=torch.tensor(pairs),
        )


class PairBatches:
    """Batches of some pairs of a set, by number. The same number always gives the same batch."""

    def __init__(self, pairs: PairSet, indices: npt.NDArray[np.int64], config: PairConfig) -> None:
        self._pairs = pairs
        self._indices = indices
        self._config = config
        lengths = np.asarray(pairs.sides.lengths).reshape(-1, 2).max(axis=1)
        self._lengths = lengths[indices]
        self._epoch_number = -1
        self._epoch: list[list[int]] = []

    def __len__(self) -> int:
        """How many batches make a pass over the pairs."""
        return -(-len(self._indices) // self._config.batch_pairs)

    def batch(self, step: int) -> PairBatch:
        """The batch of a step, counted over all passes."""
        number, at = divmod(step, len(self))
        if number != self._epoch_number:
            self._epoch, self._epoch_number = self._batches(number), number
        return self._pairs.batch(self._epoch[at], self._config.row_tokens)

    def _batches(self, epoch: int) -> list[list[int]]:
        rng = np.random.default_rng((self._config.seed, epoch))
        order = rng.permutation(len(self._indices))
        size = self._config.batch_pairs
        batches: list[list[int]] = []
        for start in range(0, len(order), size * _WINDOW_BATCHES):
            window = order[start : start + size * _WINDOW_BATCHES]
            window = window[np.argsort(self._lengths[window], kind="stable")]
            batches += [self._indices[window[at : at + size]].tolist() for at in range(0, len(window), size)]
        return [batches[index] for index in rng.permutation(len(batches))]


def in_order(
    pairs: PairSet, indices: npt.NDArray[np.int64], config: PairConfig
) -> Iterable[tuple[list[int], PairBatch]]:
    """Batches that go through some pairs once, shortest first, for measuring; each with its pairs."""
    lengths = np.asarray(pairs.sides.lengths).reshape(-1, 2).max(axis=1)
    ordered = indices[np.argsort(lengths[indices], kind="stable")].tolist()
    for at in range(0, len(ordered), config.batch_pairs):
        chosen = ordered[at : at + config.batch_pairs]
        yield chosen, pairs.batch(chosen, config.row_tokens)


def prepare_pairs(
    source: Callable[[], Iterable[Preference]], chat_format: CaesuraFormat, folder: Path, max_tokens: int
) -> PairSet:
    """Encode preferences once; later calls map what is there, whatever became of their source.

    Raises DataError if a part is empty.
    """
    if not (folder / "manifest.json").is_file():
        log.info("%s: encoding preferences", folder)
        PairSet.collect(chat_format, source(), max_tokens).save(folder)
    pairs = PairSet.load(folder)
    pairs.require_parts()
    return pairs


def spread(indices: npt.NDArray[np.int64], num: int) -> npt.NDArray[np.int64]:
    """`num` of some pairs, evenly over all of them, so that every kind is met; all where they are few."""
    if len(indices) <= num:
        return indices
    return indices[np.arange(num) * len(indices) // num]
