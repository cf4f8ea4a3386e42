"""The `caesura` command: one line a verb.

Enters: `sys.argv`. Leaves: an exit code. Nothing heavy is imported until a verb runs. Read next: the file
named like the verb.
"""

from __future__ import annotations

import typer

from caesura.cli.cache import cache
from caesura.cli.chat import chat
from caesura.cli.constitution import constitution
from caesura.cli.data import data
from caesura.cli.evaluate import evaluate
from caesura.cli.keys import keys
from caesura.cli.memory import memory
from caesura.cli.models import models
from caesura.cli.redteam import redteam
from caesura.cli.report import report
from caesura.cli.rewards import rewards
from caesura.cli.serve import serve
from caesura.cli.train import train
from caesura.cli.usage import usage

app = typer.Typer(
    name="caesura",
    help="A model that answers at once, or pauses to think for as many tokens as you allow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command()(serve)
app.command()(chat)
app.command()(models)
app.command()(cache)
app.command()(memory)
app.command()(keys)
app.command()(usage)
app.command()(train)
app.command()(data)
app.command()(constitution)
app.command("eval")(evaluate)
app.command()(redteam)
app.command()(report)
app.command()(rewards)
