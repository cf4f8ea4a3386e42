"""What int8 keys and values change: probabilities, and the time of a step.

`python -m bench.kv_dtype [--model FOLDER] [--repeats N]`. Greedy replies of the plain engine are scored
token by token, as they were written, with keys and values of either kind, so no reply goes another way. Steps
of either kind alternate; the least time counts. Accuracy is `caesura eval reasoning --kv-dtype int8`.
Enters: a folder. Leaves: two tables. Read next: `caesura/engine/int8_store.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from bench.measure import interleaved
from caesura.cli.bundled import bundled_folder
from caesura.engine import EngineConfig, LoadedModel, SequenceRequest, build_engine, load
from caesura.engine.kv_store import KVDtype, KVStore
from caesura.engine.loading import KV_STORES
from caesura.engine.pages import PAGE_SIZE_CPU
from caesura.engine.runner import Runner
from caesura.engine.scheduler import Row, StepPlan
from caesura.messages.content import conversation
from caesura.messages.request import Sampling
from caesura.model import Transformer

QUESTIONS = (
    "What is 23*45?",
    "What is 3481 + 9927 - 118?",
    "Sort these numbers: 81, 3, 77, 20, 45, 9, 64.",
    "Today is 3 March 2024. What date is it 45 days later?",
    "How many times does the letter e occur in 'the elephant never forgets her keeper'?",
    "Tell me a story about a lighthouse keeper and her dog.",
    "Write a few sentences about the sea in winter.",
    "How are you today?",
)
# Rows of a step, and tokens that each has.
STEPS = ((1, 128), (1, 2048), (1, 8192), (1, 32_768), (8, 128), (8, 2048))


def replies(loaded: LoadedModel) -> list[tuple[list[int], int]]:
    """The ids of each question and its greedy reply, and how many the question has."""
    requests: list[SequenceRequest] = []
    for question in QUESTIONS:
        prompt = loaded.chat_format.render(conversation(("user", question)), opening="think")
        requests.append(
            SequenceRequest(
                prompt=tuple(prompt.ids),
                max_tokens=400,
                sampling=Sampling(temperature=0.0),
                opening="think",
                budget_tokens=256,
            )
        )
    engine = build_engine(loaded, EngineConfig(num_threads=1))
    completions = engine.generate(requests)
    engine.close()
    return [
        ([*request.prompt, *completion.finished.output], len(request.prompt))
        for request, completion in zip(requests, completions, strict=True)
    ]


def store_of(model: Transformer, num_pages: int, kv_dtype: KVDtype | None) -> KVStore:
    """An empty one."""
    weight = model.embed_tokens.weight
    return KV_STORES[kv_dtype](
        model.config,
        num_pages=num_pages,
        page_size=PAGE_SIZE_CPU,
        dtype=weight.dtype,
        device=weight.device,
    )


def log_probs(
    loaded: LoadedModel, texts: Sequence[tuple[list[int], int]], kv_dtype: KVDtype | None
) -> Tensor:
    """(N, V): for every token of the replies, one step each."""
    scores: list[Tensor] = []
    for ids, num_prompt in texts:
        pages = tuple(range(len(ids) // PAGE_SIZE_CPU + 1))
        runner = Runner(loaded.model, store_of(loaded.model, len(pages), kv_dtype))
        start, stop = 0, num_prompt
        while stop < len(ids):
            row = Row(0, start, tuple(ids[start:stop]), pages, True)
            output = runner.run(StepPlan(rows=(row,), num_decode=int(stop - start == 1)))
            scores.append(output.logits_RV.float().log_softmax(-1))
            start, stop = stop, stop + 1
    return torch.cat(scores)


def difference(one: Tensor, other: Tensor, written_N: Tensor) -> list[str]:
    """Of two (N, V): mean and largest of the written tokens' log-probabilities, and equal first choices."""
    apart_N = (one - other).gather(1, written_N[:, None]).abs()
    equal = (one.argmax(-1) == other.argmax(-1)).float().mean()
    return [f"{len(one)}", f"{apart_N.mean():.4f}", f"{apart_N.max():.3f}", f"{equal:.2%}"]


def compare_probabilities(folder: Path) -> Table:
    """bfloat16 and float32, each with int8 keys and values, and beside each other."""
    half, full = load(folder, dtype=torch.bfloat16), load(folder, dtype=torch.float32)
    texts = replies(half)
    written_N = torch.tensor([token for ids, num_prompt in texts for token in ids[num_prompt:]])
    bfloat16, float32 = log_probs(half, texts, None), log_probs(full, texts, None)
    table = Table("log-probabilities", "tokens", "mean", "largest", "same first choice")
    for name, one, other in (
        ("bfloat16, int8 against plain", bfloat16, log_probs(half, texts, "int8")),
        ("float32, int8 against plain", float32, log_probs(full, texts, "int8")),
        ("plain, bfloat16 against float32", float32, bfloat16),
    ):
        table.add_row(name, *difference(one, other, written_N))
    return table


def step_ms(runner: Runner, plan: StepPlan) -> float:
    """Processor time of one step of this thread."""
    start = time.thread_time()
    runner.run(plan)
    return 1000 * (time.thread_time() - start)


def compare_steps(folder: Path, repeats: int) -> Table:
    """bfloat16 steps on one thread."""
    model = load(folder, dtype=torch.bfloat16).model
    table = Table("a decode step", "plain", "int8", "int8 / plain")
    for num_rows, length in STEPS:
        num_pages = length // PAGE_SIZE_CPU
        rows = tuple(
            Row(
                number,
                length - 1,
                (number,),
                tuple(range(number * num_pages, (number + 1) * num_pages)),
                True,
            )
            for number in range(num_rows)
        )
        plan = StepPlan(rows=rows, num_decode=num_rows)
        kinds: tuple[KVDtype | None, ...] = (None, "int8")
        runners = [Runner(model, store_of(model, num_rows * num_pages, kind)) for kind in kinds]
        times_ms = interleaved(repeats, *(partial(step_ms, runner, plan) for runner in runners))
        plain, int8 = (min(each) for each in times_ms)
        name = f"{num_rows} x {length:,} tokens"
        table.add_row(name, f"{plain:.2f} ms", f"{int8:.2f} ms", f"{int8 / plain:.2f}")
    return table


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="What int8 keys and values change.")
    parser.add_argument("--model", type=Path, default=bundled_folder(), help="a folder of our own format")
    parser.add_argument("--repeats", type=int, default=50, help="of each step")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=110)
    console.print(compare_probabilities(options.model))
    console.print(compare_steps(options.model, options.repeats))


if __name__ == "__main__":
    main()
