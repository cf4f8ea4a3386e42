"""The network's shape, as one immutable value, and the presets.

Enters: nothing (see `folder.py` for Hugging Face's `config.json`). Leaves: `ModelConfig`. Read next:
`rope.py`, then `transformer.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Family = Literal["llama", "mistral", "qwen2", "qwen3"]
RopeType = Literal["default", "linear", "ntk", "yarn", "llama3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RopeConfig:
    """Rotary position embedding with static scaling, fixed when the model is loaded.

    theta: the base of the frequencies.
    type: "default" (none), "linear" (positions / factor), "ntk" (base * factor^(d/(d-2))), "yarn"
        (per-dimension ramp), "llama3" (per-wavelength ramp).
    factor: how many times longer than `original_max_positions` the model is to reach.
    original_max_positions: the length that it was trained at; None: the model's window / factor.
    beta_fast, beta_slow, attention_factor, truncate: YaRN's ramp ends, its factor on cos and sin
        (None: 0.1 ln(factor) + 1), and whether the ramp's ends are rounded outwards.
    low_freq_factor, high_freq_factor: Llama 3's ramp ends.
    """

    theta: float = 10_000.0
    type: RopeType = "default"
    factor: float = 1.0
    original_max_positions: int | None = None
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None
    truncate: bool = True
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A decoder-only transformer of the Llama and Qwen families.

    family: which Hugging Face architecture it is read from and written as.
    vocab_size, hidden_size, num_layers, num_heads, num_kv_heads, head_dim, intermediate_size: its shape.
    max_positions: the context window in tokens.
    norm_eps: RMSNorm's epsilon.
    rope: see `RopeConfig`.
    tie_embeddings: whether the output projection is the embedding.
    has_qk_norm: RMSNorm on each head's queries and keys (Qwen3).
    has_qkv_bias, has_output_bias: biases of the attention's projections.
    windows: how far back each layer reads, in tokens, itself included; None for a layer that reads
        everything. Empty: every layer reads everything.
    """

    family: Family = "qwen3"
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    max_positions: int
    norm_eps: float = 1e-6
    rope: RopeConfig = field(default_factory=RopeConfig)
    tie_embeddings: bool = True
    has_qk_norm: bool = True
    has_qkv_bias: bool = False
    has_output_bias: bool = False
    windows: tuple[int | None, ...] = ()

    def __post_init__(self) -> None:
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is not a multiple of num_kv_heads {self.num_kv_heads}"
            )
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} is odd; rotary embeddings need pairs")
        if self.windows and len(self.windows) != self.num_layers:
            raise ValueError(f"{len(self.windows)} windows for {self.num_layers} layers")
        if any(window is not None and window < 1 for window in self.windows):
            raise ValueError(f"windows {self.windows} has one below 1")

    def window_of(self, layer: int) -> int | None:
        """How far back a layer reads: a key is visible if 0 <= query - key < window. None: all of them."""
        return self.windows[layer] if self.windows else None

    @property
    def num_parameters(self) -> int:
        """How many weights there are, tied embeddings counted once, biases and norms left out."""
        attention = self.hidden_size * self.head_dim * (2 * self.num_heads + 2 * self.num_kv_heads)
        feed_forward = 3 * self.hidden_size * self.intermediate_size
        embeddings = self.vocab_size * self.hidden_size * (1 if self.tie_embeddings else 2)
        return self.num_layers * (attention + feed_forward) + embeddings


# A base this large turns the slowest pairs by well under a radian over 200,000 positions, so a prompt
# far longer than those trained on is read without positions that the network has never met.
_LONG_THETA = 10_000_000.0

PRESETS: dict[str, ModelConfig] = {
    "nano": ModelConfig(
        vocab_size=4096,
        hidden_size=256,
        num_layers=6,
        num_heads=4,
        num_kv_heads=2,
        head_dim=64,
        intermediate_size=704,
        max_positions=200_000,
        rope=RopeConfig(theta=_LONG_THETA),
    ),
    "small": ModelConfig(
        vocab_size=8192,
        hidden_size=512,
        num_layers=8,
        num_heads=8,
        num_kv_heads=4,
        head_dim=64,
        intermediate_size=1536,
        max_positions=200_000,
        rope=RopeConfig(theta=_LONG_THETA),
    ),
    "medium": ModelConfig(
        vocab_size=32_768,
        hidden_size=2048,
        num_layers=24,
        num_heads=32,
        num_kv_heads=8,
        head_dim=64,
        intermediate_size=7168,
        max_positions=200_000,
        rope=RopeConfig(theta=_LONG_THETA),
        tie_embeddings=False,
    ),
    "large": ModelConfig(
        vocab_size=65_536,
        hidden_size=4096,
        num_layers=32,
        num_heads=32,
        num_kv_heads=8,
        head_dim=128,
        intermediate_size=12_288,
        max_positions=200_000,
        rope=RopeConfig(theta=_LONG_THETA),
        tie_embeddings=False,
    ),
}
