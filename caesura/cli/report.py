"""`caesura report`: the model card, from results alone.

Enters: the folders that `caesura eval` wrote, and the last line of `make bench`. Leaves: a Markdown page
and its two plots. Read next: `caesura/evals/model_card.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from caesura.cli.extras import needs_extra
from caesura.cli.screen import configure_logging, fail, stderr
from caesura.messages.errors import CaesuraError

_RESULTS = typer.Argument(help="The folder that `caesura eval all` wrote.")
_OUT = typer.Option(help="The page to write; its plots go beside it.")
_CONTROL = typer.Option(help="The results of the control that was trained to answer at once.")
_BEFORE = typer.Option(help="The results of the model that alignment started from.")
_TUNED = typer.Option(help="The results of the model that reinforcement started from.")
_RUNS = typer.Option(help="The runs folder: reports of reward models, the trial of a principle.")
_BENCH = typer.Option(help="A file with the output of `make bench`, or its last line.")


def report(
    results: Annotated[Path, _RESULTS] = Path("runs/evals/nano"),
    out: Annotated[Path, _OUT] = Path("docs/models/nano.md"),
    control: Annotated[Path | None, _CONTROL] = None,
    bench: Annotated[Path | None, _BENCH] = None,
    before: Annotated[Path | None, _BEFORE] = None,
    tuned: Annotated[Path | None, _TUNED] = None,
    runs: Annotated[Path | None, _RUNS] = None,
) -> None:
    """Write the model card from measured results.

    Example: caesura report runs/evals/nano --control runs/evals/nano-fast --bench runs/bench.json
    """
    configure_logging(is_verbose=False)
    with needs_extra("evals"):
        # Plotting and its imports take a second that `--help` should not wait for.
        from caesura.cli.card_files import Sources, write_card

    try:
        sources = Sources(
            results=results, control=control, bench=bench, before=before, tuned=tuned, runs=runs
        )
        write_card(sources, out)
    except CaesuraError as error:
        fail(str(error))
    stderr.print(f"[dim]wrote {out}[/]")
