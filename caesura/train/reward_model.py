"""A reward model: the network of a language model, and one number read off the last token of a conversation.

Enters: a backbone, or a folder. Leaves: rewards; and a Hugging Face folder with the head in
`reward_head.safetensors` and what its numbers mean in `reward.json`. Shapes: S sides, T tokens, D hidden
size. Read next: `reward_stage.py`, which trains one; `caesura/rl/reward_models.py`, which adds several up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from caesura.messages.content import Conversation, ThinkingBlock
from caesura.messages.errors import DataError
from caesura.messages.preferences import Dimension
from caesura.model import PackedAttention, Transformer, load_model
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.train.stage import export

HEAD_FILE, FACTS_FILE = "reward_head.safetensors", "reward.json"
_FORMAT_VERSION = 1
_BATCH_TOKENS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """What a raw reward is compared with, all of it taken from a reference sample that nothing learnt from.

    length_slope: raw reward an id of the reply, the least-squares line through the sample.
    length_mean: the sample's mean length, in ids. length_max: its longest reply; beyond it the line is flat.
    mean, std: of the sample's rewards, once the line is taken off.
    """

    length_slope: float = 0.0
    length_mean: float = 0.0
    length_max: float = math.inf
    mean: float = 0.0
    std: float = 1.0

    def without_length(self, raw_S: Tensor, lengths_S: Tensor) -> Tensor:
        """Raw rewards without what the length alone would earn."""
        return raw_S - self.length_slope * (lengths_S.clamp(max=self.length_max) - self.length_mean)

    def standardised(self, raw_S: Tensor, lengths_S: Tensor) -> Tensor:
        """Rewards without the length's share, with mean 0 and deviation 1 on the reference sample."""
        return (self.without_length(raw_S, lengths_S) - self.mean) / self.std


def fit_standard(raw_S: Tensor, lengths_S: Tensor) -> Standard:
    """The standard of a reference sample. Raises DataError where it is too small or its rewards are equal.

    slope = cov(reward, length) / var(length), 0 where all lengths are equal.
    """
    if len(raw_S) < 2:
        raise DataError(f"a reference sample of {len(raw_S)} replies is too small: at least 2 are needed")
    raw_S, lengths_S = raw_S.double(), lengths_S.double()
    from_mean_S = lengths_S - lengths_S.mean()
    spread = float(from_mean_S.square().sum())
    slope = float((from_mean_S * raw_S).sum()) / spread if spread else 0.0
    line = Standard(
        length_slope=slope, length_mean=float(lengths_S.mean()), length_max=float(lengths_S.max())
    )
    rewards_S = line.without_length(raw_S, lengths_S)
    std = float(rewards_S.std())
    if not std > 0:
        raise DataError("all replies of the reference sample have the same reward; nothing was learnt")
    return replace(line, mean=float(rewards_S.mean()), std=std)


class RewardModel(nn.Module):
    """A backbone and a scalar head. What its rewards are compared with is a buffer, so that it lies in every
    checkpoint beside the weights.
    """

    standard_5: Tensor

    def __init__(self, backbone: Transformer) -> None:
        super().__init__()
        self.backbone = backbone
        if backbone.lm_head is not None:
            backbone.lm_head.requires_grad_(False)  # no reward passes through it
        self.head = nn.Linear(backbone.config.hidden_size, 1)
        self.register_buffer("standard_5", _tensor_of(Standard()))

    @torch.no_grad()
    def initialise_head(self, generator: torch.Generator) -> None:
        """Weights of deviation 1 / sqrt(D + 1), bias 0 (Stiennon et al. 2020)."""
        self.head.weight.normal_(0.0, 1 / math.sqrt(self.head.in_features + 1), generator=generator)
        self.head.bias.zero_()

    def forward(self, tokens_ST: Tensor, last_S: Tensor) -> Tensor:
        """(S,) float32: the raw reward of each row, read at its last real token.

        Attention is causal, so the padding behind that cannot reach it. Nothing in the network drops out.
        """
        positions_ST = torch.arange(tokens_ST.shape[1], device=tokens_ST.device).expand_as(tokens_ST)
        hidden_STD = self.backbone(
            tokens_ST, positions_ST, PackedAttention(windows=self.backbone.config.windows)
        )
        last_SD = hidden_STD[torch.arange(len(last_S), device=last_S.device), last_S]
        # Written out, for autocast would round a product's result, and with it every lead, to 8 bits.
        return (last_SD.float() * self.head.weight).sum(dim=-1) + self.head.bias

    @property
    def standard(self) -> Standard:
        """What raw rewards are compared with."""
        return Standard(**dict(zip(Standard.__dataclass_fields__, self.standard_5.tolist(), strict=True)))

    @standard.setter
    def standard(self, standard: Standard) -> None:
        self.standard_5.copy_(_tensor_of(standard))


def _tensor_of(standard: Standard) -> Tensor:
    return torch.tensor(list(asdict(standard).values()), dtype=torch.float64)


