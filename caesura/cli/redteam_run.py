"""Carries out `caesura redteam`: who answers, who judges, what is shown and written.

Enters: `Options`. Leaves: files in the run's folder. This file imports torch; `redteam.py` imports it only
once it is needed. Read next: `caesura/constitution/redteam/campaign.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import asdict
from typing import NamedTuple

from caesura.cli.dtypes import Loading
from caesura.cli.evaluation import folder_digest
from caesura.cli.local import local_client
from caesura.cli.measuring import progress_bar
from caesura.cli.redteam import Endpoint, Options
from caesura.cli.redteam_plots import plot_grid, plot_many_shot
from caesura.cli.redteam_sets import set_seeds, set_templates
from caesura.cli.redteam_tables import tables
from caesura.cli.screen import stderr, stdout
from caesura.constitution.redteam.archive import Archive, archive_of
from caesura.constitution.redteam.campaign import Campaign, Cast, Settings, Watcher
from caesura.constitution.redteam.findings import write_findings
from caesura.constitution.redteam.journal import Journal, write_whole
from caesura.constitution.redteam.report import Report, make_report
from caesura.constitution.redteam.seeds import Seed, read_seeds, require, seeds_digest
from caesura.constitution.redteam.settings import keep_settings
from caesura.constitution.redteam.styles import Playbook
from caesura.constitution.redteam.target import Asked, Scorer, first_model
from caesura.engine import LocalClient
from caesura.engine.text_model import LocalTexts
from caesura.evals.safety.refusal import is_refusal
from caesura.evals.safety.split import is_for_training
from caesura.evals.statistics import wilson
from caesura.messages.content import Conversation, text_turn
from caesura.messages.remote import RemoteClient
from caesura.messages.texts import TextRequest

_WORDS_OF_JUDGE = 16


class Material(NamedTuple):
    """What a run starts from."""

    seeds: tuple[Seed, ...]
    playbook: Playbook
    templates: tuple[str, ...]


def run_redteam(options: Options) -> None:
    """Attack, then write and show what came out. Raises CaesuraError."""
    material = _material(options)
    is_resumed = keep_settings(options.out / "settings.json", _settings(options, material))
    with Journal(options.out / "attempts.jsonl") as journal:
        if is_resumed and journal.records():
            stderr.print(f"[dim]going on from {len(journal.records())} attempts in {options.out}[/]")
        is_complete = asyncio.run(_attack(options, material, journal))
        records = journal.records()
    archive = archive_of(records, material.playbook, material.seeds)
    report = make_report(
        records,
        archive,
        material.playbook,
        wilson,
        num_samples=options.num_samples,
        is_complete=is_complete,
    )
    num_found = write_findings(options.out, records, material.playbook, is_for_training)
    _write(options, report, archive)
    for table in tables(report, options.name):
        stdout.print(table)
    if not is_complete:
        stderr.print("[yellow]The time was up before the end; the same command goes on from here.[/]")
    stderr.print(f"[dim]{num_found} attacks worked[/]")


def _material(options: Options) -> Material:
    given = set_seeds(options.data) if options.prompts is None else read_seeds(options.prompts)
    seeds = require(given, str(options.prompts or options.data))
    templates = set_templates(options.data)
    return Material(seeds, Playbook(seeds, templates), templates)


def _settings(options: Options, material: Material) -> dict[str, object]:
    """What decides the plan and the replies. The time limit does not, nor who else is computed with."""
    return {
        "model": options.name,
        "model_digest": folder_digest(options.folder) if options.folder else "",
        "base_url": options.endpoint.url if options.endpoint else "",
        "judge": _name(options.judge),
        "attacker": _name(options.attacker),
        "prompts_digest": seeds_digest(material.seeds),
        "num_templates": len(material.templates),
        "num_styles": len(material.playbook.styles),
        "budget": options.budget,
        "seed": options.seed,
        "temperature": options.temperature,
        "num_samples": options.num_samples,
        "max_tokens": options.max_tokens,
        "dtype": options.dtype.value,
    }


def _name(endpoint: Endpoint | None) -> str:
    return f"{endpoint.url} {endpoint.model or ''}".strip() if endpoint else ""


async def _attack(options: Options, material: Material, journal: Journal) -> bool:
    """Run the campaign; returns whether it came to its end in time."""
    settings = Settings(
        budget=options.budget,
        seed=options.seed,
        temperature=options.temperature,
        num_samples=options.num_samples,
    )
    with progress_bar("red team", options.budget) as advance:

        def keep(archive: Archive) -> None:
            write_whole(options.out / "archive.json", archive.to_json())

        try:
            async with asyncio.timeout(options.limit_s), _cast(options) as cast:
                campaign = Campaign(
                    settings,
                    cast,
                    material.seeds,
                    material.playbook,
                    journal,
                    Watcher(on_requests=advance, on_archive=keep),
                    concurrency=options.concurrency,
                )
                await campaign.run()
        except TimeoutError:
            return False
    return True


@asynccontextmanager
async def _cast(options: Options) -> AsyncGenerator[Cast]:
    """Everyone who takes part; connections and engines are closed on the way out."""
    async with AsyncExitStack() as stack:
        scorer: Scorer | None = None
        if options.folder is not None:
            stderr.print(f"[dim]loading {options.folder} ...[/]")
            client = stack.enter_context(
                local_client(
                    {options.name: options.folder},
                    num_threads=options.num_threads,
                    loading=Loading(dtype=options.dtype),
                )
            )
            scorer = _scorer(client, stack.enter_context(closing(LocalTexts(client))), options.name)
            target = await first_model(client, options.name, max_tokens=options.max_tokens)
        else:
            assert options.endpoint is not None
            target = await _remote(stack, options.endpoint, options.max_tokens)
        yield Cast(
            target=target,
            is_refusal=is_refusal,
            judge=await _remote(stack, options.judge, _WORDS_OF_JUDGE) if options.judge else None,
            attacker=await _remote(stack, options.attacker, options.max_tokens) if options.attacker else None,
            scorer=scorer,
        )


async def _remote(stack: AsyncExitStack, endpoint: Endpoint, max_tokens: int) -> Asked:
    client = await stack.enter_async_context(RemoteClient(endpoint.url, endpoint.api_key))
    return await first_model(client, endpoint.model, max_tokens=max_tokens)


def _scorer(client: LocalClient, texts: LocalTexts, model: str) -> Scorer:
    """How probable the model finds a reply's tokens, on average."""
    loaded = client.loaded(model)

    async def score(conversation: Conversation, reply: str) -> float:
        turns = (*conversation.turns, text_turn("assistant", reply))
        with_reply = Conversation(turns=turns, system=conversation.system)
        prompt = loaded.chat_format.render(conversation, opening="answer").ids
        whole = loaded.chat_format.render(with_reply, opening="answer").ids
        request = TextRequest(model=model, prompt=tuple(whole), max_tokens=0)
        scored = (await texts.score(request, 0)).tokens[len(prompt) :]
        values = [token.log_prob for token in scored if token.log_prob is not None]
        return sum(values) / len(values)

    return score


def _write(options: Options, report: Report, archive: Archive) -> None:
    write_whole(options.out / "report.json", json.dumps(asdict(report), indent=2) + "\n")
    write_whole(options.out / "archive.json", archive.to_json())
    plot_many_shot(options.out / "many_shot.png", report)
    plot_grid(options.out / "archive.png", archive)
