"""A peer that writes each prompt's ids again, in turn; an empty prompt makes it fail."""

from __future__ import annotations

import itertools
import sys

from bench.peers.protocol import Batch, PeerSettings, Recorder, Run, serve


class Echo:
    """Really takes part in the protocol."""

    def __init__(self, settings: PeerSettings) -> None:
        if settings.streams < 1:
            raise ValueError("no streams")
        sys.stdout.write("what a library prints must not be taken for a reply\n")
        self.version = f"echo of {settings.threads} threads"

    def run(self, batch: Batch) -> Run:
        """One id after the other."""
        recorder = Recorder(batch)
        for number, job in enumerate(batch.jobs):
            if not job.prompt:
                raise ValueError("the prompt is empty")
            recorder.start(number)
            recorder.put(number, itertools.islice(itertools.cycle(job.prompt), job.num_new))
        return recorder.run()


if __name__ == "__main__":
    serve(Echo)
