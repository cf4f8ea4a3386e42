"""`caesura eval`: measure a model and write down what came out.

Enters: a suite's name, a model, limits. Leaves: JSON results, every attempt, inspect-ai's logs and plots in
a folder, and a table on the screen. Read next: `suites.py`, which runs them; `report.py`, which turns the
folder into a model card.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from caesura.cli.bundled import BUNDLED_NAME, bundled_folder
from caesura.cli.dtypes import Dtype, KVDtype
from caesura.cli.evaluation import Evaluation
from caesura.cli.extras import needs_extra
from caesura.cli.screen import configure_logging, fail, stderr
from caesura.messages.errors import CaesuraError

DEFAULT_BUDGETS = "0,16,32,64,128,256,512,1024"


class Suite(StrEnum):
    """What can be measured."""

    REASONING = "reasoning"
    PADDING = "padding"
    OBEDIENCE = "obedience"
    LANGUAGE = "language"
    TOOLS = "tools"
    SAFETY = "safety"
    ALL = "all"


_SUITE = typer.Argument(
    help="reasoning: accuracy over thinking budgets. padding: filler instead of thinking. obedience: modes "
    "and budgets. language: minimal pairs and bits per byte. tools: calls and records as JSON. safety: "
    "what is declined. all: one after the other."
)
_MODEL = typer.Option(help="A model folder; a name with --base-url; `nano` is the one that comes along.")
_BUDGETS = typer.Option(help="Thinking budgets in tokens, separated by commas; 0 answers at once.")
_PROBLEMS = typer.Option(min=1, help="Problems of each family and seed.")
_SEEDS = typer.Option(min=1, help="How many seeds draw problems.")
_URL = typer.Option(help="A Messages server to ask instead; for reasoning, obedience, tools and safety.")
_KEY = typer.Option(envvar="CAESURA_API_KEY", help="Its key, if any.")
_OUT = typer.Option(help="Where the results go; default runs/evals/NAME.")
_DATA = typer.Option(envvar="CAESURA_DATA", help="The data sets' folder, for language, tools and safety.")
_RUN = typer.Option(help="The training run's folder, for the report; found where the model lies in one.")
_CONNECTIONS = typer.Option(min=1, help="Requests at a time.")
_KV_DTYPE = typer.Option(help="How keys and values are kept; the language suite keeps none.")
_THREADS = typer.Option(min=1, help="Threads to compute with.")


def evaluate(
    suite: Annotated[Suite, _SUITE] = Suite.ALL,
    model: Annotated[str, _MODEL] = BUNDLED_NAME,
    budgets: Annotated[str, _BUDGETS] = DEFAULT_BUDGETS,
    problems: Annotated[int, _PROBLEMS] = 20,
    seeds: Annotated[int, _SEEDS] = 3,
    base_url: Annotated[str | None, _URL] = None,
    api_key: Annotated[str | None, _KEY] = None,
    out: Annotated[Path | None, _OUT] = None,
    data: Annotated[Path, _DATA] = Path("data"),
    run: Annotated[Path | None, _RUN] = None,
    connections: Annotated[int, _CONNECTIONS] = 128,
    threads: Annotated[int | None, _THREADS] = None,
    dtype: Annotated[Dtype, typer.Option(help="How weights are kept.")] = Dtype.AUTO,
    kv_dtype: Annotated[KVDtype, _KV_DTYPE] = KVDtype.AUTO,
) -> None:
    """Measure a model: accuracy over thinking budgets, obedience, language, tools.

    Example: caesura eval reasoning --model runs/nano-sft/model --budgets 0,64,1024 --problems 10
    """
    configure_logging(is_verbose=False)
    try:
        folder = None if base_url else model_folder(model)
        name = model if folder is None else model_name(folder)
        suites = chosen_suites(suite, is_remote=folder is None)
        check_kv_dtype(kv_dtype, suites, is_remote=folder is None)
        evaluation = Evaluation(
            suites=suites,
            model=name,
            source=model,
            folder=folder,
            run_folder=run or found_run(folder),
            base_url=base_url,
            api_key=api_key,
            budgets=parse_budgets(budgets),
            num_problems=problems,
            num_seeds=seeds,
            out=out or Path("runs") / "evals" / name.replace("/", "-"),
            data=data,
            max_connections=connections,
            num_threads=threads,
            dtype=dtype,
            kv_dtype=kv_dtype,
        )
        with needs_extra("train,evals"):
            # Torch and inspect-ai take seconds to import, and `--help` should not wait for them.
            from caesura.cli.suites import run_suites

        run_suites(evaluation)
    except CaesuraError as error:
        fail(str(error))
    stderr.print(f"[dim]results in {evaluation.out}; logs: inspect view --log-dir {evaluation.out}/logs[/]")


def chosen_suites(suite: Suite, *, is_remote: bool) -> tuple[str, ...]:
    """What is to be run; `all` leaves out what cannot be. Raises CaesuraError for a suite that cannot."""
    # A server shows its model only thoughts that it signed itself, so it would not pass filler on; and it
    # tells nobody its probabilities.
    possible = [each for each in Suite if not is_remote or each not in (Suite.PADDING, Suite.LANGUAGE)]
    if suite not in possible:
        raise CaesuraError(f"{suite} needs the model in this process; give a folder and no --base-url")
    return tuple(each.value for each in possible if each is not Suite.ALL and suite in (each, Suite.ALL))


def check_kv_dtype(kv_dtype: KVDtype, suites: tuple[str, ...], *, is_remote: bool) -> None:
    """Raises CaesuraError where the option would change nothing."""
    if kv_dtype is KVDtype.AUTO:
        return
    if is_remote:
        raise CaesuraError(
            "--kv-dtype is up to the server; give it to caesura serve, and leave it out beside --base-url"
        )
    if suites == (Suite.LANGUAGE,):
        raise CaesuraError("--kv-dtype changes nothing in the language suite; leave it out")


def parse_budgets(words: str) -> tuple[int, ...]:
    """`0,16,...` as ascending numbers. Raises CaesuraError naming the one that is wrong."""
    budgets: set[int] = set()
    for word in words.split(","):
        if not word.strip().isdecimal():
            raise CaesuraError(
                f"--budgets takes whole numbers separated by commas, not `{word}` in `{words}`"
            )
        budgets.add(int(word))
    return tuple(sorted(budgets))


def model_folder(model: str) -> Path:
    """The folder that a name or a path stands for. Raises CaesuraError where there is none."""
    folder = bundled_folder() if model == BUNDLED_NAME else Path(model).expanduser()
    if not folder.is_dir():
        raise CaesuraError(f"--model {model}: there is no folder {folder}; name a folder, or give --base-url")
    return folder


def model_name(folder: Path) -> str:
    """A short name: the folder's own, or its run's where it is just called `model`."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == "model" else folder.name


def found_run(folder: Path | None) -> Path | None:
    """The training run that a model folder lies in, if it does."""
    if folder is None or not (folder.resolve().parent / "recipe.json").is_file():
        return None
    return folder.resolve().parent
