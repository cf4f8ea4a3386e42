"""`caesura constitution`: read it, check it, and see what it does to replies.

Enters: a file of principles, prompts, a model. Leaves: tables, and a file of steps or preferences. Read
next: `caesura/constitution/principles.py`; docs/constitution.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from caesura.cli.bundled import BUNDLED_NAME
from caesura.cli.evaluate import model_folder, model_name
from caesura.cli.screen import configure_logging, fail, printable, stderr, stdout
from caesura.constitution.asking import Speaker
from caesura.constitution.critics import ClientCritic, Critic, RuleCritic
from caesura.constitution.feedback import (
    Feedback,
    compare_all,
    outcomes,
    preferences_of,
    read_comparisons,
)
from caesura.constitution.judges import Judge, RuleJudge, VotingJudge
from caesura.constitution.principles import Constitution, Principle, load_constitution
from caesura.constitution.prompts import WrittenPrompt, read_prompts
from caesura.constitution.revising import Revising, read_steps, revise_all
from caesura.evals.safety.refusal import is_refusal
from caesura.messages.content import text_of
from caesura.messages.errors import CaesuraError
from caesura.messages.preferences import write_preferences
from caesura.messages.remote import RemoteClient


class ConstitutionAction(Enum):
    """What to do with a constitution."""

    CHECK = "check"
    SHOW = "show"
    REVISE = "revise"
    COMPARE = "compare"


OnDone = Callable[[int, int], None]
# Longer cells would leave no room for their neighbours.
_MAX_CELL = 160
_TEACHER_TOKENS = 512
Work = Callable[[Speaker, OnDone], Coroutine[Any, Any, None]]

_PROMPTS = typer.Argument(help="For revise and compare: JSONL with text, is_harmful, category, answer.")
_FILE = typer.Option("--file", help="The constitution; default the one that comes along.")
_PRINCIPLE = typer.Option(help="For show: the one of this id, in full.")
_MODEL = typer.Option(help="Who answers: a model folder; `nano` is the one that comes along.")
_TEACHER = typer.Option(help="A Messages server whose model criticises or compares, instead of the rules.")
_TEACHER_MODEL = typer.Option(help="The model's name there.")
_TEACHER_KEY = typer.Option(envvar="CAESURA_API_KEY", help="The key there, if any.")
_RULES = typer.Option("--rules", help="Rules criticise or compare. The default without --teacher or --self.")
_SELF = typer.Option("--self", help="The model that answers criticises or compares as well.")
_ROUNDS = typer.Option(min=1, help="For revise: rounds of critique and revision.")
_MAX_TOKENS = typer.Option(min=1, help="Of a reply.")
_OUT = typer.Option(help="Where steps or comparisons go; a run that was stopped goes on there.")
_SEED = typer.Option(help="Of everything that is drawn.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What `revise` and `compare` are told."""

    constitution: Constitution
    prompts: list[WrittenPrompt]
    model: str
    folder: Path
    teacher: str | None
    teacher_model: str
    teacher_key: str | None
    is_self: bool
    num_rounds: int
    max_tokens: int
    out: Path
    seed: int


def constitution(
    action: Annotated[ConstitutionAction, typer.Argument(help="What to do.")] = ConstitutionAction.SHOW,
    prompts: Annotated[Path | None, _PROMPTS] = None,
    file: Annotated[Path | None, _FILE] = None,
    principle: Annotated[str, _PRINCIPLE] = "",
    model: Annotated[str, _MODEL] = BUNDLED_NAME,
    teacher: Annotated[str | None, _TEACHER] = None,
    teacher_model: Annotated[str, _TEACHER_MODEL] = "",
    teacher_key: Annotated[str | None, _TEACHER_KEY] = None,
    rules: Annotated[bool, _RULES] = False,
    self_: Annotated[bool, _SELF] = False,
    rounds: Annotated[int, _ROUNDS] = 4,
    max_tokens: Annotated[int, _MAX_TOKENS] = 96,
    out: Annotated[Path | None, _OUT] = None,
    seed: Annotated[int, _SEED] = 0,
) -> None:
    """Check or show a constitution; have replies criticised and revised, or compared, under it.

    Example: caesura constitution check --file mine.yaml
    Example: caesura constitution show --principle no-harm
    Example: caesura constitution revise prompts.jsonl --rounds 2 --out runs/steps.jsonl
    Example: caesura constitution compare prompts.jsonl --teacher http://127.0.0.1:8000 --teacher-model large
    """
    configure_logging(is_verbose=False)
    try:
        read = load_constitution(file)
        if action is ConstitutionAction.CHECK:
            _check(read, file)
        elif action is ConstitutionAction.SHOW:
            _show(read, principle)
        else:
            check_backend(rules, self_, teacher, teacher_model)
            if prompts is None:
                raise CaesuraError(f"`caesura constitution {action.value}` needs a file of prompts")
            folder = model_folder(model)
            run = _Run(
                constitution=read,
                prompts=list(read_prompts(prompts)),
                model=model_name(folder),
                folder=folder,
                teacher=teacher,
                teacher_model=teacher_model,
                teacher_key=teacher_key,
                is_self=self_,
                num_rounds=rounds,
                max_tokens=max_tokens,
                out=out or Path("runs") / "constitution" / f"{action.value}-{prompts.stem}.jsonl",
                seed=seed,
            )
            (_revise if action is ConstitutionAction.REVISE else _compare)(run)
    except (CaesuraError, ValueError, OSError) as error:
        fail(str(error))


