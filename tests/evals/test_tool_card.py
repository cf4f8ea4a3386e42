"""The model card's section on tools: every figure that there is, and nothing where there are none."""

from __future__ import annotations

from dataclasses import replace

from caesura.evals.results import Provenance
from caesura.evals.tool_card import tool_section
from caesura.evals.tool_grading import ToolAttempt
from caesura.evals.tool_results import tool_results

ATTEMPT = ToolAttempt(
    id="lookups/0/0/0",
    kind="lookups",
    aspect="decision",
    setting="constrained",
    wants_calls=True,
    is_choice=True,
    decided=True,
    named=True,
    exact=False,
    valid=True,
    made_call=True,
    correct=False,
    written="f({})",
    output_tokens=9,
)
ATTEMPTS = [
    ATTEMPT,
    replace(ATTEMPT, setting="free", exact=True, correct=True),
    replace(ATTEMPT, kind="bfcl_simple", decided=False, named=False, made_call=False),
]
PROVENANCE = Provenance(
    command="caesura eval tools --model nano",
    model="nano",
    model_digest="d1",
    num_parameters=5_400_000,
    trained_tokens=1536,
    seeds=(0,),
    num_problems=1,
    prompts_digest="d2",
    temperature=0.0,
    max_tokens={"answer": 256},
    versions={},
    wall_s=1.0,
)


def test_figures_of_public_sets_are_told_apart_from_our_own() -> None:
    results = tool_results(ATTEMPTS, PROVENANCE)
    own = results.overall["constrained"]
    assert own.decided is not None
    assert (own.decided.n, own.decided.mean) == (1, 1.0)
    public = results.public["constrained"]["bfcl_simple"]
    assert public.named is not None
    assert public.named.mean == 0.0
    assert results.kinds["free"]["lookups"].mean == 1.0


def test_the_section_shows_each_setting_and_the_command() -> None:
    page = "\n".join(tool_section(tool_results(ATTEMPTS, PROVENANCE)))
    assert "| with exactly the right arguments | 0.0 %" in page
    assert "|  | constrained | free |" in page
    assert "BFCL, developer part" in page
    assert "records as JSON" not in page
    assert "`caesura eval tools --model nano`" in page


def test_without_results_there_is_no_section() -> None:
    assert tool_section(None) == []