class RewardScorer:
    """Rewards of whole conversations, as reinforcement asks for them."""

    def __init__(self, model: RewardModel, chat_format: CaesuraFormat, dimension: Dimension) -> None:
        self._model = model.eval()
        self._format = chat_format
        self.dimension: Dimension = dimension

    @property
    def standard(self) -> Standard:
        """What raw rewards are compared with."""
        return self._model.standard

    def score(self, conversations: Sequence[Conversation]) -> Tensor:
        """(N,) float32: the standardised reward of the last turn of each, which is the assistant's.

        What was thought in that turn is not judged, only what was said. Raises ValueError for a conversation
        that ends otherwise, that says nothing at its end, or that is longer than the window.
        """
        encoded = [self._encode(number, each) for number, each in enumerate(conversations)]
        rewards_N = torch.zeros(len(encoded))
        order = sorted(range(len(encoded)), key=lambda each: -len(encoded[each].ids))
        while order:
            size = max(1, _BATCH_TOKENS // len(encoded[order[0]].ids))
            batch, order = order[:size], order[size:]
            rewards_N[torch.tensor(batch)] = self._batch([encoded[index] for index in batch])
        return rewards_N

    @torch.no_grad()
    def _batch(self, sides: Sequence[_Side]) -> Tensor:
        last_S = torch.tensor([len(side.ids) - 1 for side in sides])
        tokens_ST = torch.zeros(len(sides), int(last_S.max()) + 1, dtype=torch.long)
        for row, side in enumerate(sides):
            tokens_ST[row, : len(side.ids)] = torch.tensor(side.ids)
        device = self._model.head.weight.device
        raw_S = self._model(tokens_ST.to(device), last_S.to(device)).cpu()
        lengths_S = torch.tensor([float(side.num_reply) for side in sides])
        return self.standard.standardised(raw_S, lengths_S).float()

    def _encode(self, number: int, conversation: Conversation) -> _Side:
        turns = conversation.turns
        if not turns or turns[-1].role != "assistant":
            raise ValueError(f"conversation {number} does not end in a message of the assistant's")
        said = tuple(block for block in turns[-1].content if not isinstance(block, ThinkingBlock))
        if not said:
            raise ValueError(f"conversation {number} ends in a message that says nothing")
        heard = replace(conversation, turns=(*turns[:-1], replace(turns[-1], content=said)))
        prompt = self._format.render(heard, opening=None)
        # A reply counts only with its end: without it, nobody knows whether it was finished.
        assert prompt.ids[-1] in self._format.phase_tokens.end
        if len(prompt.ids) > self._model.backbone.config.max_positions:
            raise ValueError(
                f"conversation {number} has {len(prompt.ids)} tokens, more than the window of "
                f"{self._model.backbone.config.max_positions}"
            )
        header = max(span.stop for span in prompt.spans if span.kind == "header")
        return _Side(ids=prompt.ids, num_reply=len(prompt.ids) - header - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """ids: the whole conversation. num_reply: how many of them are the reply's text and end."""

    ids: tuple[int, ...]
    num_reply: int


def save_reward_model(
    model: RewardModel, tokenizer: Tokenizer, folder: Path, dimension: Dimension, facts: dict[str, Any]
) -> None:
    """Write a Hugging Face folder, whole or not at all, with the head and its meaning beside the weights.

    Weights stay float32: what was measured is what is kept.
    """

    def add(part: Path) -> None:
        head = {name: tensor.detach().cpu().contiguous() for name, tensor in model.head.state_dict().items()}
        save_file(head, part / HEAD_FILE, metadata={"format": "pt"})
        fields = {
            "format_version": _FORMAT_VERSION,
            "dimension": dimension,
            "statistics": asdict(model.standard),
            "reads": "the last token of the conversation, its end; thoughts of the last turn left out",
        }
        (part / FACTS_FILE).write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")

    export(model.backbone, tokenizer, folder, facts, dtype=torch.float32, add=add)


def load_reward_model(folder: Path, *, device: str = "cpu") -> RewardScorer:
    """The scorer of a folder. Raises DataError where the head or what it means is missing or damaged."""
    dimension, standard = _read_facts(folder / FACTS_FILE)
    model = RewardModel(load_model(folder))
    try:
        model.head.load_state_dict(load_file(folder / HEAD_FILE))
    except Exception as error:  # safetensors has errors of its own, and torch raises RuntimeError
        raise DataError(f"{folder / HEAD_FILE}: no head of this model: {error}") from error
    model.standard = standard
    return RewardScorer(model.to(device), CaesuraFormat(Tokenizer.load(folder)), dimension)


def _read_facts(path: Path) -> tuple[Dimension, Standard]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields["format_version"] != _FORMAT_VERSION:
            raise ValueError(f"format version {fields['format_version']} is not {_FORMAT_VERSION}")
        dimension = fields["dimension"]
        if dimension not in get_args(Dimension):
            raise ValueError(f"dimension {dimension!r} is not one of {', '.join(get_args(Dimension))}")
        numbers = {name: float(fields["statistics"][name]) for name in Standard.__dataclass_fields__}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not what a reward model is read from: {error}") from error
    return cast(Dimension, dimension), Standard(**numbers)
