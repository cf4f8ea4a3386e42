"""The supervised phase: a model answers, and each answer is criticised and revised in several rounds.

Enters: requests, a helpful model, a critic, a constitution. Leaves: `steps.jsonl`, a line for every round of
every request with the principle, the backend and the constitution's digest; and what is to be learnt from
it. A run that is killed goes on after the last request that is whole. Read next: `critics.py`; for the job
that makes training rows of it, `caesura/rl/revisions.py`.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from caesura.constitution.asking import Speaker
from caesura.constitution.critics import MAX_SEED, Critic
from caesura.constitution.in_order import in_order
from caesura.constitution.journal import Journal, read_groups
from caesura.constitution.principles import Constitution
from caesura.constitution.prompts import Prompt, identity
from caesura.messages.errors import InvalidRequestError

OnDone = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revising:
    """How the rounds go.

    speaker: the model that answers first; a helpful one, which need not be harmless.
    critic: who criticises and revises.
    constitution: the principles.
    num_rounds: of critique and revision a request, each under a principle of its own.
    seed: of principles, replies and wordings. max_at_once: requests at a time.
    """

    speaker: Speaker
    critic: Critic
    constitution: Constitution
    num_rounds: int = 4
    seed: int = 0
    max_at_once: int = 64

    def __post_init__(self) -> None:
        if self.num_rounds < 1 or self.max_at_once < 1:
            raise ValueError(
                f"num_rounds {self.num_rounds} and max_at_once {self.max_at_once} must be at least 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One round of one request.

    number: of the round, from 1. principle_id: under which principle.
    backend: who criticised. constitution: the digest of the one that was followed.
    before, critique, after: the reply, what was said of it, and the reply as it went on.
    """

    number: int
    principle_id: str
    backend: str
    constitution: str
    before: str
    critique: str
    after: str

    @property
    def is_revised(self) -> bool:
        """Whether the reply was changed."""
        return self.before.strip() != self.after.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revised:
    """A request with all its rounds.

    prompt, prompt_id: the text of the request, and what tells it apart (`prompts.identity`).
    steps: the rounds; none where the model could not be asked.
    skipped: why it could not, e.g. because the request is longer than the window; "" otherwise.
    """

    prompt: str
    prompt_id: str
    steps: tuple[Step, ...]
    skipped: str = ""


async def revise(revising: Revising, numbered: tuple[int, Prompt]) -> Revised:
    """Answer one request and revise the answer. Raises ApiError for what is not the request's own fault.

    numbered: the request and its place, so that one that comes twice is answered in two ways.
    """
    number, prompt = numbered
    rng = random.Random(f"{revising.seed} {number} {prompt.text}")
    try:
        reply = await revising.speaker.say(prompt.conversation, seed=rng.randrange(MAX_SEED))
        steps = await _steps(revising, prompt, reply, rng)
    except InvalidRequestError as error:
        return _revised(prompt, skipped=error.message)
    return _revised(prompt, steps)


def _revised(prompt: Prompt, steps: tuple[Step, ...] = (), skipped: str = "") -> Revised:
    return Revised(prompt=prompt.text, prompt_id=identity(prompt), steps=steps, skipped=skipped)


async def _steps(revising: Revising, prompt: Prompt, reply: str, rng: random.Random) -> tuple[Step, ...]:
    steps: list[Step] = []
    principles = revising.constitution.drawn(prompt, revising.num_rounds, rng)
    for number, principle in enumerate(principles, start=1):
        review = await revising.critic.review(principle, prompt, reply, rng)
        step = Step(
            number=number,
            principle_id=principle.id,
            backend=revising.critic.backend,
            constitution=revising.constitution.digest,
            before=reply,
            critique=review.critique,
            after=review.revision,
        )
        steps.append(step)
        reply = review.revision
    return tuple(steps)


async def revise_all(
    revising: Revising, prompts: Sequence[Prompt], path: Path, on_done: OnDone = lambda *_: None
) -> None:
    """Revise every request, keeping each step in the file; what is there already is not done again.

    Raises ValueError if the file belongs to other requests or another constitution, DataError if it is
    damaged, ApiError if a model fails; what was done till then is kept.
    """
    with Journal(path) as journal:
        check_steps(path, prompts, revising.constitution.digest)
        on_done(journal.num_groups, len(prompts))
        rest = list(enumerate(prompts))[journal.num_groups :]
        work = partial(revise, revising)
        async with aclosing(in_order(rest, work, max_at_once=revising.max_at_once)) as results:
            await _keep(results, journal, len(prompts), on_done)


async def _keep(
    results: AsyncGenerator[Revised], journal: Journal, num_prompts: int, on_done: OnDone
) -> None:
    async for result in results:
        journal.append(_lines(result))
        on_done(journal.num_groups, num_prompts)


def check_steps(path: Path, prompts: Sequence[Prompt], digest: str) -> None:
    """Raises ValueError if what is kept was made of other requests or under another constitution."""
    for number, kept in enumerate(read_steps(path)):
        if number >= len(prompts) or identity(prompts[number]) != kept.prompt_id:
            raise ValueError(
                f"{path} belongs to other requests, see number {number}; remove it to begin anew"
            )
        other = next((step.constitution for step in kept.steps if step.constitution != digest), None)
        if other is not None:
            raise ValueError(
                f"{path} was made under another constitution ({other[:12]}, now {digest[:12]}); "
                "remove it to begin anew, or keep its runs apart with --runs"
            )


def read_steps(path: Path) -> Iterator[Revised]:
    """What a file of steps holds, request by request. Raises DataError naming file and line."""
    for lines in read_groups(path):
        steps = (_step(line) for line in lines if "number" in line)
        yield Revised(
            prompt=lines[0]["prompt"],
            prompt_id=lines[0]["prompt_id"],
            steps=tuple(steps),
            skipped=str(lines[0].get("skipped", "")),
        )


def lessons(revised: Revised, *, keeps_upheld: bool) -> Iterable[Step]:
    """What is to be learnt of a request: every step that changed the reply into another.

    keeps_upheld: whether a reply that no round changed counts too; its first step stands for it, whose
        principle says whether to answer at all.
    """
    seen: set[str] = set()
    for step in revised.steps:
        if step.is_revised and step.after.strip() and step.after not in seen:
            seen.add(step.after)
            yield step
    if not seen and keeps_upheld and revised.steps and revised.steps[0].after.strip():
        yield revised.steps[0]


def _lines(revised: Revised) -> list[dict[str, Any]]:
    known = {"prompt": revised.prompt, "prompt_id": revised.prompt_id}
    if not revised.steps:
        return [{**known, "skipped": revised.skipped}]
    return [{**known, **asdict(step)} for step in revised.steps]


def _step(line: dict[str, Any]) -> Step:
    return Step(**{name: line[name] for name in Step.__slots__})
