"""The catalogue of public requests: intents, tools, commands, tasks.

Enters: nothing. Leaves: `REQUEST_SETS`. Read next: `judged_sets.py`; `requests.py`, which converts them.
"""

from __future__ import annotations

from caesura.train import requests
from caesura.train.data_set import DataSet, Origin


def _metatool(path: str) -> Origin:
    """One file of the set of tools and of the requests that want them."""
    return Origin(repository="HowieHwong/MetaTool", commit="35e81bb75768", paths=(path,))


_BFCL = "berkeley-function-call-leaderboard/bfcl_eval/data/unused_datasets"


def _bfcl(path: str) -> tuple[Origin, ...]:
    """One file of the function calls that the leaderboard does not use any more."""
    repository = "ShishirPatil/gorilla"
    return (Origin(repository=repository, commit="6ea57973c7a6", paths=(f"{_BFCL}/{path}",)),)


REQUEST_SETS = (
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
        name="self_instruct",
        file="self_instruct_seeds/seed_tasks.jsonl",
        licence="Apache-2.0",
        use="harmless requests: tasks that people wrote, with answers",
        origins=(
            Origin(
                repository="yizhongw/self-instruct", commit="0b26ccaa4159", paths=("data/seed_tasks.jsonl",)
            ),
        ),
        converter=requests.json_lines,
    ),
    DataSet(
        name="bfcl",
        file="bfcl_dev/exec_simple.jsonl",
        licence="Apache-2.0",
        use="harmless requests, each with the one function that serves it",
        origins=_bfcl("question/BFCL_v4_exec_simple.json"),
        converter=requests.json_lines,
    ),
    DataSet(
        name="bfcl_answers",
        file="bfcl_dev/possible_answer_exec_simple.jsonl",
        licence="Apache-2.0",
        use="the calls that those requests want",
        origins=_bfcl("possible_answer/BFCL_v4_exec_simple.json"),
        converter=requests.json_lines,
    ),
)
