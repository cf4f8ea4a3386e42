"""The catalogue of what people judged: harmful prompts and their look-alikes, replies, actions.

Enters: nothing. Leaves: `JUDGED_SETS`. Read next: `comparisons.py`, which converts some; `sets.py`.
"""

from __future__ import annotations

from caesura.train import comparisons, convert
from caesura.train.data_set import DataSet, Origin

_PROMPTS = "data/behavior_datasets"


def _adversaria(path: str) -> tuple[Origin, ...]:
    """One file of the repository that collects prompts for safety tests."""
    repository = "busycalibrating/AdversariaLLM"
    return (Origin(repository=repository, commit="f970939273ea", paths=(f"{_PROMPTS}/{path}",)),)


JUDGED_SETS = (
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
        name="jailbreak_templates",
        file="jailbreak_templates/templates.jsonl",
        licence="MIT",
        use="disguises with a slot for the request",
        origins=(
            Origin(
                repository="sherdencooper/GPTFuzz",
                commit="1eddeb565740",
                paths=("datasets/prompts/GPTFuzzer.csv",),
            ),
        ),
        converter=convert.developer_half("text", {"id": "id", "source": "source", "text": "template"}),
    ),
    DataSet(
        name="rbr_refusal_gold",
        file="rbr_refusal_gold/train.jsonl.zst",
        licence="MIT",
        use="replies that people labelled as complying or declining",
        origins=(
            Origin(
                repository="openai/safety-rbr-code-and-data",
                commit="7f489fa6b38d",
                paths=("data/rbr_gold_data/train.jsonl",),
            ),
        ),
        converter=comparisons.labelled_replies,
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
