"""Paged, chunked and batched computation against the plain model: the same numbers."""

from __future__ import annotations

import pytest
import torch

from caesura.engine.int8_store import Int8Store
from caesura.engine.loading import LoadedModel
from caesura.engine.plain_store import PlainStore
from caesura.engine.runner import Runner
from caesura.engine.scheduler import Row, StepPlan
from caesura.model import PackedAttention, Transformer

PAGE = 8


def tokens(count: int, seed: int) -> list[int]:
    return torch.randint(16, 300, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


def whole(model: Transformer, ids: list[int]) -> torch.Tensor:
    """(T, V): what the model scores after each id, without pages."""
    with torch.inference_mode():
        tokens_BT = torch.tensor([ids])
        hidden = model(tokens_BT, torch.arange(len(ids))[None], PackedAttention())
        return model.logits(hidden)[0].float()


class Pages:
    """Sequences of known ids on a store whose pages are dealt out in disorder, unless they are in runs.

    num_shared: so many of the first sequence's pages are those of all others, too.
    """

    def __init__(
        self,
        model: Transformer,
        sequences: list[list[int]],
        *,
        in_runs: bool = False,
        num_shared: int = 0,
        store_type: type[PlainStore | Int8Store] = PlainStore,
    ) -> None:
        self.sequences = sequences
        self.num_computed = [0] * len(sequences)
        dtype = model.embed_tokens.weight.dtype
        needed = [-(-len(ids) // PAGE) for ids in sequences]
        order = torch.randperm(sum(needed), generator=torch.Generator().manual_seed(1)).tolist()
        order = list(range(sum(needed)))[::-1] if in_runs else order
        self.pages = [tuple(order.pop() for _ in range(count)) for count in needed]
        self.pages = [self.pages[0][:num_shared] + pages[num_shared:] for pages in self.pages]
        store = store_type(
            model.config,
            num_pages=sum(needed),
            page_size=PAGE,
            dtype=dtype,
            device=torch.device("cpu"),
        )
        self.runner = Runner(model, store)

    def run(self, *sizes: tuple[int, int]) -> dict[int, torch.Tensor]:
        """Compute so many tokens of these sequences in one step; the logits after the last of each."""
        rows: list[Row] = []
        for sequence, size in sorted(sizes, key=lambda each: each[1] > 1):
            start = self.num_computed[sequence]
            self.num_computed[sequence] += size
            taken = tuple(self.sequences[sequence][start : start + size])
            rows.append(Row(sequence, start, taken, self.pages[sequence], True))
        num_decode = sum(len(row.tokens) == 1 for row in rows)
        output = self.runner.run(StepPlan(rows=tuple(rows), num_decode=num_decode))
        return dict(zip(output.sequences, output.logits_RV.float(), strict=True))


@pytest.mark.parametrize("sizes", [(50,), (1, 49), (7, 8, 1, 1, 16, 17), (1,) * 50])
def test_chunked_prefill_is_whole_prefill(loaded: LoadedModel, sizes: tuple[int, ...]) -> None:
    ids = tokens(50, seed=0)
    expected = whole(loaded.model, ids)
    pages = Pages(loaded.model, [ids])
    stop = 0
    for size in sizes:
        stop += size
        torch.testing.assert_close(pages.run((0, size))[0], expected[stop - 1], atol=1e-4, rtol=1e-4)


def test_a_mixed_step_gives_each_sequence_what_it_gets_alone(loaded: LoadedModel) -> None:
    lengths = (3, 200, 9, 120, 40, 17, 5, 64)
    sequences = [tokens(length, seed) for seed, length in enumerate(lengths)]
    pages = Pages(loaded.model, sequences)
    for sequence in range(5):
        pages.run((sequence, lengths[sequence] - 1))
    pages.run((5, 10))
    last = pages.run(*((sequence, 1) for sequence in range(5)), (5, 7), (6, 5), (7, 64))
    for sequence, ids in enumerate(sequences):
        expected = whole(loaded.model, ids)[-1]
        torch.testing.assert_close(last[sequence], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("in_runs", [False, True])
@pytest.mark.parametrize("num_shared", [3, 4, 20])
def test_rows_that_begin_alike_read_what_each_reads_alone(
    loaded: LoadedModel, in_runs: bool, num_shared: int
) -> None:
    begin = tokens(num_shared * PAGE, seed=9)
    sequences = [begin + tokens(length, seed) for seed, length in enumerate((3, 30, 8, 9, 1))]
    pages = Pages(loaded.model, sequences, in_runs=in_runs, num_shared=num_shared)
    pages.run((0, len(begin)))
    pages.num_computed = [len(begin)] * len(sequences)
    for sequence, ids in enumerate(sequences[:-1]):
        pages.run((sequence, len(ids) - len(begin) - 1))
    last = pages.run(*((sequence, 1) for sequence in range(len(sequences))))
    for sequence, ids in enumerate(sequences):
        torch.testing.assert_close(last[sequence], whole(loaded.model, ids)[-1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("in_runs", [False, True])
@pytest.mark.parametrize("length", [256, 257, 300])
def test_a_long_row_reads_what_it_reads_without_pages(
    loaded: LoadedModel, in_runs: bool, length: int
) -> None:
    sequences = [tokens(length, seed=3), tokens(length - 1, seed=4)]
    pages = Pages(loaded.model, sequences, in_runs=in_runs)
    pages.run((0, length - 1), (1, length - 2))
    last = pages.run((0, 1), (1, 1))
    for sequence, ids in enumerate(sequences):
        torch.testing.assert_close(last[sequence], whole(loaded.model, ids)[-1], atol=1e-4, rtol=1e-4)


def test_paged_bfloat16_stays_near_plain_float32(loaded: LoadedModel) -> None:
    half = Transformer(loaded.model.config)
    half.load_state_dict(loaded.model.state_dict())
    half.to_dtype(torch.bfloat16).eval()
    sequences = [tokens(40, 0), tokens(21, 1)]
    pages = Pages(half, sequences)
    pages.run((0, 25), (1, 20))
    pages.run((0, 14))
    last = pages.run((0, 1), (1, 1))
    for sequence, ids in enumerate(sequences):
        expected = whole(loaded.model, ids)[-1]
        difference = (last[sequence] - expected).abs().max() / expected.abs().max()
        assert difference < 0.05


def test_steps_of_many_tokens_take_their_threads_and_give_them_back(loaded: LoadedModel) -> None:
    ids, before = tokens(150, seed=0), torch.get_num_threads()
    seen: list[int] = []

    class Noting(PlainStore):
        def write(self, layer: int, token_rows: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> None:
            seen.append(torch.get_num_threads())
            super().write(layer, token_rows, key, value)

    cpu = torch.device("cpu")
    store = Noting(loaded.model.config, num_pages=20, page_size=PAGE, dtype=torch.float32, device=cpu)
    runner = Runner(loaded.model, store, prompt_threads=before + 1)
    steps = [
        Row(0, 0, tuple(ids[:149]), tuple(range(20)), True),
        Row(0, 149, (ids[149],), tuple(range(20)), True),
    ]
    outputs = [runner.run(StepPlan(rows=(row,), num_decode=number)) for number, row in enumerate(steps)]
    num_layers = loaded.model.config.num_layers
    assert seen == [before + 1] * num_layers + [before] * num_layers
    assert torch.get_num_threads() == before
    expected = whole(loaded.model, ids)
    for output, position in zip(outputs, (148, 149), strict=True):
        torch.testing.assert_close(output.logits_RV[0], expected[position], atol=1e-4, rtol=1e-4)