def check_backend(rules: bool, is_self: bool, teacher: str | None, teacher_model: str) -> None:
    """Raises CaesuraError where more than one is to criticise, or a teacher is half named."""
    if rules + is_self + (teacher is not None) > 1:
        raise CaesuraError("--rules, --self and --teacher exclude each other; give one of them")
    if (teacher is not None) != bool(teacher_model):
        raise CaesuraError("--teacher and --teacher-model go together")


def _check(read: Constitution, file: Path | None) -> None:
    name = escape(str(file or "the constitution that comes along"))
    stdout.print(f"[green]{name} is sound:[/] {_facts(read)}", soft_wrap=True)


def _facts(read: Constitution) -> str:
    name, version = escape(printable(read.name)), escape(printable(read.version))
    return f"{name}, version {version}, {len(read.principles)} principles, digest {read.digest[:12]}"


def _show(read: Constitution, principle_id: str) -> None:
    if not principle_id:
        table = Table("id", "kind", "better in", "covers", "the principle", title=_facts(read))
        for each in read.principles:
            table.add_row(each.id, each.kind, each.dimension, _covers(each), escape(printable(each.text)))
        stdout.print(table)
        return
    chosen = read.principle(principle_id)
    table = Table("field", "what it says", title=escape(printable(chosen.title)))
    fields = asdict(chosen) | {"covers": _covers(chosen)}
    for name in (each for each in fields if each != "is_general"):
        value: object = fields[name]
        shown = "\n".join(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else str(value)
        table.add_row(name, escape(printable(shown)))
    stdout.print(table)


def _covers(principle: Principle) -> str:
    return "any" if principle.is_general else ", ".join(principle.covers)


def _revise(run: _Run) -> None:
    async def work(speaker: Speaker, on_done: OnDone) -> None:
        async with _teacher(run, speaker) as teacher:
            critic: Critic = RuleCritic(constitution=run.constitution, is_refusal=is_refusal)
            if teacher is not None:
                critic = ClientCritic(speaker=teacher, backend="self" if run.is_self else run.teacher_model)
            revising = Revising(
                speaker=speaker,
                critic=critic,
                constitution=run.constitution,
                num_rounds=run.num_rounds,
                seed=run.seed,
            )
            await revise_all(revising, run.prompts, run.out, on_done)

    _with_model(run, work)
    table = Table("request", "principle", "before", "what was said", "after")
    num_steps = num_revised = 0
    for revised in read_steps(run.out):
        for step in revised.steps:
            num_steps, num_revised = num_steps + 1, num_revised + step.is_revised
            if step.is_revised:
                cells = (revised.prompt, step.principle_id, step.before, step.critique, step.after)
                table.add_row(*(escape(printable(_short(cell))) for cell in cells))
    stdout.print(table)
    stdout.print(f"{num_revised} of {num_steps} steps changed a reply; all of them are in {run.out}")


def _compare(run: _Run) -> None:
    async def work(speaker: Speaker, on_done: OnDone) -> None:
        async with _teacher(run, speaker) as teacher:
            judge: Judge = RuleJudge(is_refusal=is_refusal)
            if teacher is not None:
                judge = VotingJudge(
                    speaker=teacher, labeler="self, by votes" if run.is_self else run.teacher_model
                )
            feedback = Feedback(
                first=speaker, second=speaker, judge=judge, constitution=run.constitution, seed=run.seed
            )
            await compare_all(feedback, run.prompts, run.out, on_done)

    _with_model(run, work)
    pairs = zip(run.prompts, read_comparisons(run.out), strict=True)
    rows = [row for prompt, compared in pairs for row in preferences_of(compared, prompt)]
    preferences = run.out.with_suffix(".preferences.jsonl")
    write_preferences(preferences, rows)
    table = Table("request", "better in", "p", "chosen", "rejected")
    for row in rows:
        cells = (text_of(row.prompt[-1].content), row.dimension, f"{row.p:.2f}", row.chosen, row.rejected)
        table.add_row(*(escape(printable(_short(cell))) for cell in cells))
    stdout.print(table)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes(run.out).items()))
    stdout.print(f"{counted}; {len(rows)} preferences are in {preferences}")


def _with_model(run: _Run, work: Work) -> None:
    """Do the work with the model in this process, and a bar that shows how far it has come."""
    # Torch takes seconds to import, and reading a constitution needs none of it.
    from caesura.cli.local import local_client

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with local_client({run.model: run.folder}) as client, Progress(*columns, console=stderr) as progress:
        task = progress.add_task(run.model, total=len(run.prompts))

        def on_done(num_done: int, num_total: int) -> None:
            progress.update(task, completed=num_done, total=num_total)

        speaker = Speaker(client=client, model=run.model, max_tokens=run.max_tokens)
        asyncio.run(work(speaker, on_done))


@asynccontextmanager
async def _teacher(run: _Run, speaker: Speaker) -> AsyncGenerator[Speaker | None]:
    """Who criticises or compares; None for the rules."""
    if run.teacher is None:
        yield speaker if run.is_self else None
        return
    async with RemoteClient(run.teacher, run.teacher_key) as client:
        yield Speaker(client=client, model=run.teacher_model, max_tokens=_TEACHER_TOKENS)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_CELL else f"{text[: _MAX_CELL - 3]}..."
