"""A `Transformer` and its store, laid out for `step.cpp`.

Enters: bfloat16 weights on a CPU, and each step's table. Leaves: hidden states and logits; the tokens' keys
and values lie in the store. Later changes to the weights go unnoticed. Shapes: T tokens, R of them scored,
D hidden size, V vocabulary. Read next: `caesura/kernels/step.cpp`.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from caesura.engine.kv_store import KVStore
from caesura.engine.plain_store import PlainStore
from caesura.engine.step_table import StepTable
from caesura.kernels.library import PANEL, Layer, Library, Matrix, Model, Step
from caesura.model.transformer import FeedForward, Transformer
from caesura.model.transformer import Layer as PlainLayer

# Vectors hold so many numbers; matrices are read in pairs of columns.
_LANES = 16
_INTEGER_BYTES = 8
# The pool's tokens are counted in 32 bits.
_MAX_POOL_TOKENS = 2**31 - 1


class Computed(NamedTuple):
    """What a step gives: the hidden states of all its tokens, and the logits of those that are scored."""

    hidden_TD: Tensor
    logits_RV: Tensor


def native_network(model: Transformer, store: KVStore, library: Library) -> NativeNetwork | None:
    """None for what the native step does not know: other numbers than bfloat16, packed weights, windows, and
    sizes that fill no vector.
    """
    config, linears = model.config, _linears(model)
    sizes = (config.hidden_size, config.intermediate_size, config.head_dim)
    is_known = (
        isinstance(store, PlainStore)
        and store.device.type == "cpu"
        and store.dtype == torch.bfloat16
        and model.rope_inverse_E2.dtype == torch.float32
        and all(parameter.dtype == torch.bfloat16 for parameter in model.parameters())
        and all(type(linear) is nn.Linear for linear in linears)
        and not config.windows
        and all(size % _LANES == 0 for size in sizes)
        and store.num_pages * store.page_size <= _MAX_POOL_TOKENS
        and bool(library.takes(config.head_dim))
    )
    return NativeNetwork(model, cast(PlainStore, store), library) if is_known else None


class NativeNetwork:
    """The same network on copies of its weights, but for the embedding, which both read."""

    def __init__(self, model: Transformer, store: PlainStore, library: Library) -> None:
        """Of what `native_network` takes."""
        self._library = library
        self._size, self._vocab_size = model.config.hidden_size, model.config.vocab_size
        # What the structures point to.
        self._kept: list[object] = [store]
        self._model = self._laid_out(model, store)

    def run(self, table: StepTable) -> Computed:
        """Compute a step. Raises IndexError for an id or a page that does not exist."""
        start = table.integers.ctypes.data
        positions = start + table.num_tokens * _INTEGER_BYTES
        scored = positions + table.num_tokens * _INTEGER_BYTES
        clusters = scored + table.num_scored * _INTEGER_BYTES
        step = Step(
            num_rows=table.num_tokens,
            num_clusters=table.num_clusters,
            num_scored=table.num_scored,
            tokens=start,
            positions=positions,
            scored=scored,
            clusters=clusters,
            pages=clusters + 3 * table.num_clusters * _INTEGER_BYTES,
        )
        hidden_TD = torch.empty(table.num_tokens, self._size, dtype=torch.bfloat16)
        logits_RV = torch.empty(table.num_scored, self._vocab_size, dtype=torch.bfloat16)
        failed = self._library.step(
            ctypes.addressof(self._model), ctypes.addressof(step), hidden_TD.data_ptr(), logits_RV.data_ptr()
        )
        if failed:
            raise IndexError("a step names an id that the network does not know, or a page beyond the pool")
        return Computed(hidden_TD, logits_RV)

    def _laid_out(self, model: Transformer, store: PlainStore) -> Model:
        config = model.config
        layers = [cast(PlainLayer, layer) for layer in model.layers]
        laid_out = (Layer * len(layers))(*map(self._layer, layers))
        for number, layer in enumerate(laid_out):
            layer.pages = store.pages.heads(number).data_ptr()
        self._kept.append(laid_out)
        output = model.embed_tokens if model.lm_head is None else model.lm_head
        return Model(
            num_layers=config.num_layers,
            size=config.hidden_size,
            num_heads=config.num_heads,
            num_kv_heads=config.num_kv_heads,
            head_size=config.head_dim,
            hidden=config.intermediate_size,
            vocabulary=config.vocab_size,
            pool_tokens=store.num_pages * store.page_size,
            page_size=store.page_size,
            eps=config.norm_eps,
            rope_scale=model.rope_scale,
            frequencies=self._copy(model.rope_inverse_E2),
            embedding=self._address(model.embed_tokens.weight),
            norm=self._copy(model.norm.weight),
            logits=self._matrix(output.weight, None),
            layers=ctypes.addressof(laid_out),
        )

    def _layer(self, layer: PlainLayer) -> Layer:
        attention, feed_forward = layer.self_attn, layer.mlp
        return Layer(
            input_norm=self._copy(layer.input_layernorm.weight),
            attention_norm=self._copy(layer.post_attention_layernorm.weight),
            query_norm=attention.q_norm and self._copy(attention.q_norm.weight),
            key_norm=attention.k_norm and self._copy(attention.k_norm.weight),
            qkv=self._product(attention.qkv_proj),
            output=self._product(attention.o_proj),
            gate_up=self._product(feed_forward.gate_up_proj),
            down=self._product(feed_forward.down_proj),
        )

    def _product(self, linear: nn.Linear) -> Matrix:
        return self._matrix(linear.weight, cast("Tensor | None", linear.bias))

    def _matrix(self, weight_NK: Tensor, bias_N: Tensor | None) -> Matrix:
        """A copy in panels, which `step.cpp` describes."""
        num_outputs, num_inputs = weight_NK.shape
        weight_NK = weight_NK.detach().contiguous()
        panels = torch.empty(-(-num_outputs // PANEL) * PANEL, num_inputs, dtype=weight_NK.dtype)
        self._library.pack(weight_NK.data_ptr(), num_outputs, num_inputs, panels.data_ptr())
        return Matrix(
            panels=self._address(panels),
            bias=None if bias_N is None else self._copy(bias_N),
            outputs=num_outputs,
            inputs=num_inputs,
        )

    def _copy(self, tensor: Tensor) -> int:
        return self._address(tensor.detach().clone())

    def _address(self, tensor: Tensor) -> int:
        tensor = tensor.detach().contiguous()
        self._kept.append(tensor)
        return tensor.data_ptr()


def _linears(model: Transformer) -> list[nn.Module]:
    """All products but the output's, which no quantisation leaves tied."""
    found: list[nn.Module] = [] if model.lm_head is None else [model.lm_head]
    for layer in model.layers:
        attention, feed_forward = cast(PlainLayer, layer).self_attn, cast(FeedForward, layer.mlp)
        found += (attention.qkv_proj, attention.o_proj, feed_forward.gate_up_proj, feed_forward.down_proj)
    return found
