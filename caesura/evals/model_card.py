"""The model card: a page made of results, in which no figure is typed by hand.

Enters: the results of `caesura eval` for a model and for its fast control, and of `make bench`. Leaves:
Markdown, the same for the same results. Read next: `targets.py`, the table of what must be shown;
`caesura/cli/report.py`, which reads the files and writes the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caesura.evals.adaptive import AdaptiveThinking
from caesura.evals.alignment_card import AlignmentEvidence, alignment_sections
from caesura.evals.bench_figures import BenchFigure
from caesura.evals.card_words import command, percent, points, table, with_interval
from caesura.evals.results import (
    LanguageResults,
    ObedienceResults,
    PaddingResults,
    ReasoningResults,
)
from caesura.evals.tool_card import tool_section
from caesura.evals.tool_results import ToolResults
from caesura.evals.training_facts import TrainingFacts

_SHOWN_BUDGETS = (0, 64, 256, 1024)
_CONTENT_COUNTS = " It is what is written there that helps, not its length."


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a card may rest on; only `reasoning` is a must.

    title: the model's name. report_command: the command that writes the page.
    control: the fast control's accuracy; its smallest budget is the one that counts.
    alignment: what is told of it, if anything.
    """

    title: str
    report_command: str
    reasoning: ReasoningResults
    control: ReasoningResults | None = None
    padding: PaddingResults | None = None
    obedience: ObedienceResults | None = None
    language: LanguageResults | None = None
    tools: ToolResults | None = None
    training: TrainingFacts | None = None
    control_training: TrainingFacts | None = None
    bench: tuple[BenchFigure, ...] = ()
    alignment: AlignmentEvidence | None = None


def model_card(evidence: Evidence, targets: Sequence[str], images: tuple[str, str]) -> str:
    """The page. targets: the lines of the table of what must be shown. images: paths of the two plots."""
    sections = (
        _what_it_is(evidence),
        ["## What must be shown", "", *targets],
        _accuracy(evidence, images[0]),
        _families(evidence, images[1]),
        _controls(evidence),
        _obedience(evidence.obedience),
        tool_section(evidence.tools),
        *(alignment_sections(evidence.alignment) if evidence.alignment else ()),
        _language(evidence.language),
        _training(evidence),
        _limits(evidence),
        _method(evidence),
    )
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _what_it_is(evidence: Evidence) -> list[str]:
    facts = evidence.reasoning.provenance
    size = f"{facts.num_parameters / 1e6:.2f} million parameters" if facts.num_parameters else "unknown size"
    lines = [
        f"# {evidence.title}",
        "",
        f"A hybrid-reasoning model of {size}, trained from random weights by this repository. It answers at "
        "once, or thinks for as many tokens as the request allows and then answers.",
        "",
        f"This page is written by `{evidence.report_command}` from the results of the commands that it "
        "names; no figure in it was typed.",
    ]
    if trained := _trained_tokens(evidence):
        lines += [
            "",
            f"Its accuracy is claimed up to the {trained:,} tokens that it was trained on, prompt and reply "
            "together, and no further; it accepts longer prompts.",
        ]
    return lines


def _trained_tokens(evidence: Evidence) -> int:
    """The longest row of the last stage, or what the model's folder says; 0 where neither is known."""
    if evidence.training is not None and evidence.training.stages:
        return evidence.training.stages[-1].row_tokens
    return evidence.reasoning.provenance.trained_tokens


def _accuracy(evidence: Evidence, image: str) -> list[str]:
    reasoning, padding = evidence.reasoning, evidence.padding
    header = ["budget", "accuracy", *(f"seed {seed}" for seed in reasoning.by_seed)]
    header += ["tokens thought"] if reasoning.thinking_tokens else []
    header += ["filler instead"] if padding else []
    rows: list[list[str]] = []
    for budget, estimate in reasoning.accuracy.items():
        row = [f"{budget:,}", with_interval(estimate)]
        row += [percent(curve[budget]) for curve in reasoning.by_seed.values()]
        if reasoning.thinking_tokens:
            row.append(f"{reasoning.thinking_tokens[budget]:.0f}")
        if padding:
            row.append(with_interval(padding.accuracy[budget]) if budget in padding.accuracy else "")
        rows.append(row)
    num_problems = next(iter(reasoning.accuracy.values())).n
    return [
        "## Accuracy over thinking budgets",
        "",
        f"![accuracy over thinking budgets]({image})",
        "",
        f"Mean over {len(reasoning.families)} families, {num_problems:,} problems a budget, from the "
        "eighth that a hash keeps out of training in every wording, with 95 % intervals.",
        "",
        *table(header, rows),
        *_adaptive(reasoning),
        *command(reasoning.provenance),
    ]


