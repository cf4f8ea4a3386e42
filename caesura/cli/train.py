"""`caesura train`: run a recipe, or one stage of it, from wherever it stopped.

Enters: a recipe's name and overrides. Leaves: model folders below the runs folder, and a manifest of what
they were made from. Read next: `caesura/recipes/nano.py`, `caesura/train/manifest.py`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from caesura.cli.extras import needs_extra
from caesura.cli.screen import fail
from caesura.messages.errors import CaesuraError

if TYPE_CHECKING:
    from caesura.train.job import Job, Place
    from caesura.train.manifest import Manifest
    from caesura.train.recipe import Recipe

_RECIPE = typer.Argument(help="A recipe (nano), or one stage of it (nano:nano-sft).")
_ALL = typer.Option("--all", help="Run every stage in order, from text to the aligned model.")
_SET = typer.Option("--set", help="Change a field, e.g. loop.num_steps=100 or nano-sft.packing.seed=7.")
_RUNS = typer.Option(help="Where runs, checkpoints and models go.")
_DATA = typer.Option(help="The data sets' folder; `caesura data` fills one.", envvar="CAESURA_DATA")
_DEVICE = typer.Option(help="cpu, cuda, cuda:1 ...")
_THREADS = typer.Option(help="CPU threads; 0 for as many as there are cores.")


def train(
    recipe: Annotated[str, _RECIPE],
    all_: Annotated[bool, _ALL] = False,
    set_: Annotated[list[str] | None, _SET] = None,
    runs: Annotated[Path, _RUNS] = Path("runs"),
    data: Annotated[Path, _DATA] = Path("data"),
    device: Annotated[str, _DEVICE] = "cpu",
    threads: Annotated[int, _THREADS] = 0,
) -> None:
    """Train a model. Stopped at any moment, the same command goes on from the last checkpoint.

    Example: caesura train nano --all
    """
    # torch takes seconds to import, so only the verbs that need it do.
    import torch

    with needs_extra("train"):
        from caesura.recipes import RECIPES
        from caesura.train.job import Place
        from caesura.train.manifest import Manifest
        from caesura.train.recipe import ensure_tokenizer, override

    console = Console()
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler(console=console)])
    name, _, only = recipe.partition(":")
    if name not in RECIPES:
        raise typer.BadParameter(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    torch.set_num_threads(threads or torch.get_num_threads())
    try:
        chosen = override(RECIPES[name](), set_ or [])
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    stages = [stage for stage in chosen.stages if only in ("", stage.name)]
    known = ", ".join(stage.name for stage in chosen.stages)
    if not stages:
        raise typer.BadParameter(f"recipe {name} has no stage {only!r}; it has {known}")
    if len(stages) > 1 and not all_:
        raise typer.BadParameter(
            f"recipe {name} has {len(stages)} stages: {known}; say --all, or name one, "
            f"e.g. {name}:{stages[0].name}"
        )
    try:
        tokenizer = ensure_tokenizer(chosen, runs=runs, data=data)
        place = Place(runs=runs, data=data, tokenizer=tokenizer, device=device)
        manifest = Manifest(path=runs / name / "manifest.json")
        for stage in stages:
            made = _run(manifest, chosen, stage, place, console)
            console.print(f"[bold]{stage.name}[/]: {made}")
    except (CaesuraError, ValueError, OSError) as error:
        fail(str(error))


def _run(manifest: Manifest, recipe: Recipe, job: Job, place: Place, console: Console) -> Path:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}  {task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(job.name, total=None, note="")

        def on_progress(num_done: int, num_total: int, note: str) -> None:
            progress.update(task, completed=num_done, total=num_total, note=note)

        return manifest.run(recipe, job, place, on_progress)
