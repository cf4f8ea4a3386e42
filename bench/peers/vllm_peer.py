"""vLLM on CPUs: its asynchronous engine, without HTTP. Runs in an environment of its own.

Read next: `protocol.py`.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import os
from contextlib import aclosing
from typing import Any, cast

from bench.peers.protocol import TOP_K, Batch, Job, PeerSettings, Recorder, Run, serve

_KV_GIB = 4


class Vllm:
    """One engine, and the event loop that it lives on."""

    def __init__(self, settings: PeerSettings) -> None:
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(_KV_GIB))
        # Left to itself, it may keep a processor free for its server.
        os.environ["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, _processors(settings.threads)))
        vllm = cast(Any, importlib.import_module("vllm"))
        self._sampling = vllm.SamplingParams
        self._deltas = importlib.import_module("vllm.sampling_params").RequestOutputKind.DELTA
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        arguments = vllm.AsyncEngineArgs(
            model=settings.folder,
            dtype=settings.bits,
            skip_tokenizer_init=True,
            enforce_eager=not settings.is_compiled,
            max_model_len=settings.context,
            max_num_seqs=max(settings.streams, 2),
            enable_prefix_caching=settings.keeps_prefixes,
            disable_log_stats=True,
        )
        self._engine = self._loop.run_until_complete(self._start(arguments))
        mode = "compiled" if settings.is_compiled else "eager"
        self.version = f"vLLM {vllm.__version__}, {settings.bits}, {mode}"

    async def _start(self, arguments: Any) -> Any:
        async_llm = cast(Any, importlib.import_module("vllm.v1.engine.async_llm"))
        return async_llm.AsyncLLM.from_engine_args(arguments)

    def run(self, batch: Batch) -> Run:
        """All jobs on the event loop."""
        return self._loop.run_until_complete(self._run(batch))

    async def _run(self, batch: Batch) -> Run:
        recorder = Recorder(batch)
        num_late = sum(job.starts_after is not None for job in batch.jobs)
        is_over, written = asyncio.Event(), asyncio.Condition()

        async def work(number: int, job: Job) -> None:
            nonlocal num_late
            starts_after = job.starts_after
            if starts_after is not None:
                async with written:
                    await written.wait_for(lambda: recorder.num_written >= starts_after)
            recorder.start(number)
            # Leaving the iterator early cancels the request.
            async with aclosing(self._outputs(job, batch.temperature)) as outputs:
                async for output in outputs:
                    recorder.put(number, output.outputs[0].token_ids)
                    async with written:
                        written.notify_all()
                    if is_over.is_set():
                        break
            if starts_after is not None:
                num_late -= 1
                if num_late == 0:
                    is_over.set()

        await asyncio.gather(*(work(*each) for each in enumerate(batch.jobs)))
        return recorder.run()

    def _outputs(self, job: Job, temperature: float) -> Any:
        sampling = self._sampling(
            temperature=temperature,
            top_k=TOP_K,
            max_tokens=job.num_new,
            ignore_eos=True,
            detokenize=False,
            output_kind=self._deltas,
        )
        prompt = {"prompt_token_ids": list(job.prompt)}
        return self._engine.generate(prompt, sampling, str(next(self._numbers)))


def _processors(count: int) -> list[int]:
    return sorted(os.sched_getaffinity(0))[:count]


if __name__ == "__main__":
    serve(Vllm)
