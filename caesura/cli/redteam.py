"""`caesura redteam`: attack a model, and write down what it should have refused.

Enters: a model, prompts, a budget. Leaves: a report, two plots, the archive, and the prompts that worked, in
a folder, and a table on the screen. Read next: `redteam_run.py`, which runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from caesura.cli.bundled import BUNDLED_NAME
from caesura.cli.dtypes import Dtype
from caesura.cli.evaluate import model_folder, model_name
from caesura.cli.extras import needs_extra
from caesura.cli.screen import configure_logging, fail, stderr
from caesura.messages.errors import CaesuraError

_MODEL = typer.Argument(help="A model folder; a name with --base-url; `nano` is the one that comes along.")
_DATA = typer.Option(envvar="CAESURA_DATA", help="The data sets' folder: training parts of the safety sets.")
_PROMPTS = typer.Option(
    help="JSONL of prompts instead: text, is_harmful, category. Harmless rows are look-alikes."
)
_BUDGET = typer.Option(min=1, help="The most replies that are asked for, judge's and attacker's included.")
_MINUTES = typer.Option(min=0.01, help="When to stop; run again, it goes on from there.")
_SEED = typer.Option(help="Of every draw.")
_OUT = typer.Option(help="Where the results go; default runs/redteam/NAME.")
_URL = typer.Option(help="A Messages server to attack instead; only with the leave of whoever runs it.")
_KEY = typer.Option(envvar="CAESURA_API_KEY", help="Its key, if any.")
_JUDGE = typer.Option(help="A Messages server whose model says which replies give what was asked for.")
_JUDGE_MODEL = typer.Option(help="Which model there; the first, unless given.")
_JUDGE_KEY = typer.Option(envvar="CAESURA_JUDGE_KEY", help="The judge's key, if any.")
_ATTACKER = typer.Option(help="A Messages server whose model rewrites what was refused.")
_ATTACKER_MODEL = typer.Option(help="Which model there; the first, unless given.")
_ATTACKER_KEY = typer.Option(envvar="CAESURA_ATTACKER_KEY", help="The attacker's key, if any.")
_TEMPERATURE = typer.Option(min=0.0, max=1.0, help="Of the replies; 0 is greedy, and makes runs repeatable.")
_SAMPLES = typer.Option(min=1, max=64, help="Of each prompt that is asked several times, at temperature 1.")
_MAX_TOKENS = typer.Option(min=1, help="Of a reply.")
_CONCURRENCY = typer.Option(min=1, help="Requests at a time.")
_THREADS = typer.Option(min=1, help="Threads to compute with.")
_DTYPE = typer.Option(help="How weights are kept; with others than float32, equal runs may differ.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A Messages server.

    url: where. model: which of its models; None for the first. api_key: None where none is needed.
    """

    url: str
    model: str | None
    api_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One call of `caesura redteam`; `folder` or `endpoint` is the target, the other is None."""

    folder: Path | None
    endpoint: Endpoint | None
    judge: Endpoint | None
    attacker: Endpoint | None
    name: str
    data: Path
    prompts: Path | None
    budget: int
    limit_s: float
    seed: int
    temperature: float
    num_samples: int
    max_tokens: int
    concurrency: int
    num_threads: int | None
    dtype: Dtype
    out: Path


def redteam(
    model: Annotated[str, _MODEL] = BUNDLED_NAME,
    data: Annotated[Path, _DATA] = Path("data"),
    prompts: Annotated[Path | None, _PROMPTS] = None,
    budget: Annotated[int, _BUDGET] = 500,
    minutes: Annotated[float, _MINUTES] = 30.0,
    seed: Annotated[int, _SEED] = 0,
    out: Annotated[Path | None, _OUT] = None,
    base_url: Annotated[str | None, _URL] = None,
    api_key: Annotated[str | None, _KEY] = None,
    judge: Annotated[str | None, _JUDGE] = None,
    judge_model: Annotated[str | None, _JUDGE_MODEL] = None,
    judge_key: Annotated[str | None, _JUDGE_KEY] = None,
    attacker: Annotated[str | None, _ATTACKER] = None,
    attacker_model: Annotated[str | None, _ATTACKER_MODEL] = None,
    attacker_key: Annotated[str | None, _ATTACKER_KEY] = None,
    temperature: Annotated[float, _TEMPERATURE] = 0.0,
    samples: Annotated[int, _SAMPLES] = 8,
    max_tokens: Annotated[int, _MAX_TOKENS] = 96,
    concurrency: Annotated[int, _CONCURRENCY] = 64,
    threads: Annotated[int | None, _THREADS] = None,
    dtype: Annotated[Dtype, _DTYPE] = Dtype.FLOAT32,
) -> None:
    """Attack a model of yours: which harmful requests it answers, and which harmless ones it refuses.

    Example: caesura redteam nano --data data --budget 500 --seed 0 --out runs/redteam/nano
    """
    configure_logging(is_verbose=False)
    try:
        folder = None if base_url else model_folder(model)
        name = model if folder is None else model_name(folder)
        options = Options(
            folder=folder,
            endpoint=Endpoint(url=base_url, model=model, api_key=api_key) if base_url else None,
            judge=endpoint("judge", judge, judge_model, judge_key),
            attacker=endpoint("attacker", attacker, attacker_model, attacker_key),
            name=name,
            data=data,
            prompts=prompts,
            budget=budget,
            limit_s=60 * minutes,
            seed=seed,
            temperature=temperature,
            num_samples=samples,
            max_tokens=max_tokens,
            concurrency=concurrency,
            num_threads=threads,
            dtype=dtype,
            out=out or Path("runs") / "redteam" / name.replace("/", "-"),
        )
        with needs_extra("train,evals"):
            # Torch and matplotlib take seconds to import, and `--help` should not wait for them.
            from caesura.cli.redteam_run import run_redteam

        run_redteam(options)
    except CaesuraError as error:
        fail(str(error))
    stderr.print(f"[dim]results in {options.out}; what worked: {options.out}/successes.jsonl[/]")


def endpoint(option: str, url: str | None, model: str | None, api_key: str | None) -> Endpoint | None:
    """A further server, if one is named. Raises CaesuraError for a model without one."""
    if url is None and model is not None:
        raise CaesuraError(f"--{option}-model {model} needs --{option} URL")
    return None if url is None else Endpoint(url=url, model=model, api_key=api_key)
