"""AI feedback: two replies to a request, compared under principles, as preferences with soft labels.

Every comparison is made in both orders and averaged, so that a judge that favours a place favours nobody.
A judge that reasons first is nearly always sure of itself; what it says is clamped to 40-60 %, since
policies that are trained on certainty drift to extremes. Each dimension gets a row of its own.

Enters: requests, a model or two, a judge, a constitution. Leaves: `comparisons.jsonl`, from which
`preferences_of` makes rows; a run that is killed goes on after the last request that is whole. Read next:
`judges.py`; for the job, `caesura/rl/feedback.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from caesura.constitution.asking import Speaker
from caesura.constitution.critics import MAX_SEED
from caesura.constitution.in_order import in_order
from caesura.constitution.journal import Journal, read_groups
from caesura.constitution.judges import Judge
from caesura.constitution.principles import Constitution, Principle
from caesura.constitution.prompts import Prompt, identity
from caesura.messages.errors import InvalidRequestError
from caesura.messages.preferences import DIMENSIONS, Dimension, Preference

CLAMP = (0.4, 0.6)
# A label nearer to one half than this prefers nothing.
_UNDECIDED = 1e-6
Outcome = Literal["compared", "equal", "empty", "undecided", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """How replies are compared.

    first, second: who writes the two replies; the same model, or another one to compare it with.
    judge: who compares. constitution: the principles.
    dimensions: in what; each gets rows of its own.
    num_principles: how many are drawn for each dimension and averaged; 0: all that bear on the request.
    seed: of principles and replies. max_at_once: requests at a time.
    """

    first: Speaker
    second: Speaker
    judge: Judge
    constitution: Constitution
    dimensions: tuple[Dimension, ...] = DIMENSIONS
    num_principles: int = 0
    seed: int = 0
    max_at_once: int = 64

    def __post_init__(self) -> None:
        if self.num_principles < 0 or self.max_at_once < 1:
            raise ValueError(
                f"num_principles {self.num_principles} must be at least 0 and max_at_once "
                f"{self.max_at_once} at least 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How two replies compare in one dimension.

    p: how probable it is that the first is the better one. principle_ids: under which principles.
    """

    dimension: Dimension
    p: float
    principle_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A request with its two replies.

    prompt, prompt_id: the text of the request, and what tells it apart (`prompts.identity`).
    first, second: the replies. labeler: who compared them. constitution: the digest of the one followed.
    verdicts: none where the replies are equal or empty, or the request could not be asked (`skipped`: why).
    """

    prompt: str
    prompt_id: str
    first: str
    second: str
    labeler: str
    constitution: str
    verdicts: tuple[Verdict, ...]
    skipped: str = ""

    @property
    def outcome(self) -> Outcome:
        """In a word, for counting."""
        if self.skipped:
            return "skipped"
        if not (self.first.strip() and self.second.strip()):
            return "empty"
        if self.first.strip() == self.second.strip():
            return "equal"
        return "compared" if any(_is_decided(each) for each in self.verdicts) else "undecided"


def clamped(p: float) -> float:
    """A reasoned judge's probability, within `CLAMP`."""
    low, high = CLAMP
    return min(max(p, low), high)


async def label(
    judge: Judge,
    principles: Sequence[Principle],
    prompt: Prompt,
    replies: tuple[str, str],
    rng: random.Random,
) -> float:
    """How probable it is that the first reply is the better one, wherever it stands."""
    first, second = replies
    forwards = await judge.prefer(principles, prompt, first, second, rng)
    backwards = await judge.prefer(principles, prompt, second, first, rng)
    p = (forwards + 1 - backwards) / 2
    return clamped(p) if judge.is_reasoned else p


async def compare(feedback: Feedback, numbered: tuple[int, Prompt]) -> Compared:
    """Two replies to one request, compared. Raises ApiError for what is not the request's own fault.

    numbered: the request and its place, so that one that comes twice is answered in other ways.
    """
    number, prompt = numbered
    rng = random.Random(f"{feedback.seed} {number} {prompt.text}")
    first, second = "", ""
    skipped = "a preference holds no system prompt" if prompt.conversation.system else ""
    verdicts: tuple[Verdict, ...] = ()
    try:
        if not skipped:
            first, second = await _replies(feedback, prompt, rng)
        if first and second and first != second:
            verdicts = await verdicts_on(feedback, prompt, (first, second), rng)
    except InvalidRequestError as error:
        skipped = error.message
    return Compared(
        prompt=prompt.text,
        prompt_id=identity(prompt),
        first=first,
        second=second,
        labeler=feedback.judge.labeler,
        constitution=feedback.constitution.digest,
        verdicts=verdicts,
        skipped=skipped,
    )


