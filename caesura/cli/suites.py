"""The suites of `caesura eval`: each measures something, writes its results, and says them in a few rows.

Enters: an `Evaluation`. Leaves: files in its folder. This file imports torch and inspect-ai; `evaluate.py`
imports it only once it is needed. Read next: `caesura/evals/runs.py` and `caesura/train/scoring.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from rich.table import Table

from caesura.cli.evaluation import Evaluation
from caesura.cli.measuring import Asked, estimate_table, measured_client, progress_bar, provenance
from caesura.cli.safety_suite import run_safety
from caesura.cli.screen import stdout
from caesura.cli.tool_suite import run_tools
from caesura.evals.attempts import Attempt, Condition, Posed, at_budget, pose, prompts_digest
from caesura.evals.plots import plot_accuracy, plot_families
from caesura.evals.reasoning import max_tokens
from caesura.evals.results import (
    LanguageResults,
    ObedienceResults,
    PaddingResults,
    Provenance,
    ReasoningResults,
    obedience_conditions,
    obedience_results,
    padding_results,
    reasoning_results,
)
from caesura.evals.results_files import read_if_there, write_attempts, write_results
from caesura.evals.runs import RunConfig, run
from caesura.evals.statistics import Estimate, Outcome, macro_average
from caesura.evals.training_facts import training_facts
from caesura.messages.client import Client
from caesura.messages.content import conversation
from caesura.messages.errors import DataError, ModelFolderError
from caesura.messages.request import MessagesRequest
from caesura.model import load_model
from caesura.model.folder import FolderError
from caesura.recipes.text import held_out_documents
from caesura.tokens import CLOSING_TEXT, Tokenizer, TokenizerError
from caesura.train.scoring import MinimalPair, compression, minimal_pairs, prefers_good
from caesura.train.sets import read_rows

# Budgets that no training row was cut at on purpose, beside the smallest and the largest one.
OBEDIENCE_BUDGETS = (1, 7, 32, 200, 1024)
BLIMP_FILE = "blimp/blimp.jsonl.zst"
LANGUAGE_WINDOW = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An evaluation and who answers it.

    closing_tokens: how many tokens the closing text takes. trained_tokens: see `ModelInfo`.
    """

    evaluation: Evaluation
    client: Client
    closing_tokens: int
    trained_tokens: int


def run_suites(evaluation: Evaluation) -> None:
    """Run the suites in order and print a table of each."""
    if evaluation.run_folder is not None:
        write_results(evaluation.out / "training.json", training_facts(evaluation.run_folder))
    asking = [suite for suite in evaluation.suites if suite in ASKING]
    if asking:
        with measured_client(evaluation) as client:
            session = _open_session(evaluation, client)
            for suite in asking:
                stdout.print(ASKING[suite](session))
    if "tools" in evaluation.suites:
        stdout.print(run_tools(evaluation))
    if "safety" in evaluation.suites:
        stdout.print(run_safety(evaluation))
    if "language" in evaluation.suites:
        stdout.print(run_language(evaluation))


def run_reasoning(session: Session) -> Table:
    """Accuracy over budgets."""
    evaluation = session.evaluation
    problems = pose(evaluation.seeds, evaluation.num_problems)
    conditions = [*(at_budget(budget) for budget in evaluation.budgets), Condition("adaptive", 0)]
    attempts, provenance = _measure(session, "reasoning", problems, conditions)
    results = reasoning_results(attempts, provenance)
    write_results(evaluation.out / "reasoning.json", results)
    padding = read_if_there(evaluation.out / "padding.json", PaddingResults)
    plot_accuracy(evaluation.out / "accuracy.png", results, padding=padding)
    plot_families(evaluation.out / "families.png", results)
    return _reasoning_table(results)


def run_padding(session: Session) -> Table:
    """Filler in the place of thinking."""
    evaluation = session.evaluation
    problems = pose(evaluation.seeds, evaluation.num_problems)
    filler = [Condition("padding", budget) for budget in evaluation.budgets if budget]
    attempts, provenance = _measure(session, "padding", problems, [at_budget(0), *filler])
    results = padding_results(attempts, provenance)
    write_results(evaluation.out / "padding.json", results)
    reasoning = read_if_there(evaluation.out / "reasoning.json", ReasoningResults)
    if reasoning is not None:
        plot_accuracy(evaluation.out / "accuracy.png", reasoning, padding=results)
    rows = [(f"{budget} filler tokens", each) for budget, each in results.accuracy.items()]
    return estimate_table("padding", [*rows, ("gain from filler", results.gain)])


def run_obedience(session: Session) -> Table:
    """Modes and budgets, on the problems of the first seed."""
    evaluation = session.evaluation
    problems = pose(evaluation.seeds[:1], evaluation.num_problems)
    attempts, provenance = _measure(session, "obedience", problems, obedience_conditions(OBEDIENCE_BUDGETS))
    results = obedience_results(attempts, provenance, closing_tokens=session.closing_tokens)
    write_results(evaluation.out / "obedience.json", results)
    return _obedience_table(results)


ASKING: dict[str, Callable[[Session], Table]] = {
    "padding": run_padding,
    "reasoning": run_reasoning,
    "obedience": run_obedience,
}


