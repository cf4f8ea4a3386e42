"""Draws one id a row.

What may not be drawn is left out first: by the phase's mask, and by a grammar's where one holds. Rows without
a grammar pay nothing for those with one.

Greedy rows take the likeliest id. Other rows invert the cumulative distribution at one uniform number,
which is a function of the row's seed and its position alone. So the same logits draw the same id whatever
else is in the batch and however often the row was preempted. The logits themselves are the same bit for
bit in float32 only: in bfloat16 the shape of a product moves its rounding, so there the same seed can give
another text in other company. Shapes: R rows, G of them with a grammar, P phases' masks, V vocabulary.
Enters: logits and what each row wants. Leaves: ids and, if wanted, their log-probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from caesura.engine.constraint import Bits
from caesura.engine.phases import MaskName, masks
from caesura.messages.request import Sampling
from caesura.tokens.phase_tokens import PhaseTokens

_MASKS: tuple[MaskName, ...] = get_args(MaskName)
# Colder rows are greedy: below about 1e-38 a temperature is 0 in float32, and long before that nothing but
# the likeliest id has any probability left.
_MIN_TEMPERATURE = 1e-6
_WORD = (1 << 64) - 1
# For each byte of a grammar's bits, the penalties of the eight ids that they stand for: 0 or minus infinity,
# which numpy does not know in the shorter dtype, so there it is spelled in bits.
_BITS_OF_BYTES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
_PENALTIES = {
    torch.float32: np.where(_BITS_OF_BYTES, 0.0, -np.inf).astype(np.float32),
    torch.bfloat16: np.where(_BITS_OF_BYTES, 0, 0xFF80).astype(np.uint16).view(np.int16),
}


class Draw(NamedTuple):
    """What one row wants.

    sampling: temperature, top-k, top-p.
    mask: which of the phases' masks holds.
    seed, position: of the random number.
    has_grammar: whether a grammar's bits hold instead of the mask.
    scores_masked: see `SequenceRequest`.
    """

    sampling: Sampling
    mask: MaskName
    seed: int
    position: int
    has_grammar: bool = False
    scores_masked: bool = False


class Drawn(NamedTuple):
    """What came of each row.

    ids: drawn.
    is_sound: whether there was anything to draw from: scores that are numbers, one of them above minus
        infinity. Where not, the id means nothing.
    log_probs: of the ids under the bare model, or under its mask where a row asks for that; if they were
        wanted.
    """

    ids: list[int]
    is_sound: list[bool]
    log_probs: list[float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskTable:
    """Which ids may not be drawn.

    penalties_PV: -inf where an id is banned, else 0, in float32; one row for each mask.
    num_words: the tokenizer's ids; those beyond them are banned everywhere.
    """

    penalties_PV: Tensor
    num_words: int
    _converted: dict[torch.dtype, Tensor] = field(default_factory=dict[torch.dtype, Tensor], repr=False)

    @classmethod
    def build(
        cls, tokens: PhaseTokens, *, num_words: int, vocab_size: int, device: torch.device
    ) -> MaskTable:
        """num_words: the tokenizer's ids; scores beyond them (a padded vocabulary) mean nothing."""
        table = torch.zeros(len(_MASKS), vocab_size, device=device)
        for row, name in enumerate(_MASKS):
            mask = masks(tokens)[name]
            if mask.allowed is not None:
                table[row] = -torch.inf
                table[row, list(mask.allowed)] = 0.0
            table[row, list(mask.banned)] = -torch.inf
        table[:, num_words:] = -torch.inf
        return cls(penalties_PV=table, num_words=num_words)

    def rows(self, names: Sequence[MaskName]) -> Tensor:
        """(N,) which row of `penalties_PV` holds each of these masks."""
        indices = [_MASKS.index(name) for name in names]
        return torch.tensor(indices, dtype=torch.int64, device=self.penalties_PV.device)

    def apply(self, logits_RV: Tensor, draws: Sequence[Draw], bits_RW: Bits | None = None) -> Tensor:
        """The logits with -inf where a row's mask forbids, or its grammar where one holds; in their own
        dtype: sums of two are slow.

        bits_RW: what grammars allow, in the rows that have one.
        """
        bound = [row for row, each in enumerate(draws) if each.has_grammar]
        if bound and bits_RW is not None and len(bound) == len(draws):
            return logits_RV + self._grammar_penalties(bits_RW[: len(draws)], logits_RV.dtype)
        indices = [_MASKS.index(each.mask) for each in draws]
        penalties_PV = self._penalties(logits_RV.dtype)
        if not bound and len(set(indices)) == 1:
            return logits_RV + penalties_PV[indices[0]]
        index_R = torch.tensor(indices, device=logits_RV.device)
        penalties_RV = penalties_PV.index_select(0, index_R)
        if bound and bits_RW is not None:
            penalties_RV[bound] = self._grammar_penalties(bits_RW[bound], logits_RV.dtype)
        return logits_RV + penalties_RV

    def _penalties(self, dtype: torch.dtype) -> Tensor:
        """Converted once: a step has one dtype, and always the same."""
        if dtype not in self._converted:
            self._converted[dtype] = self.penalties_PV.to(dtype)
        return self._converted[dtype]

    def _grammar_penalties(self, bits_GW: Bits, dtype: torch.dtype) -> Tensor:
        """A byte of the bits looks up the penalties of eight ids; ids beyond the bits are banned. Grammars
        allow nothing that a phase's mask bans, so theirs need not be added.
        """
        vocab_size, device = self.penalties_PV.shape[1], self.penalties_PV.device
        bytes_GB = bits_GW.view(np.uint8)[:, : -(-vocab_size // 8)]
        if device.type == "cpu" and dtype in _PENALTIES:
            # Far faster than torch's own look-up, which wants indices of four bytes.
            looked_up = np.take(_PENALTIES[dtype], bytes_GB, axis=0)
            found_GV = torch.from_numpy(looked_up).view(dtype).flatten(1)
        else:
            table = torch.from_numpy(_PENALTIES[torch.float32]).to(device=device, dtype=dtype)
            found_GV = table[torch.from_numpy(bytes_GB).to(device).int()].flatten(1)
        missing = max(0, vocab_size - found_GV.shape[1])
        if missing:
            return torch.nn.functional.pad(found_GV, (0, missing), value=-torch.inf)
        return found_GV[:, :vocab_size]


def draw(
    logits_RV: Tensor,
    draws: Sequence[Draw],
    table: MaskTable,
    *,
    bits_RW: Bits | None = None,
    wants_log_probs: bool = False,
) -> Drawn:
    """One id for each row; none for a step that only reads. bits_RW: see `MaskTable.apply`."""
    if not draws:
        return Drawn([], [], None)
    masked_RV = table.apply(logits_RV, draws, bits_RW)
    ids_R, best_R = _draw(masked_RV, draws)
    log_probs = None
    if wants_log_probs:
        scores_RV = _scored(logits_RV, masked_RV, draws).float()
        chosen_R = scores_RV.gather(1, ids_R[:, None])[:, 0]
        log_probs = (chosen_R - scores_RV.logsumexp(dim=-1)).tolist()
    return Drawn(ids_R.tolist(), best_R.isfinite().tolist(), log_probs)


def _scored(logits_RV: Tensor, masked_RV: Tensor, draws: Sequence[Draw]) -> Tensor:
    """What each row's log-probability is taken of."""
    are_masked = [each.scores_masked for each in draws]
    if not any(are_masked):
        return logits_RV
    is_masked_R1 = torch.tensor(are_masked, device=logits_RV.device)[:, None]
    return masked_RV if all(are_masked) else torch.where(is_masked_R1, masked_RV, logits_RV)


class _Picked(NamedTuple):
    """Each row's id, and its highest score: no number if any score of the row is none."""

    ids_R: Tensor
    best_R: Tensor


def _draw(scores_RV: Tensor, draws: Sequence[Draw]) -> _Picked:
    greedy, plain, cut = list[int](), list[int](), list[int]()
    for row, each in enumerate(draws):
        sampling = each.sampling
        if sampling.temperature < _MIN_TEMPERATURE:
            greedy.append(row)
        else:
            (plain if sampling.top_p >= 1 and sampling.top_k is None else cut).append(row)
    picks = ((greedy, _likeliest), (plain, _any), (cut, _any_of_the_top))
    for rows, pick in picks:
        if len(rows) == len(draws):
            return pick(scores_RV, draws)
    ids_R = torch.zeros(len(draws), dtype=torch.int64, device=scores_RV.device)
    best_R = torch.zeros(len(draws), device=scores_RV.device)
    for rows, pick in picks:
        if rows:
            index_R = torch.tensor(rows, device=scores_RV.device)
            picked = pick(scores_RV.index_select(0, index_R), [draws[row] for row in rows])
            ids_R[index_R], best_R[index_R] = picked.ids_R, picked.best_R.float()
    return _Picked(ids_R, best_R)


def _likeliest(scores_RV: Tensor, draws: Sequence[Draw]) -> _Picked:
    # The first of several; what is no number counts as the highest. `argmax` of bfloat16 takes four times
    # as long.
    best_R, ids_R = scores_RV.max(dim=-1)
    return _Picked(ids_R, best_R)


def _any(scores_RV: Tensor, draws: Sequence[Draw]) -> _Picked:
    heated_RV, best_R = _heated(scores_RV, draws)
    return _Picked(_invert(heated_RV.softmax(dim=-1), draws), best_R)


def _any_of_the_top(scores_RV: Tensor, draws: Sequence[Draw]) -> _Picked:
    """Top-k, then top-p of what is left: the fewest likeliest ids whose probability reaches p."""
    vocab_size = scores_RV.shape[1]
    counts = [min(each.sampling.top_k or vocab_size, vocab_size) for each in draws]
    # Heat leaves the order as it is, and there is less to heat behind the cut.
    sorted_RV, ids_RV = scores_RV.topk(max(counts), dim=-1)
    heated_RV, best_R = _heated(sorted_RV, draws)
    rank_V = torch.arange(max(counts), device=scores_RV.device)
    if min(counts) < max(counts):
        count_R1 = torch.tensor(counts, device=scores_RV.device)[:, None]
        heated_RV = heated_RV.masked_fill(rank_V >= count_R1, -torch.inf)
    probs_RV = heated_RV.softmax(dim=-1)
    if any(each.sampling.top_p < 1 for each in draws):
        top_p_R1 = torch.tensor([each.sampling.top_p for each in draws], device=scores_RV.device)[:, None]
        before_RV = probs_RV.cumsum(dim=-1) - probs_RV
        # The likeliest stays even where top_p is 0.
        probs_RV = probs_RV.masked_fill((before_RV >= top_p_R1) & (rank_V > 0), 0.0)
    return _Picked(ids_RV.gather(1, _invert(probs_RV, draws)[:, None])[:, 0], best_R)


class _Heated(NamedTuple):
    """Scores at their temperatures, and each row's highest before that."""

    scores_RV: Tensor
    best_R: Tensor


def _heated(scores_RV: Tensor, draws: Sequence[Draw]) -> _Heated:
    temperatures = [each.sampling.temperature for each in draws]
    # The likeliest is moved to 0 first, so that a small temperature cannot overflow.
    scores_RV = scores_RV.float()
    best_R1 = scores_RV.amax(dim=-1, keepdim=True)
    scores_RV = scores_RV - best_R1
    if any(each != 1 for each in temperatures):
        scores_RV = scores_RV / torch.tensor(temperatures, device=scores_RV.device)[:, None]
    return _Heated(scores_RV, best_R1[:, 0])


def _invert(probs_RV: Tensor, draws: Sequence[Draw]) -> Tensor:
    """The first index whose cumulative probability exceeds the row's uniform number."""
    sums_RV = probs_RV.cumsum(dim=-1)
    uniform_R1 = torch.tensor([uniform(each.seed, each.position) for each in draws], device=probs_RV.device)[
        :, None
    ]
    total_R1 = sums_RV[:, -1:]
    # Strictly below the total, or rounding could point past the last id of positive probability.
    target_R1 = torch.minimum(uniform_R1 * total_R1, total_R1.nextafter(torch.zeros_like(total_R1)))
    # A row that is no numbers would point past its end, and end the others with it.
    return torch.searchsorted(sums_RV, target_R1, right=True)[:, 0].clamp_max_(probs_RV.shape[1] - 1)


def uniform(seed: int, position: int) -> float:
    """A number in [0, 1) for each pair: SplitMix64 (Steele et al. 2014) on a counter."""
    word = _mix(_mix(seed & _WORD) + position * 0x9E3779B97F4A7C15 & _WORD)
    return (word >> 11) / (1 << 53)


def _mix(word: int) -> int:
    word = (word + 0x9E3779B97F4A7C15) & _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)
