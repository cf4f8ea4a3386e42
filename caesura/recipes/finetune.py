"""Fine-tuning on rows of one's own: JSONL files of conversations, from any folder of our family.

    caesura train finetune --set start_from=caesura/bundled/nano --set 'documents.paths=["my.jsonl"]'

Enters: files whose lines are as `caesura/train/data.py` reads them; a bad one is named by file and line.
Leaves: a config tree. Read next: `nano.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from caesura.messages.errors import DataError
from caesura.tokens import CaesuraFormat
from caesura.train.data import read_rows
from caesura.train.encoding import Encoded, encode_row
from caesura.train.loop import LoopConfig
from caesura.train.optimisers import OptimiserConfig
from caesura.train.packing import PackingConfig
from caesura.train.recipe import Recipe
from caesura.train.stage import Stage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFiles:
    """Rows from JSONL files, in the files' order.

    paths: the files.
    """

    paths: tuple[str, ...] = ()

    def __call__(self, chat_format: CaesuraFormat, data: Path, runs: Path) -> Iterator[Encoded]:
        for path in self.paths:
            yield from (encode_row(chat_format, row) for row in read_rows(Path(path)))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRows:
    """Rows that an earlier job of the recipe has made.

    job: its name. file: of the rows, in the job's folder.
    max_tokens: rows that are longer are left out, and counted in the log; None: none is.
    """

    job: str
    file: str = "rows.jsonl"
    max_tokens: int | None = None

    def inputs(self, runs: Path) -> tuple[Path, ...]:
        """See `ReadsFiles`."""
        return (runs / self.job / self.file,)

    def __call__(self, chat_format: CaesuraFormat, data: Path, runs: Path) -> Iterator[Encoded]:
        (path,) = self.inputs(runs)
        if not path.is_file():
            raise DataError(f"{path} is missing; run the job {self.job} first")
        num_long = 0
        for row in read_rows(path):
            encoded = encode_row(chat_format, row)
            if self.max_tokens is not None and len(encoded.ids) > self.max_tokens + 1:
                num_long += 1
            else:
                yield encoded
        if num_long:
            log.info("%s: %d rows are longer than %s tokens and left out", path, num_long, self.max_tokens)


def recipe() -> Recipe:
    """A gentle pass over one's own rows; set `start_from` and `documents.paths`."""
    stage = Stage(
        name="finetune",
        start_from="",
        documents=RowFiles(),
        packing=PackingConfig(batch_tokens=4096, row_tokens=(128, 256, 512, 1024, 2048)),
        loop=LoopConfig(
            num_steps=200,
            is_compiled=False,
            optimiser=OptimiserConfig(
                learning_rate=3e-4, embedding_learning_rate=3e-4, warmup_steps=20, decay_fraction=0.5
            ),
        ),
    )
    return Recipe(name="finetune", tokenizer_texts=None, vocab_size=0, stages=(stage,), max_positions=0)