def run_language(evaluation: Evaluation) -> Table:
    """Minimal pairs and bits per byte, from the model's own probabilities."""
    assert evaluation.folder is not None
    started = time.monotonic()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = load_model(evaluation.folder, device=device)
        tokenizer = Tokenizer.load(evaluation.folder)
    except (FolderError, TokenizerError) as error:
        raise ModelFolderError(str(error)) from error
    if not (evaluation.data / BLIMP_FILE).is_file():
        raise DataError(f"there is no {evaluation.data / BLIMP_FILE}; set --data or CAESURA_DATA")
    pairs = minimal_pairs(read_rows(evaluation.data / BLIMP_FILE))
    texts = list(held_out_documents(evaluation.data))
    with progress_bar("minimal pairs", 2 * len(pairs)) as advance:
        preferred = prefers_good(model, tokenizer, pairs, on_progress=advance)
    with progress_bar("held-out text", len(texts)) as advance:
        size = compression(model, tokenizer, texts, max_tokens=LANGUAGE_WINDOW, on_progress=advance)
    asked = "\n".join([*(f"{pair.good}\0{pair.bad}" for pair in pairs), *texts])
    digest = hashlib.sha256(asked.encode()).hexdigest()
    results = LanguageResults(
        provenance=provenance(evaluation, "language", Asked(digest, (), {}, 0), started),
        blimp=_pair_accuracy(zip(pairs, preferred, strict=True)),
        blimp_fields={
            field: _pair_accuracy(
                (pair, is_good) for pair, is_good in zip(pairs, preferred, strict=True) if pair.field == field
            )
            for field in sorted({pair.field for pair in pairs})
        },
        num_pairs=len(pairs),
        bits_per_byte=size.bits_per_byte,
        num_bytes=size.num_bytes,
        num_documents=size.num_documents,
        window=LANGUAGE_WINDOW,
    )
    write_results(evaluation.out / "language.json", results)
    table = estimate_table("language", [("BLiMP", results.blimp), *results.blimp_fields.items()])
    table.add_row("bits per byte", f"{results.bits_per_byte:.3f}", "", f"{results.num_documents:,}")
    return table


def _open_session(evaluation: Evaluation, client: Client) -> Session:
    async def look() -> tuple[int, int]:
        closing, one = [await client.count_tokens(_only(evaluation, text)) for text in (CLOSING_TEXT, "a")]
        # A folder that does not say how long its rows were claims its whole window: that is no claim.
        offered = await client.models()
        trained = {
            each.id: each.trained_tokens for each in offered if each.trained_tokens < each.max_input_tokens
        }
        return closing - one + 1, trained.get(evaluation.model, 0)

    closing_tokens, trained_tokens = asyncio.run(look())
    return Session(
        evaluation=evaluation, client=client, closing_tokens=closing_tokens, trained_tokens=trained_tokens
    )


def _only(evaluation: Evaluation, text: str) -> MessagesRequest:
    return MessagesRequest(model=evaluation.model, conversation=conversation(("user", text)), max_tokens=1)


def _measure(
    session: Session, suite: str, problems: Sequence[Posed], conditions: Sequence[Condition]
) -> tuple[list[Attempt], Provenance]:
    """Run, and write every attempt down."""
    evaluation = session.evaluation
    started = time.monotonic()
    config = RunConfig(
        model=evaluation.model,
        log_folder=evaluation.out / "logs",
        max_connections=evaluation.max_connections,
        closing_text=CLOSING_TEXT,
        temperature=evaluation.temperature,
    )
    with progress_bar(suite, len(problems) * len(conditions)) as advance:
        attempts = run(session.client, problems, conditions, config, lambda: advance(1))
    write_attempts(evaluation.out / f"{suite}.attempts.jsonl", attempts)
    asked = Asked(
        digest=prompts_digest(problems),
        seeds=tuple(dict.fromkeys(posed.seed for posed in problems)),
        max_tokens={condition.label: max_tokens(condition) for condition in conditions},
        trained_tokens=session.trained_tokens,
    )
    return attempts, provenance(evaluation, suite, asked, started)


def _pair_accuracy(graded: Iterable[tuple[MinimalPair, bool]]) -> Estimate:
    """The mean over paradigms."""
    return macro_average(
        Outcome(pair.paradigm, str(number), float(is_good)) for number, (pair, is_good) in enumerate(graded)
    )


def _reasoning_table(results: ReasoningResults) -> Table:
    rows = [(f"all families, budget {budget:,}", each) for budget, each in results.accuracy.items()]
    if results.adaptive is not None:
        rows.append((f"adaptive, {results.adaptive.thinking_tokens:.0f} tokens", results.adaptive.accuracy))
        if results.adaptive.saving is not None:
            rows.append(("tokens that adaptive thinking saves at that accuracy", results.adaptive.saving))
    largest = max(results.accuracy)
    families = [(f"{each.title}, {largest:,}", each.accuracy[largest]) for each in results.families.values()]
    return estimate_table("reasoning", [*rows, ("gain", results.gain), *families])


def _obedience_table(results: ObedienceResults) -> Table:
    rows = [
        ("answers at once when told to", results.disabled),
        ("thinks, closes, answers when told to", results.enabled),
        ("budget kept", results.budget_kept),
        ("thinking tokens counted exactly", results.count_exact),
        ("adaptive: thinks where it needs to", results.chose_rightly),
    ]
    return estimate_table("obedience", rows)
