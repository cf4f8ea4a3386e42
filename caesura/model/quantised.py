"""Weight-only quantisation: products whose weights are int8 or int4 and whose activations are bfloat16.

With few rows a product takes as long as its weights take to read, so half or a quarter of the bytes is half
or a quarter of the time. Torch's packed operators do that. With many rows their arithmetic is slower than
bfloat16's, so there the weights are widened a piece at a time, and multiplied as usual.
int8: one scale a row of the weight, w = scale * q.
int4: one scale and one zero for each 32 weights of a row, w = scale * (q - 8) + zero.
The operators read bfloat16 activations fast and float32 ones ten times slower, so only the former are taken.
On CUDA every product widens its weights: it saves memory, and no time.
Enters: a `Transformer` in bfloat16. Leaves: the same one, smaller. Shapes: M rows, K inputs, N outputs,
G groups of a row. Read next: `folder.py`, which packs each weight as it is read.
"""

from __future__ import annotations

import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from caesura.model.config import ModelConfig
from caesura.model.transformer import Transformer

log = logging.getLogger(__name__)

Quantisation = Literal["int8", "int4"]

GROUP_SIZE = 32
# torch packs int4 weights by this many outputs at once.
_INT4_OUTPUTS = 16
# Weights widened at once: as bfloat16 they stay in the cache until they are multiplied.
_PIECE = 1 << 20