def _adaptive(reasoning: ReasoningResults) -> list[str]:
    found = reasoning.adaptive
    if found is None:
        return []
    own = (
        f"Left the choice (`adaptive`), it thought before {percent(found.thought.mean)} of the answers, with "
        f"{found.thinking_tokens:.0f} tokens in the mean, and reached {with_interval(found.accuracy)}."
    )
    if found.saving is None or found.fixed_tokens is None:
        return ["", f"{own} No fixed budget reaches that."]
    low, high = sorted((found.saving.low, found.saving.high))
    return [
        "",
        f"{own} Fixed budgets reach that with {found.fixed_tokens:.0f} tokens: it saves "
        f"{percent(found.saving.mean)} ({100 * low:.1f} to {100 * high:.1f}).{_at_most(found)}",
    ]


def _at_most(found: AdaptiveThinking) -> str:
    if found.most_saved is None:
        return ""
    return (
        " Whoever knew for each problem the shortest of the measured thoughts that solves it would save "
        f"{percent(found.most_saved)} of the largest budget's tokens."
    )


def _families(evidence: Evidence, image: str) -> list[str]:
    reasoning, control = evidence.reasoning, evidence.control
    largest = max(reasoning.accuracy)
    shown = [budget for budget in _SHOWN_BUDGETS if budget in reasoning.accuracy]
    names = [f"at {budget:,}" if budget else "fast" for budget in shown]
    header = ["family", *names, "chance", f"tokens thought at {largest:,}"]
    header += ["fast control"] if control else []
    rows: list[list[str]] = []
    for name, family in reasoning.families.items():
        row = [family.title, *(with_interval(family.accuracy[budget]) for budget in shown)]
        row += [percent(family.chance), f"{family.thinking_tokens[largest]:.0f}"]
        if control:
            own = control.families.get(name)
            row.append(with_interval(own.accuracy[min(own.accuracy)]) if own else "")
        rows.append(row)
    return [
        "## The families one by one",
        "",
        f"![accuracy of each family]({image})",
        "",
        "Chance is the accuracy of the best constant answer. The dotted line in the pictures is chance, the "
        "dash-dotted one the fast control.",
        "",
        *table(header, rows),
        *command(reasoning.provenance),
    ]


def _controls(evidence: Evidence) -> list[str]:
    lines = ["## Is it the thinking?"]
    reasoning, control, padding = evidence.reasoning, evidence.control, evidence.padding
    if control is not None:
        level, fast = control.accuracy[min(control.accuracy)], reasoning.accuracy[min(reasoning.accuracy)]
        lines += [
            "",
            f"A control of the same size was trained on the same questions and answers without any thinking. "
            f"Answering at once it reaches {with_interval(level)}; this model, answering at once, "
            f"{with_interval(fast)}.",
            *command(control.provenance),
        ]
    if padding is not None:
        largest = max(padding.accuracy)
        lines += [
            "",
            f"With {largest:,} tokens of filler (` .` again and again) in the place of a thought, accuracy "
            f"changes by {points(padding.gain)} against answering at once; with a thought of up to "
            f"{max(reasoning.accuracy):,} tokens, by {points(reasoning.gain)}.{_filler_verdict(evidence)}",
            *command(padding.provenance),
        ]
    return lines if len(lines) > 1 else []


def _filler_verdict(evidence: Evidence) -> str:
    """What filler and thinking together allow to say; nothing where they allow nothing."""
    padding, reasoning = evidence.padding, evidence.reasoning
    if padding is None or padding.gain.low > 0:
        return " Part of the gain comes from length alone." if padding else ""
    return _CONTENT_COUNTS if reasoning.gain.low > max(0.0, padding.gain.high) else ""


