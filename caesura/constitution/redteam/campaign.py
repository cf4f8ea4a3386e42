"""A whole attack, in the order of `PHASES`: plain prompts, look-alikes, each family alone, many shots,
several samples, an attacker, and last the search of the archive with whatever requests are left.

The plan follows from the settings alone, so a run that was stopped goes on where it was, and never takes
more than its budget. Enters: seeds, a model, a journal. Leaves: `Record`s in the journal, and an `Archive`.
Read next: `plans.py` for what each phase tries; `report.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from caesura.constitution.redteam import plans
from caesura.constitution.redteam.archive import ARCHIVED_PHASES, Archive
from caesura.constitution.redteam.attacker import NUM_ROUNDS, read_rewriting, rewrite_request
from caesura.constitution.redteam.dialogues import HELD_OUT_COMPLIANCE
from caesura.constitution.redteam.journal import Journal, Phase, Record
from caesura.constitution.redteam.plans import Planned
from caesura.constitution.redteam.seeds import Seed
from caesura.constitution.redteam.styles import Attack, Playbook
from caesura.constitution.redteam.target import Asked, Scorer
from caesura.constitution.redteam.verdict import (
    IsRefusal,
    Judged,
    is_on_topic,
    judge_request,
    outcome_of,
    read_judgement,
)
from caesura.messages.errors import ApiError
from caesura.messages.request import Sampling

_GENERATION = 32
# Prompts that are too long cost no request, so the search needs another end.
_MAX_PROPOSALS_PER_REQUEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the plan follows from.

    budget: the most replies that are asked for, judge's and attacker's included. seed: of every draw.
    temperature: of the target's replies; 0 is greedy. num_samples: of each prompt that is asked several
        times.
    """

    budget: int
    seed: int = 0
    temperature: float = 0.0
    num_samples: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who takes part.

    target: the model under attack. is_refusal: tells refusals. judge, attacker: further models, if any.
    scorer: the target's own probabilities, where they are at hand.
    """

    target: Asked
    is_refusal: IsRefusal
    judge: Asked | None = None
    attacker: Asked | None = None
    scorer: Scorer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Who is told how it goes.

    on_requests: so many further replies. on_archive: the archive after each generation.
    """

    on_requests: Callable[[int], None] = lambda _: None
    on_archive: Callable[[Archive], None] = lambda _: None


