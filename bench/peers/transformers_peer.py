"""`generate` of transformers, jobs of equal length in one batch. Runs in the peers' environment.

It has no prompt cache across calls and no streams, so it takes part where neither matters.
Read next: `protocol.py`.
"""

from __future__ import annotations

import importlib
import time
from typing import Any, cast

from bench.peers.protocol import TOP_K, Batch, PeerSettings, Run, serve


class Transformers:
    """One model in bfloat16."""

    def __init__(self, settings: PeerSettings) -> None:
        self._torch = cast(Any, importlib.import_module("torch"))
        transformers = cast(Any, importlib.import_module("transformers"))
        self._torch.set_num_threads(settings.threads)
        self._model = transformers.AutoModelForCausalLM.from_pretrained(
            settings.folder, dtype=getattr(self._torch, settings.bits)
        ).eval()
        self._model.generation_config.eos_token_id = None
        self.version = f"transformers {transformers.__version__}, {settings.bits}"

    def run(self, batch: Batch) -> Run:
        """All jobs at once; they must be alike."""
        lengths = {(len(job.prompt), job.num_new, job.starts_after) for job in batch.jobs}
        if len(lengths) != 1 or batch.jobs[0].starts_after is not None:
            raise ValueError("transformers takes jobs of one length that start together")
        start = time.monotonic()
        ids = self._torch.tensor([job.prompt for job in batch.jobs])
        sampling = {"do_sample": True, "temperature": batch.temperature, "top_k": TOP_K, "top_p": 1.0}
        with self._torch.inference_mode():
            written = self._model.generate(
                ids,
                attention_mask=self._torch.ones_like(ids),
                max_new_tokens=batch.jobs[0].num_new,
                **(sampling if batch.temperature else {"do_sample": False}),
            )
        new = written[:, ids.shape[1] :].tolist()
        wall_s = time.monotonic() - start
        return Run(wall_s=wall_s, ids=new, times_s=[[] for _ in new], starts_s=[start] * len(new))


if __name__ == "__main__":
    serve(Transformers)