async def _replies(feedback: Feedback, prompt: Prompt, rng: random.Random) -> tuple[str, str]:
    seeds = [rng.randrange(MAX_SEED) for _ in range(2)]
    speakers = zip((feedback.first, feedback.second), seeds, strict=True)
    asked = [speaker.say(prompt.conversation, seed=seed) for speaker, seed in speakers]
    first, second = await asyncio.gather(*asked)
    return first, second


async def verdicts_on(
    feedback: Feedback, prompt: Prompt, replies: tuple[str, str], rng: random.Random
) -> tuple[Verdict, ...]:
    """One for each dimension in which a principle bears on the request."""
    verdicts: list[Verdict] = []
    for dimension in feedback.dimensions:
        bearing = [each for each in feedback.constitution.bearing_on(prompt) if each.dimension == dimension]
        if not bearing:
            continue
        num_drawn = min(feedback.num_principles or len(bearing), len(bearing))
        drawn = rng.sample(bearing, num_drawn)
        p = await label(feedback.judge, drawn, prompt, replies, rng)
        ids = tuple(each.id for each in drawn)
        verdicts.append(Verdict(dimension=dimension, p=p, principle_ids=ids))
    return tuple(verdicts)


async def compare_all(
    feedback: Feedback,
    prompts: Sequence[Prompt],
    path: Path,
    on_done: Callable[[int, int], None] = lambda *_: None,
) -> None:
    """Compare replies to every request, keeping each in the file; what is there is not done again.

    Raises ValueError if the file belongs to other requests or another constitution, DataError if it is
    damaged, ApiError if a model fails; what was done till then is kept.
    """
    with Journal(path) as journal:
        check_comparisons(path, prompts, feedback.constitution.digest)
        on_done(journal.num_groups, len(prompts))
        rest = list(enumerate(prompts))[journal.num_groups :]
        results = in_order(rest, partial(compare, feedback), max_at_once=feedback.max_at_once)
        async with aclosing(results):
            async for result in results:
                journal.append([asdict(result)])
                on_done(journal.num_groups, len(prompts))


def check_comparisons(path: Path, prompts: Sequence[Prompt], digest: str) -> None:
    """Raises ValueError if what is kept was made of other requests or under another constitution."""
    for number, kept in enumerate(read_comparisons(path)):
        if number >= len(prompts) or identity(prompts[number]) != kept.prompt_id:
            raise ValueError(
                f"{path} belongs to other requests, see number {number}; remove it to begin anew"
            )
        if kept.constitution != digest:
            raise ValueError(
                f"{path} was made under another constitution ({kept.constitution[:12]}, now {digest[:12]}); "
                "remove it to begin anew, or keep its runs apart with --runs"
            )


def read_comparisons(path: Path) -> Iterator[Compared]:
    """What a file of comparisons holds, in order. Raises DataError naming file and line."""
    for (line,) in read_groups(path):
        verdicts = tuple(_verdict(each) for each in line["verdicts"])
        names = ("prompt", "prompt_id", "first", "second", "labeler", "constitution", "skipped")
        yield Compared(verdicts=verdicts, **{name: line[name] for name in names})


def preferences_of(compared: Compared, prompt: Prompt) -> Iterator[Preference]:
    """The rows of a request: one for each dimension in which one of the replies is the better."""
    for verdict in compared.verdicts:
        if not _is_decided(verdict):
            continue
        is_first = verdict.p > 0.5
        chosen, rejected = (
            (compared.first, compared.second) if is_first else (compared.second, compared.first)
        )
        yield Preference(
            prompt=prompt.conversation.turns,
            chosen=chosen,
            rejected=rejected,
            p=verdict.p if is_first else 1 - verdict.p,
            dimension=verdict.dimension,
            principle_id="+".join(verdict.principle_ids),
            labeler=compared.labeler,
            source=prompt.source,
            licence=prompt.licence,
        )


def outcomes(path: Path) -> Counter[Outcome]:
    """How often each came of a comparison."""
    return Counter(each.outcome for each in read_comparisons(path))


def _is_decided(verdict: Verdict) -> bool:
    return abs(verdict.p - 0.5) > _UNDECIDED


def _verdict(fields: dict[str, Any]) -> Verdict:
    ids = tuple(str(each) for each in fields["principle_ids"])
    return Verdict(dimension=fields["dimension"], p=float(fields["p"]), principle_ids=ids)
