"""The native step against torch's operators in float32, over random stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from caesura.engine.int8_store import Int8Store
from caesura.engine.native_network import native_network
from caesura.engine.plain_store import PlainStore
from caesura.engine.runner import Runner, StepOutput
from caesura.engine.scheduler import Row, StepPlan
from caesura.kernels.library import Library
from caesura.model import ModelConfig, Transformer
from caesura.model.config import RopeConfig
from caesura.model.quantised import quantise
from tests.engine.conftest import SMALL

PAGE = 16
NUM_PAGES = 64
SHAPES = {
    "small": SMALL,
    "odd vocabulary, its own output": replace(SMALL, vocab_size=330, tie_embeddings=False),
    "one key/value head": replace(SMALL, num_heads=8, num_kv_heads=1, has_qk_norm=False),
    "many queries a head": replace(SMALL, num_heads=20, num_kv_heads=1),
    "biases": replace(SMALL, has_qkv_bias=True, has_output_bias=True, head_dim=32),
    "heads of 64": replace(SMALL, hidden_size=96, head_dim=64, num_heads=2, num_kv_heads=2),
    "heads of 96": replace(SMALL, head_dim=96, num_heads=6),
    "heads of 128": replace(SMALL, head_dim=128, num_kv_heads=1),
    "sizes that fill half a panel": replace(SMALL, hidden_size=80, intermediate_size=112),
    "a stretched rotation": replace(
        SMALL, rope=RopeConfig(type="yarn", factor=4.0, original_max_positions=128)
    ),
}


def row(number: int, start: int, pages: Sequence[int], *, size: int = 1, is_sampled: bool = True) -> Row:
    tokens = tuple((17 * number + 31 * offset + 40) % 300 for offset in range(size))
    return Row(number, start, tokens, tuple(pages[: (start + size - 1) // PAGE + 1]), is_sampled)


def scattered(seed: int) -> list[int]:
    return torch.randperm(NUM_PAGES, generator=torch.Generator().manual_seed(seed)).tolist()


def lone_rows() -> StepPlan:
    pages = scattered(0)
    starts = (0, 1, 15, 16, 17, 63, 64, 65, 200)
    rows = [
        row(number, start, pages[7 * number : 7 * number + 5] if start < 80 else pages[50:])
        for number, start in enumerate(starts[:7])
    ]
    return StepPlan(rows=(*rows, row(8, 200, pages[49:])), num_decode=8)


def shared_rows() -> StepPlan:
    """Eleven that begin alike, with tails of several lengths, and two that do not."""
    pages = scattered(1)
    begin = pages[:6]
    rows = [row(number, 96 + 3 * number, [*begin, *pages[6 + 3 * number :]]) for number in range(11)]
    rows += [row(20, 30, [pages[45], pages[46]]), row(21, 0, pages[47:])]
    return StepPlan(rows=tuple(rows), num_decode=13)


def chunks() -> StepPlan:
    pages = scattered(2)
    parts = (
        row(1, 0, pages, size=9),
        row(2, 13, pages[5:], size=50),
        row(3, 160, pages[20:], size=16, is_sampled=False),
        row(4, 3, pages[40:], size=1),
    )
    return StepPlan(rows=(row(0, 100, pages[50:]), *parts), num_decode=1)


PLANS = {"lone": lone_rows(), "shared": shared_rows(), "chunks": chunks()}


class World(NamedTuple):
    """A network in bfloat16, the same weights in float32, and what the stores hold."""

    half: Transformer
    full: Transformer
    pages: list[Tensor]

    def store(self, dtype: torch.dtype) -> PlainStore:
        store = PlainStore(
            self.half.config, num_pages=NUM_PAGES, page_size=PAGE, dtype=dtype, device=torch.device("cpu")
        )
        for layer, content in enumerate(self.pages):
            store.pages.heads(layer).copy_(content)
        return store

    def native(self, library: Library, store: PlainStore) -> Runner:
        network = native_network(self.half, store, library)
        assert network is not None
        return Runner(self.half, store, native=network)


def world(config: ModelConfig) -> World:
    generator = torch.Generator().manual_seed(3)
    model = Transformer(config)
    model.initialise(generator)
    with torch.no_grad():
        model.embed_tokens.weight.mul_(8.0)
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    half = model.to_dtype(torch.bfloat16).eval()
    full = Transformer(config)
    full.load_state_dict(half.state_dict())
    shape = (2, config.num_kv_heads, NUM_PAGES * PAGE, config.head_dim)
    pages = [torch.randn(shape, generator=generator).bfloat16() for _ in range(config.num_layers)]
    return World(half, full.eval(), pages)


def logits(output: StepOutput) -> dict[int, Tensor]:
    return dict(zip(output.sequences, output.logits_RV.float(), strict=True))


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_as_near_to_float32_as_torch_in_bfloat16(library: Library, shape: str, plan: str) -> None:
    w = world(SHAPES[shape])
    half_store, native_store = w.store(torch.bfloat16), w.store(torch.bfloat16)
    exact = logits(Runner(w.full, w.store(torch.float32)).run(PLANS[plan]))
    plain = logits(Runner(w.half, half_store).run(PLANS[plan]))
    native = logits(w.native(library, native_store).run(PLANS[plan]))
    assert native.keys() == exact.keys()
    error, allowed = (
        torch.stack([(found[number] - exact[number]).abs().mean() / exact[number].std() for number in exact])
        for found in (native, plain)
    )
    assert error.mean() < 1.25 * allowed.mean()
    assert error.max() < 2 * allowed.max()
    for layer in range(w.half.config.num_layers):
        one, other = native_store.pages.heads(layer), half_store.pages.heads(layer)
        is_same = (one == other).all(-1).all(0).all(0)
        written = sum(len(each.tokens) for each in PLANS[plan].rows)
        assert (~is_same).sum() <= written, "nothing is written but the step's own tokens"
        torch.testing.assert_close(one.float(), other.float(), atol=0.15, rtol=0.05)


def test_a_batch_is_its_rows_one_by_one_to_the_bit(library: Library) -> None:
    w = world(SMALL)
    plan = PLANS["lone"]
    together = logits(w.native(library, w.store(torch.bfloat16)).run(plan))
    for each in plan.rows:
        alone = w.native(library, w.store(torch.bfloat16)).run(StepPlan(rows=(each,), num_decode=1))
        assert torch.equal(logits(alone)[each.sequence], together[each.sequence])


@pytest.mark.parametrize("sizes", [(60,), (1, 59), (15, 1, 16, 17, 11), (1,) * 60])
def test_a_prompt_in_chunks_is_the_whole_prompt(library: Library, sizes: tuple[int, ...]) -> None:
    w, pages = world(SMALL), scattered(5)
    tokens = tuple(range(40, 100))
    whole = Row(0, 0, tokens, pages, True)
    expected = logits(Runner(w.full, w.store(torch.float32)).run(StepPlan(rows=(whole,), num_decode=0)))[0]
    runner, start, last = w.native(library, w.store(torch.bfloat16)), 0, torch.empty(0)
    for size in sizes:
        part = Row(0, start, tokens[start : start + size], pages, True)
        last = logits(runner.run(StepPlan(rows=(part,), num_decode=int(size == 1))))[0]
        start += size
    assert (last - expected).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.parametrize("plan", PLANS)
def test_what_others_pages_hold_changes_nothing(library: Library, plan: str) -> None:
    """Not one bit, though it be no number: not pages, nor what lies behind a token in its own page."""
    w = world(SMALL)
    clean = logits(w.native(library, w.store(torch.bfloat16)).run(PLANS[plan]))
    store = w.store(torch.bfloat16)
    read = torch.zeros(NUM_PAGES * PAGE, dtype=torch.bool)
    for each in PLANS[plan].rows:
        for position in range(each.start):
            read[each.pages[position // PAGE] * PAGE + position % PAGE] = True
    for layer in range(SMALL.num_layers):
        store.pages.heads(layer)[:, :, ~read] = torch.nan
    spoilt = logits(w.native(library, store).run(PLANS[plan]))
    assert all(torch.equal(spoilt[number], clean[number]) for number in clean)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_row_that_reads_no_numbers_is_told_and_the_others_are_as_before(
    library: Library, bad: float
) -> None:
    w, plan = world(SMALL), PLANS["shared"]
    clean = w.native(library, w.store(torch.bfloat16)).run(plan)
    store, victim = w.store(torch.bfloat16), plan.rows[4]
    last = victim.pages[-1] * PAGE + (victim.start - 1) % PAGE
    store.pages.heads(1)[:, :, last] = bad
    output = w.native(library, store).run(plan)
    assert output.spoilt() == [victim.sequence]
    assert not clean.spoilt()
    for number, expected in logits(clean).items():
        assert torch.equal(logits(output)[number], expected) == (number != victim.sequence)


@pytest.mark.parametrize("wrong", [Row(0, 3, (SMALL.vocab_size,), (0,), True), Row(0, 3, (-1,), (0,), True)])
def test_an_id_that_does_not_exist_is_refused(library: Library, wrong: Row) -> None:
    w = world(SMALL)
    runner = w.native(library, w.store(torch.bfloat16))
    with pytest.raises(IndexError, match="an id that the network does not know"):
        runner.run(StepPlan(rows=(wrong,), num_decode=1))


@pytest.mark.parametrize("pages", [(0, NUM_PAGES), (-1, 0), (NUM_PAGES, 0)])
def test_a_page_that_does_not_exist_is_neither_read_nor_written(
    library: Library, pages: tuple[int, ...]
) -> None:
    w = world(SMALL)
    store = w.store(torch.bfloat16)
    with pytest.raises(IndexError, match="a page beyond the pool"):
        w.native(library, store).run(StepPlan(rows=(Row(0, PAGE, (40,), pages, True),), num_decode=1))
    for layer, content in enumerate(w.pages):
        assert torch.equal(store.pages.heads(layer), content)


def test_beside_a_long_chunk_of_torchs_every_row_keeps_its_own(library: Library) -> None:
    w, pages = world(SMALL), scattered(6)
    decode = (row(7, 40, pages), row(3, 70, pages[4:]), row(9, 5, pages[12:]))
    long = row(5, 0, pages[20:], size=300)
    plan = StepPlan(rows=(*decode, long), num_decode=3)
    store = w.store(torch.bfloat16)
    network = native_network(w.half, store, library)
    found = Runner(w.half, store, prompt_threads=2, native=network).run(plan)
    exact = logits(Runner(w.full, w.store(torch.float32)).run(plan))
    assert [each.sequence for each in found.rows if each.is_sampled] == list(found.sequences)
    assert found.is_finite_T.shape == (303,)
    assert logits(found).keys() == exact.keys() == {3, 5, 7, 9}
    for number, expected in exact.items():
        assert (logits(found)[number] - expected).abs().max() < 0.05 * expected.abs().max()


def test_later_changes_to_the_weights_go_unnoticed(library: Library) -> None:
    w = world(replace(SMALL, has_qkv_bias=True, tie_embeddings=False))
    runner = w.native(library, w.store(torch.bfloat16))
    before = logits(runner.run(PLANS["lone"]))
    with torch.no_grad():
        for name, parameter in w.half.named_parameters():
            if "embed_tokens" not in name:
                parameter.mul_(3.0)
    after = logits(runner.run(PLANS["lone"]))
    assert all(torch.equal(after[number], before[number]) for number in before)


def test_what_it_does_not_know_is_left_to_torch(library: Library) -> None:
    w = world(SMALL)
    assert native_network(w.half, w.store(torch.float32), library) is None, "pages of other numbers"
    assert native_network(w.half, w.store(torch.bfloat16), library) is not None
    assert native_network(w.full, w.store(torch.float32), library) is None
    store = Int8Store(SMALL, num_pages=4, page_size=PAGE, dtype=torch.bfloat16, device=torch.device("cpu"))
    assert native_network(w.half, store, library) is None, "keys and values of eight bits"
    for unknown in (replace(SMALL, windows=(40, None)), replace(SMALL, head_dim=48)):
        other = world(unknown)
        assert native_network(other.half, other.store(torch.bfloat16), library) is None
    quantise(w.half, "int8")
    assert native_network(w.half, w.store(torch.bfloat16), library) is None, "weights of eight bits"