def _obedience(results: ObedienceResults | None) -> list[str]:
    if results is None:
        return []
    rows = [
        ("`disabled`: no thought, and a finished answer", results.disabled),
        ("`enabled`: a thought, its end, and a finished answer", results.enabled),
        (f"thought at most the budget and {results.closing_tokens} closing tokens", results.budget_kept),
        ("`usage` counts exactly the thinking tokens that were streamed", results.count_exact),
        ("`adaptive`: thought where, and only where, the family needs it", results.chose_rightly),
    ]
    adaptive = ", ".join(f"{name} {percent(each.mean)}" for name, each in results.chose_to_think.items())
    return [
        "## Does it do as it is told?",
        "",
        *table(
            ("request", "share obeyed", "n"),
            [(name, with_interval(each), f"{each.n:,}") for name, each in rows],
        ),
        "",
        f"Left the choice (`adaptive`), it thought before this share of each family's problems: {adaptive}.",
        *command(results.provenance),
    ]


def _language(results: LanguageResults | None) -> list[str]:
    if results is None:
        return []
    fields = ", ".join(f"{name} {percent(each.mean)}" for name, each in results.blimp_fields.items())
    return [
        "## How well it knows English",
        "",
        f"- BLiMP, developer part, {results.num_pairs:,} minimal pairs: {with_interval(results.blimp)}; "
        f"guessing gives 50 %. By field: {fields}.",
        f"- {results.bits_per_byte:.3f} bits per byte on {results.num_documents:,} pieces of prose "
        f"({results.num_bytes:,} bytes) that no stage was trained on, {results.window} tokens at a time.",
        *command(results.provenance),
    ]


def _training(evidence: Evidence) -> list[str]:
    if evidence.training is None:
        return []
    header = ("stage", "steps", "tokens", "longest row", "loss", "tokens/s", "share of peak", "hours")
    facts = [(stage.name, stage) for stage in evidence.training.stages]
    if evidence.control_training is not None:
        known = {stage.name for stage in evidence.training.stages}
        facts += [
            (f"{stage.name} (control)", stage)
            for stage in evidence.control_training.stages
            if stage.name not in known
        ]
    rows = [
        (
            name,
            f"{stage.num_steps:,}",
            f"{stage.num_tokens / 1e6:.1f} M",
            f"{stage.row_tokens:,}",
            f"{stage.loss:.3f}",
            f"{stage.tokens_per_s:,.0f}",
            percent(stage.utilisation),
            f"{stage.hours:.2f}",
        )
        for name, stage in facts
    ]
    return [
        "## How it was trained",
        "",
        *table(header, rows),
        "",
        "Loss is in nats a learnt token, the mean of the last rows of metrics. The share of peak is useful "
        "FLOPs over the machine's bfloat16 matrix product, measured as the run began; it and the rate are "
        "medians, and suffer from whatever else the machine did meanwhile.",
    ]


def _limits(evidence: Evidence) -> list[str]:
    largest = max(evidence.reasoning.accuracy)
    weak = [
        family.title
        for family in evidence.reasoning.families.values()
        if family.accuracy[largest].mean < 0.8 and family.needs_thinking
    ]
    weakest = f" At {largest:,} tokens it still stays below 80 % on: {', '.join(weak)}." if weak else ""
    return [
        "## Honest limits",
        "",
        "This model proves the machinery and these families of problems, nothing more. It knows no facts to "
        "speak of, and outside of what it was trained on it is fluent at best. The problems come from the "
        "same generators as its training data, from the eighth that a hash holds out: the figures show that "
        "it learnt the procedures, not that it would find them." + weakest,
        "",
        "An interval says how much other problems would move a figure, not how much another training run "
        "would.",
    ]


def _method(evidence: Evidence) -> list[str]:
    facts = evidence.reasoning.provenance
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    seeds = ", ".join(map(str, facts.seeds))
    greedy = "" if facts.temperature else ", that is greedy"
    limits = ", ".join(f"{name} {limit:,}" for name, limit in facts.max_tokens.items())
    return [
        "## To measure it again",
        "",
        f"- Model `{facts.model}`, SHA-256 of its folder `{facts.model_digest or 'unknown'}`.",
        f"- Seeds {seeds}, {facts.num_problems} problems of each family and seed, difficulties 1 to 5 in "
        f"turn; SHA-256 over all questions and answers `{facts.prompts_digest}`.",
        f"- Temperature {facts.temperature:g}{greedy}; `max_tokens` by condition: {limits}.",
        f"- {versions}.",
        "- Intervals are Wilson's, 95 %, over problems, families weighed equally; gains are paired by "
        "problem. Non-decreasing means that no budget's mean lies below the interval of a smaller budget.",
    ]
