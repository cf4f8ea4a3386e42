"""Whether what is written under a schema satisfies it: `python -m bench.schemas --data FOLDER`.

Each schema is compiled for nano's vocabulary and written from at random, several times; `jsonschema` judges
what comes out. The test suite's own instances must be admitted where they are valid, as far as they are
written in our way, and never where they are not. Prints what went wrong, a table, and one line of JSON; ends
with 1 if anything invalid was written or admitted. Read next: `schema_data.py`, `schema_walks.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.progress import track

import caesura.bundled
from bench.schema_data import Case, real_cases, suite_cases
from bench.schema_walks import Walker, judge
from caesura.engine.constraint import GrammarError
from caesura.engine.grammar import GrammarCompiler, GrammarLimits
from caesura.engine.grammar_sources import GrammarSource
from caesura.engine.token_grammar import TokenGrammar, Vocabulary
from caesura.messages.errors import InvalidRequestError
from caesura.tokens import Tokenizer

WANTED_SHARE = 0.9
NANO = Path(caesura.bundled.__file__).parent / "nano"
_PATH = "schema"
Read = Callable[[Any], TokenGrammar]


def own_reading(compiler: GrammarCompiler) -> Read:
    """A schema's grammar as the server makes it. Raises InvalidRequestError."""

    def read(schema: Any) -> TokenGrammar:
        return compiler.compile(GrammarSource(kind="json_schema", text=json.dumps(schema), path=(_PATH,)))

    return read


def builtin_reading(token_bytes: Sequence[bytes]) -> Read:
    """A schema's grammar as llguidance makes it. Raises InvalidRequestError."""
    vocabulary = Vocabulary(token_bytes, ())

    def read(schema: Any) -> TokenGrammar:
        text = f'start: %json {json.dumps(schema)}\n%llguidance {{"no_forcing": true}}\n'
        try:
            return vocabulary.grammar(text, max_lexer_states=GrammarLimits().max_lexer_states)
        except GrammarError as error:
            raise InvalidRequestError(f"{_PATH}.: {error}") from error

    return read


@dataclass(kw_only=True)
class Tally:
    """What became of a set of schemas.

    schemas, accepted: how many. refused: how many each keyword was blamed for. unnamed: refusals that name
    no place. written, unended: texts that ended, and that did not in time. wrong: what must not be, in words.
    admitted, missed: instances that are valid.
    """

    name: str
    schemas: int = 0
    accepted: int = 0
    written: int = 0
    unended: int = 0
    admitted: int = 0
    missed: int = 0
    rejected: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    unnamed: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])
    missing: list[str] = field(default_factory=list[str])

    @property
    def share(self) -> float:
        """Of the schemas that are accepted."""
        return self.accepted / max(1, self.schemas)

    def as_json(self) -> dict[str, Any]:
        """For the JSON line."""
        counts = ("schemas", "accepted", "written", "unended", "admitted", "missed", "rejected")
        return {
            "name": self.name,
            **{each: getattr(self, each) for each in counts},
            "share": round(self.share, 4),
            "wrong": len(self.wrong),
            "unnamed": len(self.unnamed),
            "refused": dict(self.refused.most_common()),
        }