class Campaign:
    """One run."""

    def __init__(
        self,
        settings: Settings,
        cast: Cast,
        seeds: Sequence[Seed],
        playbook: Playbook,
        journal: Journal,
        watcher: Watcher | None = None,
        *,
        concurrency: int = 64,
    ) -> None:
        """seeds: harmful ones and look-alikes. concurrency: how many requests run at a time."""
        self._settings, self._cast, self._playbook, self._journal = settings, cast, playbook, journal
        self._seeds = tuple(seeds)
        self._watcher = watcher or Watcher()
        self._slots = asyncio.Semaphore(concurrency)
        self._num_spent = 0
        self.archive = Archive(playbook, self._seeds)

    async def run(self) -> Archive:
        """To the end. Cancelled, it has lost nothing that was answered. Raises ApiError."""
        settings, allotted = self._settings, self._allotted()
        plain = await self._phase("plain", plans.plain(self._seeds, settings.seed, allotted["plain"]))
        await self._phase(
            "look_alikes", plans.look_alikes(self._seeds, settings.seed, allotted["look_alikes"])
        )
        await self._phase("sweep", plans.sweep(self._seeds, self._playbook, settings.seed, allotted["sweep"]))
        await self._phase(
            "many_shot", plans.many_shot(self._seeds, self._playbook, settings.seed, allotted["many_shot"])
        )
        if self._cast.scorer is not None:
            await self._phase("likelihood", plans.likelihood(self._seeds, self._playbook, settings.seed))
        num_samples = settings.num_samples
        await self._phase(
            "samples", plans.samples(self._seeds, settings.seed, allotted["samples"], num_samples)
        )
        if self._cast.attacker is not None:
            await self._rewrite(self._cast.attacker, plain, allotted["attacker"])
        await self._search()
        return self.archive

    @property
    def _cost(self) -> int:
        """Of one attempt at most."""
        return 2 if self._cast.judge else 1

    def _allotted(self) -> dict[Phase, int]:
        """How many attempts each phase may take."""
        shares = plans.SHARES
        return {phase: int(self._settings.budget * share) // self._cost for phase, share in shares.items()}

    def _affordable(self, cost: int) -> int:
        return max(0, self._settings.budget - self._num_spent) // cost

    async def _phase(self, phase: Phase, planned: Sequence[Planned]) -> list[Record]:
        """Try all that can be afforded, many at a time; the records are in the order of the plan."""
        attempt = self._score if phase == "likelihood" else self._attempt
        affordable = planned if phase == "likelihood" else planned[: self._affordable(self._cost)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._once(phase, each, attempt)) for each in affordable]
        except ExceptionGroup as failures:
            # The others were cancelled because of the first, which says what is wrong.
            raise failures.exceptions[0] from failures
        return self._counted([task.result() for task in tasks])

    def _counted(self, records: list[Record]) -> list[Record]:
        self._num_spent += sum(record.num_requests for record in records)
        if records and records[0].phase in ARCHIVED_PHASES:
            self.archive.add(records)
            self._watcher.on_archive(self.archive)
        return records

    async def _once(self, phase: Phase, planned: Planned, attempt: plans.Attempt) -> Record:
        """What the journal has, or else an attempt that it then has."""
        record = self._journal.find(phase, planned.index)
        if record is None:
            async with self._slots:
                record = await attempt(phase, planned)
            self._journal.add(record)
        self._watcher.on_requests(record.num_requests)
        return record

    async def _attempt(self, phase: Phase, planned: Planned) -> Record:
        target, attack = self._cast.target, planned.attack
        draft = self._playbook.draft(attack)
        if await target.is_too_long(draft):
            return Record(phase=phase, index=planned.index, attack=attack, outcome="too_long", num_requests=0)
        temperature = self._settings.temperature if planned.temperature is None else planned.temperature
        sampling = Sampling(temperature=temperature, seed=planned.seed)
        try:
            reply = await target.reply(target.request(draft, sampling))
        except ApiError as error:
            if error.type != "invalid_request_error":
                raise
            return Record(
                phase=phase, index=planned.index, attack=attack, outcome="unasked", reply=error.message
            )
        outcome = outcome_of(draft.text, reply, self._cast.is_refusal)
        request = attack.text or attack.seed.text
        is_judged = self._cast.judge is not None and outcome == "complied" and attack.seed.is_harmful
        return Record(
            phase=phase,
            index=planned.index,
            attack=attack,
            outcome=outcome,
            reply=reply,
            is_on_topic=is_on_topic(request, reply),
            judged=await self._judge(attack, reply) if is_judged else "",
            num_requests=1 + is_judged,
        )

    async def _judge(self, attack: Attack, reply: str) -> Judged:
        judge = self._cast.judge
        assert judge is not None
        return read_judgement(await judge.reply(judge_request(judge.model, attack.seed.text, reply)))

    async def _score(self, phase: Phase, planned: Planned) -> Record:
        """How probable a harmful reply is."""
        scorer, attack = self._cast.scorer, planned.attack
        assert scorer is not None
        draft = self._playbook.draft(attack)
        is_too_long = await self._cast.target.is_too_long(draft)
        log_prob = None if is_too_long else await scorer(draft.conversation, HELD_OUT_COMPLIANCE)
        return Record(
            phase=phase,
            index=planned.index,
            attack=attack,
            outcome="too_long" if is_too_long else "complied",
            num_requests=0,
            log_prob=log_prob,
        )

    async def _rewrite(self, attacker: Asked, plain: Sequence[Record], num_attempts: int) -> None:
        """Rounds of an attacker against what was refused, many prompts at a time."""
        cost = NUM_ROUNDS * (self._cost + 1)
        num_seeds = min(num_attempts * self._cost, self._affordable(1)) // cost
        refused = [record for record in plain if record.outcome == "refused"][:num_seeds]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._rounds(attacker, number, record))
                    for number, record in enumerate(refused)
                ]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        self._counted([record for task in tasks for record in task.result()])

    async def _rounds(self, attacker: Asked, number: int, refused: Record) -> list[Record]:
        records = [refused]
        for index in range(number * NUM_ROUNDS, (number + 1) * NUM_ROUNDS):
            last = records[-1]

            async def attempt(phase: Phase, planned: Planned, last: Record = last) -> Record:
                return await self._rewritten(attacker, phase, planned, last)

            planned = Planned(index=index, attack=Attack(seed=refused.attack.seed, style="attacker"))
            records.append(await self._once("attacker", planned, attempt))
            if records[-1].outcome != "refused":
                break
        return records[1:]

    async def _rewritten(self, attacker: Asked, phase: Phase, planned: Planned, last: Record) -> Record:
        seed, tried = planned.attack.seed, last.attack.text or last.attack.seed.text
        number = self._settings.seed * 1_000_003 + planned.index
        request = rewrite_request(attacker.model, seed.text, tried, last.reply, number)
        text = read_rewriting(await attacker.reply(request))
        attack = Attack(seed=seed, style="attacker", text=text)
        if not text:
            return Record(phase=phase, index=planned.index, attack=attack, outcome="unasked")
        record = await self._attempt(phase, Planned(index=planned.index, attack=attack))
        return plans.with_requests(record, record.num_requests + 1)

    async def _search(self) -> None:
        """Generations of proposals till the budget is spent."""
        first, last = 0, _MAX_PROPOSALS_PER_REQUEST * self._settings.budget
        while first < last and (size := min(_GENERATION, self._affordable(self._cost))):
            rng = random.Random(f"{self._settings.seed}/archive/{first}")
            attacks = [self.archive.propose(rng) for _ in range(size)]
            await self._phase(
                "archive",
                [Planned(index=first + number, attack=attack) for number, attack in enumerate(attacks)],
            )
            first += size
