"""llama.cpp, by way of `xllamacpp`, which holds its server. Runs in the peers' environment.

Every job is a request of its own to the server in this process, without HTTP. Read next: `protocol.py`.
"""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any, cast

from bench.peers.gguf_folder import ids_of, write_gguf
from bench.peers.protocol import TOP_K, Batch, Job, PeerSettings, Recorder, Run, serve


class LlamaCpp:
    """One server with as many slots as there may be jobs."""

    def __init__(self, settings: PeerSettings) -> None:
        xllamacpp = cast(Any, importlib.import_module("xllamacpp"))
        path = Path(settings.scratch) / f"{Path(settings.folder).name}-{settings.bits}.gguf"
        if not path.is_file():
            write_gguf(Path(settings.folder), path, bits=settings.bits)
        self._keeps_prefixes = settings.keeps_prefixes
        self._server = xllamacpp.Server(_params(xllamacpp, settings, path))
        features = xllamacpp.get_system_info().partition(":")[2].split("|")
        enabled = [each.split("=")[0].strip() for each in features if each.strip().endswith("= 1")]
        self.version = f"xllamacpp {xllamacpp.__version__}, {settings.bits}, built for {' '.join(enabled)}"

    def run(self, batch: Batch) -> Run:
        """One thread a job; each waits in the server."""
        recorder = Recorder(batch)
        turn = _Turn(batch.jobs)
        failures: list[BaseException] = []

        def work(number: int, job: Job) -> None:
            try:
                turn.wait(job)
                recorder.start(number)
                self._complete(number, job, batch.temperature, recorder, turn)
            except BaseException as error:  # is raised below, once no thread waits any more
                failures.append(error)
                turn.give_up()
            finally:
                turn.end(job)

        threads = [threading.Thread(target=work, args=each) for each in enumerate(batch.jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return recorder.run()

    def _complete(self, number: int, job: Job, temperature: float, recorder: Recorder, turn: _Turn) -> None:
        def receive(chunk: Any) -> bool:
            if "error" in chunk:
                raise RuntimeError(str(chunk["error"]))
            ids = [id for choice in chunk["choices"] for id in ids_of(choice.get("text") or "")]
            recorder.put(number, ids)
            turn.note(recorder.num_written)
            return turn.is_over

        request = {
            "prompt": list(job.prompt),
            "max_tokens": job.num_new,
            "temperature": temperature,
            "top_k": TOP_K,
            "top_p": 1.0,
            "min_p": 0.0,
            "ignore_eos": True,
            "cache_prompt": self._keeps_prefixes,
            "stream": True,
        }
        self._server.handle_completions(request, receive)


class _Turn:
    """When late jobs start, and when the others stop."""

    def __init__(self, jobs: tuple[Job, ...]) -> None:
        self._num_late = sum(job.starts_after is not None for job in jobs)
        self._has_late = self._num_late > 0
        self._has_failed = False
        self._written = 0
        self._condition = threading.Condition()

    @property
    def is_over(self) -> bool:
        """Whether all late jobs are done."""
        return self._has_late and self._num_late == 0

    def note(self, written: int) -> None:
        """Each job that is not late has written so many tokens."""
        with self._condition:
            self._written = written
            self._condition.notify_all()

    def wait(self, job: Job) -> None:
        """Return when it is this job's turn."""
        starts_after = job.starts_after
        if starts_after is not None:
            with self._condition:
                self._condition.wait_for(lambda: self._has_failed or self._written >= starts_after)

    def give_up(self) -> None:
        """A job has failed: nobody may wait for it."""
        with self._condition:
            self._num_late, self._has_late, self._has_failed = 0, True, True
            self._condition.notify_all()

    def end(self, job: Job) -> None:
        """This job is done."""
        with self._condition:
            self._num_late -= job.starts_after is not None


def _params(xllamacpp: Any, settings: PeerSettings, path: Path) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = settings.context * settings.streams
    params.n_parallel = settings.streams
    params.n_predict = -1
    params.cpuparams.n_threads = settings.threads
    params.cpuparams_batch.n_threads = settings.threads
    params.cache_prompt = settings.keeps_prefixes
    if not settings.keeps_prefixes:
        params.cache_ram_mib = 0
    params.fit_params = False
    params.verbosity = 1
    return params


if __name__ == "__main__":
    serve(LlamaCpp)
