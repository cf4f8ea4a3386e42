"""What a schema that nobody has seen costs the first token: `python -m bench.schema_times --data FOLDER`.

Compiled anew, with the first mask: what stands between a request and its first token, beside the prompt. For
nano's vocabulary, and for one of 150,000 tokens made of nano's tokens in pairs. Seconds of the processor, so
that whatever else the machine does counts less; the clock's beside them. Prints a table and one line of JSON.
Read next: `schemas.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from bench.schema_data import Case, real_cases
from bench.schemas import NANO
from caesura.engine.constraint import BitBlock
from caesura.engine.grammar import GrammarCompiler
from caesura.engine.grammar_sources import GrammarSource
from caesura.messages.errors import InvalidRequestError
from caesura.tokens import Tokenizer

_LARGE = 150_000
WANTED_S = 0.020


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Milliseconds of the schemas that were accepted.

    name: of the vocabulary. again: whether the same schemas are asked for a second time.
    cpu, clock: median, the 90th and 99th of a hundred, and the longest.
    """

    name: str
    again: bool
    cpu_ms: tuple[float, ...]
    clock_ms: tuple[float, ...]

    def row(self) -> str:
        """A row of the table."""
        what = f"{self.name}, {'seen before' if self.again else 'never seen'}"
        return f"| {what} | {' | '.join(f'{each:.1f}' for each in (*self.cpu_ms, *self.clock_ms))} |"


def measure(name: str, token_bytes: Sequence[bytes], cases: Sequence[Case]) -> list[Quantiles]:
    """The first time and the second."""
    compiler = GrammarCompiler(token_bytes)
    compiler.compile(GrammarSource(kind="regex", text="a", path=("warm",)))
    row = BitBlock(1, len(token_bytes)).rows[0]
    found: list[Quantiles] = []
    for again in (False, True):
        times: list[tuple[float, float]] = []
        for case in track(cases, description=name, transient=True):
            source = GrammarSource(kind="json_schema", text=json.dumps(case.schema), path=("schema",))
            start_s, start_cpu_s = time.perf_counter(), time.process_time()
            try:
                compiler.compile(source).matcher().allow(row)
            except InvalidRequestError:
                continue
            times.append((time.process_time() - start_cpu_s, time.perf_counter() - start_s))
        cpu_ms, clock_ms = (_quantiles(column) for column in zip(*times, strict=True))
        found.append(Quantiles(name=name, again=again, cpu_ms=cpu_ms, clock_ms=clock_ms))
    compiler.close()
    return found


def _quantiles(times_s: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(each) * 1000, 2) for each in np.quantile(times_s, (0.5, 0.9, 0.99, 1.0)))


def large_vocabulary(token_bytes: Sequence[bytes]) -> list[bytes]:
    """The same tokens, and pairs of them."""
    dice, pieces = random.Random(0), [piece for piece in token_bytes if piece]
    kept = dict.fromkeys(pieces)
    while len(kept) < _LARGE:
        kept[dice.choice(pieces) + dice.choice(pieces)] = None
    return list(kept)


def main() -> int:
    """Returns 1 where the median is over what is wanted."""
    parser = argparse.ArgumentParser(prog="python -m bench.schema_times", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the sets")
    parser.add_argument("--first", type=int, help="only so many schemas")
    options = parser.parse_args()
    cases = real_cases(options.data)[: options.first]
    nano = Tokenizer.load(NANO).token_bytes
    found = measure("nano's vocabulary", nano, cases)
    found += measure(f"{_LARGE:,} tokens", large_vocabulary(nano), cases)
    print("| ms | cpu median | 90 % | 99 % | longest | clock median | 90 % | 99 % | longest |")
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(each.row() for each in found))
    print(json.dumps([asdict(each) for each in found]))
    return int(any(each.cpu_ms[0] > WANTED_S * 1000 for each in found))


if __name__ == "__main__":
    sys.exit(main())
