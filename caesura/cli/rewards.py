"""`caesura rewards`: how good the reward models of a folder of runs are.

Enters: the reports that their training left. Leaves: a Markdown table on standard output. Read next:
`caesura/evals/reward_card.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from caesura.cli.screen import fail
from caesura.evals.reward_card import read_reward_reports, reward_table
from caesura.messages.errors import CaesuraError

_RUNS = typer.Argument(help="The folder of runs.")


def rewards(runs: Annotated[Path, _RUNS] = Path("runs")) -> None:
    """Print accuracy, calibration and length bias of all reward models as a table.

    Example: caesura rewards runs
    """
    try:
        reports = read_reward_reports(runs)
    except CaesuraError as error:
        fail(str(error))
    if not reports:
        fail(f"{runs} holds no report of a reward model; train one first: caesura train preferences --all")
    typer.echo(reward_table(reports), nl=False)