class QuantisedLinear(nn.Module, ABC):
    """What takes the place of an nn.Linear.

    max_packed_rows: up to so many the packed operator is the faster way.
    """

    bias: Tensor | None
    max_packed_rows: int

    def __init__(self, weight_NK: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight_NK.shape
        self.register_buffer("bias", None if bias is None else bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N), both bfloat16."""
        if x.dtype != torch.bfloat16:
            raise TypeError(f"a quantised product takes bfloat16 activations, not {x.dtype}")
        rows_MK = x.reshape(-1, self.in_features)
        is_few = rows_MK.shape[0] <= self.max_packed_rows and rows_MK.device.type == "cpu"
        out_MN = self._multiply(rows_MK) if is_few else self._widen_and_multiply(rows_MK)
        out = out_MN.view(*x.shape[:-1], self.out_features)
        return out if self.bias is None else out + self.bias

    def widened(self) -> Tensor:
        """(N, K): the weight that the packed one stands for, bfloat16."""
        return torch.cat(list(self._pieces()))

    def _widen_and_multiply(self, rows_MK: Tensor) -> Tensor:
        out_MN = rows_MK.new_empty(rows_MK.shape[0], self.out_features)
        start = 0
        for weight in self._pieces():
            torch.mm(rows_MK, weight.t(), out=out_MN[:, start : start + len(weight)])
            start += len(weight)
        return out_MN

    @abstractmethod
    def _multiply(self, rows_MK: Tensor) -> Tensor:
        """(M, K) -> (M, N) by torch's packed operator."""

    @abstractmethod
    def _pieces(self) -> Iterator[Tensor]:
        """The widened weight, some of its rows after the other."""


class Int8Linear(QuantisedLinear):
    """One byte a weight, one scale a row."""

    max_packed_rows = 16
    weight_NK: Tensor
    scales_N: Tensor

    def __init__(self, weight_NK: Tensor, bias: Tensor | None) -> None:
        super().__init__(weight_NK, bias)
        packed = torch.empty(weight_NK.shape, dtype=torch.int8, device=weight_NK.device)
        scales = torch.empty(len(weight_NK), dtype=torch.bfloat16, device=weight_NK.device)
        for rows in _row_slices(*weight_NK.shape):
            wide = weight_NK[rows].detach().float()
            # The scale is rounded first, so that the numbers make up for it.
            scales[rows] = (wide.abs().amax(dim=1) / 127).clamp_min(1e-12)
            packed[rows] = (wide / scales[rows].float()[:, None]).round().clamp(-127, 127).to(torch.int8)
        self.register_buffer("weight_NK", packed)
        self.register_buffer("scales_N", scales)

    def _multiply(self, rows_MK: Tensor) -> Tensor:
        return torch.ops.aten._weight_int8pack_mm(rows_MK, self.weight_NK, self.scales_N)

    def _widen_and_multiply(self, rows_MK: Tensor) -> Tensor:
        # The scales are left to the end: one product fewer for each weight.
        return super()._widen_and_multiply(rows_MK).mul_(self.scales_N)

    def widened(self) -> Tensor:
        return super().widened() * self.scales_N[:, None]

    def _pieces(self) -> Iterator[Tensor]:
        for rows in _row_slices(self.out_features, self.in_features):
            yield self.weight_NK[rows].to(torch.bfloat16)


class Int4Linear(QuantisedLinear):
    """Half a byte a weight, with a scale and a zero for each group of 32 along a row: five bits in all."""

    # Two numbers a byte, in an order that suits the operator, take long to widen.
    max_packed_rows = 256
    packed: Tensor
    scales_GN2: Tensor

    def __init__(self, weight_NK: Tensor, bias: Tensor | None) -> None:
        super().__init__(weight_NK, bias)
        numbers = torch.empty(weight_NK.shape, dtype=torch.uint8, device=weight_NK.device)
        num_groups = self.in_features // GROUP_SIZE
        scales = weight_NK.new_empty(num_groups, self.out_features, 2, dtype=torch.bfloat16)
        for rows in _row_slices(*weight_NK.shape):
            wide = weight_NK[rows].detach().float().unflatten(1, (num_groups, GROUP_SIZE))
            low, high = wide.aminmax(dim=2)
            scale = ((high - low) / 15).clamp_min(1e-12).bfloat16()
            zero = (low + 8 * scale.float()).bfloat16()
            scales[:, rows, 0], scales[:, rows, 1] = scale.t(), zero.t()
            steps = (wide - zero.float()[..., None]) / scale.float()[..., None]
            numbers[rows] = (steps.round() + 8).clamp(0, 15).to(torch.uint8).flatten(1)
        self.register_buffer("packed", _pack(numbers))
        self.register_buffer("scales_GN2", scales)

    def _multiply(self, rows_MK: Tensor) -> Tensor:
        multiply = torch.ops.aten._weight_int4pack_mm_for_cpu
        return multiply(rows_MK.contiguous(), self.packed, GROUP_SIZE, self.scales_GN2)

    def _pieces(self) -> Iterator[Tensor]:
        for rows in _row_slices(self.out_features, self.in_features):
            numbers = _unpack(self.packed, rows).to(torch.bfloat16).sub_(8)
            scale, zero = self.scales_GN2[:, rows].permute(2, 1, 0)[..., None]
            groups = numbers.unflatten(1, (-1, GROUP_SIZE))
            yield groups.mul_(scale).add_(zero).flatten(1)


def quantise(model: Transformer, kind: Quantisation) -> Transformer:
    """Replace every nn.Linear of a model in bfloat16, in place, and add an int8 copy of a tied output."""
    # A list of the modules themselves would keep those that are replaced.
    for path in [path for path, _ in model.named_modules()]:
        module = model.get_submodule(path)
        if isinstance(module, nn.Linear):
            model.set_submodule(path, quantised_linear(module, kind))
    add_quantised_head(model)
    return model


def quantised_linear(linear: nn.Linear, kind: Quantisation) -> QuantisedLinear:
    """The packed form of a product; int8 for a shape that torch cannot pack in int4."""
    weight, bias = linear.weight, linear.bias
    if weight.dtype != torch.bfloat16:
        raise ValueError(f"quantisation wants a model in bfloat16, not {weight.dtype}")
    if kind == "int4" and not fits_int4(*weight.shape):
        log.warning(
            "a weight of shape %s is kept in int8: int4 wants multiples of 16 and 32", tuple(weight.shape)
        )
        return Int8Linear(weight, bias)
    return Int8Linear(weight, bias) if kind == "int8" else Int4Linear(weight, bias)


def add_quantised_head(model: Transformer) -> None:
    """Give a model whose output is its embedding an int8 copy for the output; the embedding stays."""
    if model.lm_head is None:
        cast(Any, model).lm_head = Int8Linear(model.embed_tokens.weight, None)


def fits_int4(num_outputs: int, num_inputs: int) -> bool:
    """Whether torch can pack a weight of this shape in int4."""
    return num_outputs % _INT4_OUTPUTS == 0 and num_inputs % GROUP_SIZE == 0


def weight_bytes(config: ModelConfig, dtype: torch.dtype, kind: Quantisation | None) -> int:
    """What a model's weights take once it is loaded."""
    with torch.device("meta"):
        model = Transformer(config)
    products = [module for module in model.modules() if isinstance(module, nn.Linear)]
    plain = sum(parameter.numel() for parameter in model.parameters()) * dtype.itemsize
    if kind is None:
        return plain
    shapes = [(each.out_features, each.in_features) for each in products]
    widths = sum(rows * columns for rows, columns in shapes) * dtype.itemsize
    head = _int8_bytes(config.vocab_size, config.hidden_size) if config.tie_embeddings else 0
    return plain - widths + head + sum(_packed_bytes(*shape, kind) for shape in shapes)


def _packed_bytes(num_outputs: int, num_inputs: int, kind: Quantisation) -> int:
    if kind == "int8" or not fits_int4(num_outputs, num_inputs):
        return _int8_bytes(num_outputs, num_inputs)
    return num_outputs * num_inputs // 2 + num_outputs * (num_inputs // GROUP_SIZE) * 4


def _int8_bytes(num_outputs: int, num_inputs: int) -> int:
    return num_outputs * num_inputs + num_outputs * 2


def _row_slices(num_rows: int, num_columns: int) -> Iterator[slice]:
    """Rows in pieces of about a million weights, and a multiple of what int4 packs at once."""
    step = max(1, _PIECE // num_columns // 64) * 64
    for start in range(0, num_rows, step):
        yield slice(start, min(num_rows, start + step))


def _pack(numbers_NK: Tensor) -> Tensor:
    """(N, K) numbers from 0 to 15 as (N, K / 2) bytes, in the order that torch's operator reads here.

    Blocks of 64 (or 32) rows are packed on their own, so they can be packed one after the other.
    """
    on_cpu = numbers_NK.cpu()
    pack = torch.ops.aten._convert_weight_to_int4pack_for_cpu
    pieces = [pack(on_cpu[rows].int(), 1) for rows in _row_slices(*on_cpu.shape)]
    return torch.cat(pieces).to(numbers_NK.device)


def _unpack(packed: Tensor, rows: slice) -> Tensor:
    """(N', K) numbers of these rows, which are whole blocks, or the last."""
    num_columns = packed.shape[1] * 2
    block = _lanes(64, packed.device)[1]
    piece = packed[rows]
    num_whole = len(piece) // block * block
    parts = [piece[:num_whole].reshape(-1, num_columns, block // 2)]
    if num_whole < len(piece):
        parts.append(piece[num_whole:].reshape(1, num_columns, -1))
    return torch.cat([_spread(part).flatten(0, 1) for part in parts if part.numel()])


def _spread(bytes_BKH: Tensor) -> Tensor:
    """Blocks of packed bytes to (B, rows, K) numbers."""
    order, _ = _lanes(2 * bytes_BKH.shape[2], bytes_BKH.device)
    lanes_BKR = torch.cat((bytes_BKH & 15, bytes_BKH >> 4), dim=2)
    return lanes_BKR.index_select(2, order).transpose(1, 2)


@functools.cache
def _lanes(num_rows: int, device: torch.device) -> tuple[Tensor, int]:
    """Which half byte of a block holds each of its rows, and how many rows a block has.

    The order depends on the processor, so it is asked for: rows that hold their own numbers are packed.
    """
    columns = 2
    rows_R = torch.arange(num_rows, dtype=torch.int32)
    pack = torch.ops.aten._convert_weight_to_int4pack_for_cpu
    halves = [pack(part[:, None].repeat(1, columns), 1).flatten() for part in (rows_R % 16, rows_R // 16)]
    low, high = (torch.stack((half & 15, half >> 4)).int() for half in halves)
    numbers_2X = low + 16 * high
    # The bytes of the first column of a block come first; the second column repeats them.
    width = next(x for x in (num_rows // 2, 16, 8) if _repeats(numbers_2X, x))
    order = torch.argsort(numbers_2X[:, :width].flatten())
    return order.to(device), 2 * width


def _repeats(numbers_2X: Tensor, width: int) -> bool:
    return torch.equal(numbers_2X[:, :width], numbers_2X[:, width : 2 * width])