class Acceptance:
    """Tries schemas, and notes what becomes of them."""

    def __init__(
        self, read: Read, token_bytes: Sequence[bytes], *, num_walks: int, seeds: Iterable[int]
    ) -> None:
        """read: makes a grammar. num_walks: texts for each schema and seed."""
        self._read = read
        self._walker = Walker(token_bytes)
        self._num_walks = num_walks
        self._seeds = tuple(seeds)

    def tally(self, name: str, cases: Iterable[Case]) -> Tally:
        """What becomes of these."""
        tally = Tally(name=name)
        for case in cases:
            tally.schemas += 1
            grammar = self._grammar(case, tally)
            if grammar is not None:
                tally.accepted += 1
                self._write(case, grammar, tally)
                self._recognise(case, grammar, tally)
        return tally

    def _grammar(self, case: Case, tally: Tally) -> TokenGrammar | None:
        try:
            return self._read(case.schema)
        except InvalidRequestError as refused:
            place, _, why = refused.message.partition(": ")
            tally.refused[f"{place.rpartition('.')[2]}: {why[:60]}"] += 1
            if not place.startswith(f"{_PATH}.") and case.schema is not False:
                tally.unnamed.append(f"{case.name}: {refused.message}")
            return None

    def _write(self, case: Case, grammar: TokenGrammar, tally: Tally) -> None:
        complaint = judge(case.schema)
        for seed in self._seeds:
            dice = random.Random(f"{seed} {case.name}")
            for _ in range(self._num_walks):
                try:
                    text = self._walker.write(grammar, dice)
                except GrammarError as error:
                    tally.wrong.append(f"{case.name}: {error} {json.dumps(case.schema)[:400]}")
                    continue
                if text is None:
                    tally.unended += 1
                    continue
                tally.written += 1
                why = complaint(json.loads(text))
                if why is not None:
                    tally.wrong.append(
                        f"{case.name}: wrote {text[:300]!r}: {why} {json.dumps(case.schema)[:400]}"
                    )

    def _recognise(self, case: Case, grammar: TokenGrammar, tally: Tally) -> None:
        for instance in case.valid:
            if self._walker.admits(grammar, instance):
                tally.admitted += 1
            else:
                tally.missed += 1
                tally.missing.append(f"{case.name}: {json.dumps(instance)[:200]}")
        for instance in case.invalid:
            if self._walker.admits(grammar, instance):
                tally.wrong.append(f"{case.name}: admitted {json.dumps(instance)[:200]}")
            else:
                tally.rejected += 1


def main() -> int:
    """Returns 1 if anything went wrong."""
    options = _options()
    token_bytes = Tokenizer.load(NANO).token_bytes
    compiler = GrammarCompiler(token_bytes)
    read = builtin_reading(token_bytes) if options.builtin else own_reading(compiler)
    acceptance = Acceptance(read, token_bytes, num_walks=options.walks, seeds=options.seeds)
    sets = {"schemas that people wrote": real_cases, "JSON-Schema-Test-Suite": suite_cases}
    tallies: list[Tally] = []
    for name, cases in sets.items():
        found = cases(options.data)[: options.first]
        tallies.append(acceptance.tally(name, track(found, description=name, transient=True)))
    compiler.close()
    for tally in tallies:
        for line in [*tally.wrong, *(f"unnamed: {each}" for each in tally.unnamed)]:
            print(f"WRONG {line}")
        for line in tally.missing if options.missing else []:
            print(f"missed {line}")
    print(table(tallies))
    print(json.dumps([tally.as_json() for tally in tallies]))
    return int(any(tally.wrong or tally.unnamed or tally.share < WANTED_SHARE for tally in tallies))


def table(tallies: Iterable[Tally]) -> str:
    """In Markdown."""
    rows = [
        "| set | schemas | accepted | texts written | invalid | valid instances admitted | invalid ones |",
        "|---|---|---|---|---|---|---|",
    ]
    for tally in tallies:
        num_valid = tally.admitted + tally.missed
        num_admitted = sum("admitted" in each for each in tally.wrong)
        rows.append(
            f"| {tally.name} | {tally.schemas:,} | {tally.accepted:,} ({tally.share:.1%}) "
            f"| {tally.written:,} | {len(tally.wrong) - num_admitted} | {tally.admitted} of {num_valid} "
            f"| {num_admitted} of {tally.rejected + num_admitted} |"
        )
    return "\n".join(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.schemas", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the sets")
    parser.add_argument("--walks", type=int, default=2, help="texts for each schema and seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--first", type=int, help="only so many schemas of each set")
    parser.add_argument("--builtin", action="store_true", help="llguidance's own reading of schemas instead")
    parser.add_argument("--missing", action="store_true", help="list valid instances that are not admitted")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
