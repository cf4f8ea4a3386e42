"""The network: a pre-norm decoder with grouped-query attention and SwiGLU.

Enters: token ids and positions of any leading shape, and an `Attend`. Leaves: hidden states, then
logits. Trainer and engine call the same code; they differ only in the `Attend` they pass.
Shapes: ... leading dimensions, D hidden size, H/K query and key/value heads, E head dimension,
F feed-forward size, V vocabulary. Read next: `attention.py`, `folder.py`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from caesura.model.attention import Attend
from caesura.model.config import ModelConfig
from caesura.model.rope import Frequencies, Rotation, frequencies, rotate, rotation


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich 2019)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    """Grouped-query attention with rotary positions; queries, keys and values in one product."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.head_dim = config.head_dim
        self.num_heads = config.num_heads
        self.num_kv_heads = config.num_kv_heads
        num_rows = (config.num_heads + 2 * config.num_kv_heads) * config.head_dim
        self.qkv_proj = nn.Linear(config.hidden_size, num_rows, bias=config.has_qkv_bias)
        width = config.num_heads * config.head_dim
        self.o_proj = nn.Linear(width, config.hidden_size, bias=config.has_output_bias)
        self.q_norm = RMSNorm(config.head_dim, config.norm_eps) if config.has_qk_norm else None
        self.k_norm = RMSNorm(config.head_dim, config.norm_eps) if config.has_qk_norm else None

    def forward(self, x: Tensor, turn: Rotation, attend: Attend) -> Tensor:
        heads = self.qkv_proj(x).unflatten(-1, (-1, self.head_dim))
        query, key, value = heads.split((self.num_heads, self.num_kv_heads, self.num_kv_heads), dim=-2)
        if self.q_norm is not None and self.k_norm is not None:
            query, key = self.q_norm(query), self.k_norm(key)
        read = attend(self.layer, rotate(query, turn), rotate(key, turn), value)
        return self.o_proj(read.flatten(-2))


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)), gate and up in one product (Shazeer 2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up_proj = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        return self.down_proj(F.silu(gate) * up)


class Layer(nn.Module):
    """One block: attention, then feed-forward, each behind a norm and beside a residual."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.mlp = FeedForward(config)

    def forward(self, x: Tensor, turn: Rotation, attend: Attend) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), turn, attend)
        return x + self.mlp(self.post_attention_layernorm(x))


class Transformer(nn.Module):
    """The whole decoder. `forward` gives hidden states; `logits` scores the next token from them."""

    rope_inverse_E2: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, layer) for layer in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.norm_eps)
        tied = config.tie_embeddings
        self.lm_head = None if tied else nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        freqs = frequencies(config)
        self.rope_scale = freqs.scale
        self.register_buffer("rope_inverse_E2", freqs.inverse_E2, persistent=False)

    def forward(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """tokens, positions: integers of one shape (...). Returns normed hidden states (..., D)."""
        x = self.embed_tokens(tokens)
        freqs = Frequencies(self.rope_inverse_E2, self.rope_scale)
        turn = rotation(freqs, positions, x.dtype)
        for layer in self.layers:
            x = layer(x, turn, attend)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V), in the weights' dtype."""
        return F.linear(hidden, self.embed_tokens.weight) if self.lm_head is None else self.lm_head(hidden)

    def to_dtype(self, dtype: torch.dtype) -> Transformer:
        """Convert the weights, and leave the rotary frequencies in float32, as precision demands."""
        inverse = self.rope_inverse_E2
        self.to(dtype)
        self.rope_inverse_E2 = inverse
        return self

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw fresh weights: normal, std 0.02 for embeddings, 1/sqrt(fan_in) for matrices; those that
        write to the residual stream are shrunk by sqrt(2 * layers), so that depth does not swell it.
        """
        residual = 1 / math.sqrt(2 * self.config.num_layers)
        for name, parameter in self.named_parameters():
            if parameter.ndim < 2:
                continue
            std = 0.02 if "embed_tokens" in name else 1 / math.sqrt(parameter.shape[1])
            std *= residual if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
            parameter.normal_(0.0, std, generator=generator)
