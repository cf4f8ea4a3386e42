"""The network for reading only, on a CPU: the same numbers from fewer and faster operators.

With one token a row, an operator's start costs more than its arithmetic. Three things help, and each
leaves the mathematics as it is:

- Matrices are laid out once as oneDNN's product wants them, and not again in every product.
- RMSNorm is torch's layer norm, a single operator, over (x, -x): its mean is 0 and its variance is
  mean(x^2), so the first half of what comes out is RMSNorm's result.
- Queries and keys are normed and turned together. Mirrored they are (x1, x2, -x1, -x2), and the piece
  that starts in the middle of x is (x2, -x1): the rotation's partners, one of them negated. The norms'
  weights, mirrored in the same way, go into cos and sin.

There is no second way for many rows, to whom the longer vectors cost a few hundredths of a step. All this
is for bfloat16: float32 gives the same results and gains little. Enters: a `Transformer`. Leaves: another
one on the same weights, which does not follow when they change. Shapes: ... leading dimensions, D a
vector's size, S query and key heads together, E head dimension. Read next: `transformer.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from caesura.model.attention import Attend
from caesura.model.rope import Rotation, rotate
from caesura.model.transformer import Attention, RMSNorm, Transformer

# Matrices are held twice, which gains least where they are largest.
MAX_FROZEN_PARAMETERS = 300_000_000


def frozen(model: Transformer) -> Transformer:
    """The same network on the same weights; matrices that are packed are held a second time."""
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    result = copy.deepcopy(model, shared)
    if result.lm_head is None:
        result.lm_head = _output(result.embed_tokens)
    _freeze(result)
    return result


def _output(embedding: nn.Embedding) -> nn.Linear:
    """The product with a tied embedding, as a module of its own."""
    vocab_size, size = embedding.weight.shape
    product = nn.Linear(size, vocab_size, bias=False, device="meta")
    product.weight = embedding.weight
    return product


def _freeze(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        part = _frozen_part(child)
        if part is None:
            _freeze(child)
        else:
            # A bare callable: calling a module costs as much as a small operator.
            delattr(module, name)
            setattr(module, name, part)


def _frozen_part(module: nn.Module) -> Callable[..., Tensor] | None:
    if isinstance(module, Attention):
        return FrozenAttention(module)
    if isinstance(module, RMSNorm):
        return FrozenNorm(module)
    return packed(module) if isinstance(module, nn.Linear) else None


def packed(linear: nn.Module) -> Callable[[Tensor], Tensor]:
    """The product, packed where that is faster: in bfloat16, which is else packed in every product."""
    if not isinstance(linear, nn.Linear):
        return linear  # quantised, and packed already
    weight, bias = linear.weight.detach(), linear.bias
    is_half_on_cpu = weight.device.type == "cpu" and weight.dtype == torch.bfloat16
    if is_half_on_cpu and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        matrix = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        multiply = torch.ops.mkldnn._linear_pointwise.default
        return lambda x: multiply(x, matrix, bias, "none", [], "")
    return lambda x: F.linear(x, weight, bias)


class FrozenNorm:
    """RMSNorm as half of a layer norm."""

    def __init__(self, norm: RMSNorm) -> None:
        self._size = len(norm.weight)
        self._weight_2D = torch.cat((norm.weight, norm.weight)).detach()
        self._eps = norm.eps

    def __call__(self, x: Tensor) -> Tensor:
        return _mirror_norm(x, self._weight_2D, self._eps).narrow(-1, 0, self._size)


class FrozenAttention:
    """Attention that turns queries and keys together."""

    def __init__(self, attention: Attention) -> None:
        self._layer = attention.layer
        self._head_dim = attention.head_dim
        self._num_heads = attention.num_heads
        self._num_turned = attention.num_heads + attention.num_kv_heads
        self._qkv_proj = packed(attention.qkv_proj)
        self._o_proj = packed(attention.o_proj)
        self._turn = NormedTurn.of(attention) or rotate

    def __call__(self, x: Tensor, turn: Rotation, attend: Attend) -> Tensor:
        heads = self._qkv_proj(x).view(*x.shape[:-1], -1, self._head_dim)
        plain, value = heads.tensor_split((self._num_turned,), dim=-2)
        query, key = self._turn(plain, turn).tensor_split((self._num_heads,), dim=-2)
        return self._o_proj(attend(self._layer, query, key, value).flatten(-2))


class NormedTurn:
    """Norm and rotation of S heads at once."""

    def __init__(self, weight_SE: Tensor, eps: float) -> None:
        self._eps = eps
        self._size = weight_SE.shape[-1]
        self._weight_SE = weight_SE
        self._partners_SE = self._partners(_mirrored(weight_SE)).contiguous()

    @classmethod
    def of(cls, attention: Attention) -> NormedTurn | None:
        """None for an attention that does not norm its heads."""
        if attention.q_norm is None or attention.k_norm is None:
            return None
        query = attention.q_norm.weight.detach().expand(attention.num_heads, -1)
        key = attention.k_norm.weight.detach().expand(attention.num_kv_heads, -1)
        return cls(torch.cat((query, key)), attention.q_norm.eps)

    def __call__(self, heads: Tensor, turn: Rotation) -> Tensor:
        """heads: (..., S, E). Returns the same shape."""
        mirrored = _mirror_norm(heads, None, self._eps)
        turned = mirrored.narrow(-1, 0, self._size) * (turn.cos * self._weight_SE)
        return turned.addcmul_(self._partners(mirrored), turn.sin * self._partners_SE)

    def _partners(self, mirrored: Tensor) -> Tensor:
        return mirrored.narrow(-1, self._size // 2, self._size)


def _mirror_norm(x: Tensor, weight_2D: Tensor | None, eps: float) -> Tensor:
    """(..., D) -> (..., 2D): RMSNorm(x), then its negative."""
    mirrored = _mirrored(x)
    return torch.layer_norm(mirrored, mirrored.shape[-1:], weight_2D, None, eps)


def _mirrored(x: Tensor) -> Tensor:
    """(..., D) -> (..., 2D): x, then -x."""
    return torch.cat((x, -x), dim=-1)
