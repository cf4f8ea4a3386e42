"""Replies sampled from our own engine, in this process, with what learning from them takes.

The ids and log-probabilities that were drawn are those that are trained on: nothing is rendered or encoded
anew. A log-probability is that of the distribution that was drawn from, the phase's mask included, and the
mask of every token is noted, so that the trainer can score the same distribution. Tokens that were forced
(closing text, markers) are noted as such and never learnt.

At every sync the engine takes over the trainer's weights and begins with pages of its own: keys and values
of older weights can be found by nobody. Its clock only counts, so equal seeds give equal rollouts however
busy the machine is. Enters: `Ask`s. Leaves: `Rollout`s, in order. Read next: `policy.py`, which scores them
again; `grpo.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch

from caesura.engine.core import EngineCore, Finished
from caesura.engine.loading import LoadedModel
from caesura.engine.pages import PAGE_SIZE_CPU, PAGE_SIZE_CUDA, PagePool
from caesura.engine.phases import ANSWER_RESERVE, PhaseMachine, phase_machine
from caesura.engine.plain_store import PlainStore
from caesura.engine.prefix_cache import PrefixCache
from caesura.engine.runner import Runner
from caesura.engine.sampler import MaskName, MaskTable, uniform
from caesura.engine.scheduler import SchedulerConfig
from caesura.engine.sequence import FinishReason, SequenceRequest
from caesura.messages.content import Conversation
from caesura.messages.errors import CaesuraError
from caesura.messages.request import Sampling
from caesura.model import Transformer
from caesura.tokens.phase_tokens import Opening

Mode = Literal["disabled", "enabled", "adaptive"]
_OPENINGS: dict[Mode, Opening] = {"disabled": "answer", "enabled": "think", "adaptive": "choose"}
# Nobody waits for a token here, so prompts need not be held back for the sake of others.
_NO_HURRY_S = 1e9
# The fewest output tokens with which a choice is left at all.
_CHOOSING = 3
_CHOSEN: tuple[MaskName, ...] = ("choose",)
# A temperature at which the two openings are equally likely.
_EVEN = 1e6


class RolloutError(CaesuraError):
    """A reply that was to be learnt from could not be computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One reply that is wanted.

    id: unique among those asked together; the rollout's, too.
    conversation: what is to be replied to.
    mode: how thinking is set. budget: the most thinking tokens before the closing text; 0 where the mode
        is "disabled".
    seed: of the draws.
    temperature: 1 to learn from, 0 to measure.
    opening: of a mode that leaves the choice, one that is chosen from outside, to try it: it is learnt from
        as if it had been drawn. None: it is drawn.
    """

    id: str
    conversation: Conversation
    mode: Mode
    budget: int
    seed: int
    temperature: float = 1.0
    opening: Literal["think", "answer"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One reply, with what learning from it takes.

    id, mode, budget: see `Ask`.
    ids: prompt and reply. prompt_length: how many of them are the prompt.
    is_sampled: for each id of the reply, whether it was drawn (or tried), and not forced.
    is_tried: whether its first id was chosen from outside.
    log_probs: for each, under the distribution that it was drawn from; 0 where forced.
    masks: for each, what could be drawn in its place.
    thinking_tokens: inside the thought, closing text included.
    has_thought: whether it opened with a thought. is_cut: whether that was ended by force.
    finish: why it ended. text: the answer.
    """

    id: str
    mode: Mode
    budget: int
    ids: tuple[int, ...]
    prompt_length: int
    is_sampled: tuple[bool, ...]
    log_probs: tuple[float, ...]
    masks: tuple[MaskName, ...]
    thinking_tokens: int
    has_thought: bool
    is_cut: bool
    is_tried: bool
    finish: FinishReason
    text: str

    @property
    def reply(self) -> tuple[int, ...]:
        """The ids after the prompt."""
        return self.ids[self.prompt_length :]

    @property
    def num_sampled(self) -> int:
        """How many ids are learnt from."""
        return sum(self.is_sampled)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutConfig:
    """The engine's limits.

    max_running: replies at a time. max_step_tokens: the most tokens in a step. num_pages: of the pool.
    """

    max_running: int = 128
    max_step_tokens: int = 1024
    num_pages: int = 4096


class RolloutEngine:
    """An engine that takes over weights, and samples. It runs on the caller's thread."""

    def __init__(self, loaded: LoadedModel, config: RolloutConfig) -> None:
        """loaded: weights of the engine's own, in the trainer's dtype; they are overwritten at each sync."""
        self._model, self._format, self._config = loaded.model, loaded.chat_format, config
        self._tokenizer = loaded.tokenizer
        weight = loaded.model.embed_tokens.weight
        self._page_size = PAGE_SIZE_CUDA if weight.device.type == "cuda" else PAGE_SIZE_CPU
        self._store = PlainStore(
            loaded.model.config,
            num_pages=config.num_pages,
            page_size=self._page_size,
            dtype=weight.dtype,
            device=weight.device,
        )
        self._runner = Runner(loaded.model, self._store)
        self.table = MaskTable.build(
            loaded.chat_format.phase_tokens,
            num_words=loaded.tokenizer.vocab_size,
            vocab_size=loaded.model.config.vocab_size,
            device=weight.device,
        )
        self._num_syncs = 0
        self._core = self._fresh_core()

    @torch.no_grad()
    def sync(self, policy: Transformer) -> None:
        """Take over the trainer's weights. Pages of the former ones are nobody's any more."""
        for ours, theirs in zip(self._model.parameters(), policy.parameters(), strict=True):
            ours.copy_(theirs)
        self._num_syncs += 1
        self._core = self._fresh_core()

    def sample(self, asks: Sequence[Ask]) -> list[Rollout]:
        """A reply to each, in order. Raises InvalidRequestError for a prompt that leaves no room for one,
        RolloutError for one that cannot be computed: weights that are no numbers give no reply.
        """
        openings = self._tried(asks)
        finished = self._run([self._request(ask) for ask in asks])
        return [
            self._rollout(ask, request.prompt, end, opening)
            for ask, (request, end), opening in zip(asks, finished, openings, strict=True)
        ]

    def _fresh_core(self) -> EngineCore:
        config = self._config
        cache = PrefixCache(PagePool(config.num_pages, self._page_size), self._store)
        ticks = itertools.count()
        return EngineCore(
            self._runner,
            cache,
            self._format,
            self.table,
            max_positions=self._model.config.max_positions,
            config=SchedulerConfig(
                max_running=config.max_running,
                max_step_tokens=config.max_step_tokens,
                target_step_s=_NO_HURRY_S,
                max_stretch=_NO_HURRY_S,
            ),
            identity=self._num_syncs.to_bytes(8, "little"),
            clock=lambda: next(ticks) / 1000,
        )

    def _request(self, ask: Ask, *, opening: Opening | None = None, max_tokens: int = 0) -> SequenceRequest:
        opening = opening or ask.opening or _OPENINGS[ask.mode]
        prompt = self._format.render(ask.conversation, opening=opening)
        has_budget = opening != "answer"
        return SequenceRequest(
            prompt=prompt.ids,
            opening=opening,
            max_tokens=max_tokens or max_output(ask, len(self._format.phase_tokens.closing)),
            budget_tokens=ask.budget if has_budget else None,
            sampling=Sampling(temperature=ask.temperature, seed=ask.seed),
            wants_log_probs=True,
            scores_masked=True,
        )

    def _run(self, requests: Sequence[SequenceRequest]) -> list[tuple[SequenceRequest, Finished]]:
        """The longest first, so that the last step is not one row's."""
        order = sorted(range(len(requests)), key=lambda index: -requests[index].max_tokens)
        numbers: dict[int, int] = {}
        for index in order:
            prepared = self._core.prepare(requests[index])
            numbers[prepared.sequence.id] = index
            self._core.add(prepared)
        ends: dict[int, Finished] = {}
        while self._core.has_work:
            for report in self._core.step():
                if report.finished is not None:
                    ends[numbers[report.sequence]] = report.finished
        if any(end.reason == "failed" for end in ends.values()):
            raise RolloutError(
                "a reply could not be computed: the weights, or what they give, are no numbers"
            )
        return [(request, ends[index]) for index, request in enumerate(requests)]

    def _tried(self, asks: Sequence[Ask]) -> list[_Tried | None]:
        """For each opening that is tried, how likely the model would have drawn it.

        A request that chooses draws nothing but that token, so hot that either is as likely and the seed
        decides; its log-probability is told at temperature 1 all the same.
        """
        tokens = self._format.phase_tokens
        wanted: dict[tuple[Conversation, Opening], SequenceRequest] = {}
        for ask in asks:
            if ask.opening is not None and (ask.conversation, ask.opening) not in wanted:
                request = self._request(ask, opening="choose", max_tokens=_CHOOSING)
                token, other = (tokens.think, tokens.end_think)[:: 1 if ask.opening == "think" else -1]
                sampling = Sampling(temperature=_EVEN, seed=_seed_that_draws_first(token < other))
                wanted[ask.conversation, ask.opening] = replace(request, sampling=sampling)
        ends = [end for _, end in self._run(list(wanted.values()))]
        known = {key: _Tried(end.output[0], end.log_probs[0]) for key, end in zip(wanted, ends, strict=True)}
        return [None if ask.opening is None else known[ask.conversation, ask.opening] for ask in asks]

    def _rollout(self, ask: Ask, prompt: tuple[int, ...], end: Finished, tried: _Tried | None) -> Rollout:
        opening = ask.opening or _OPENINGS[ask.mode]
        machine = phase_machine(
            self._format.phase_tokens,
            budget_tokens=ask.budget if opening != "answer" else None,
            max_tokens=max_output(ask, len(self._format.phase_tokens.closing)),
        )
        steps = list(_walk(machine, opening, end))
        answer = [each.token for each in steps if each.mask in ("start", "answer") and not each.is_forced]
        is_sampled = tuple(not each.is_forced for each in steps)
        masks: tuple[MaskName, ...] = tuple(each.mask for each in steps)
        length, log_probs = len(prompt), end.log_probs
        if tried is not None:
            # The prompt was rendered with the opening; here it is the reply's first token.
            length, log_probs = length - 1, (tried.log_prob, *log_probs)
            is_sampled, masks = (True, *is_sampled), _CHOSEN + masks
        has_thought = opening == "think" or (
            opening == "choose" and self._format.phase_tokens.think in end.output[:1]
        )
        return Rollout(
            id=ask.id,
            mode=ask.mode,
            budget=ask.budget,
            ids=(*prompt, *end.output),
            prompt_length=length,
            is_sampled=is_sampled,
            log_probs=log_probs,
            masks=masks,
            thinking_tokens=end.usage.thinking_tokens,
            has_thought=has_thought,
            is_cut=has_thought and any(each.is_forced for each in steps),
            is_tried=tried is not None,
            finish=end.reason,
            text=self._tokenizer.decode(answer).strip(),
        )


class _Tried(NamedTuple):
    """An opening that was chosen from outside, and its log-probability."""

    token: int
    log_prob: float


class _Step(NamedTuple):
    """An id of a reply, the mask that held, and whether it was forced."""

    token: int
    mask: MaskName
    is_forced: bool


def max_output(ask: Ask, num_closing: int) -> int:
    """The budgets are separate: the answer has its reserve, however long the thought was. A thought takes
    its budget, the closing text and its markers, of which one is drawn where the model chooses.
    """
    if ask.mode == "disabled" or ask.opening == "answer":
        return ANSWER_RESERVE
    num_markers = 2 if ask.mode == "adaptive" and ask.opening is None else 1
    return ask.budget + num_closing + num_markers + ANSWER_RESERVE


def _seed_that_draws_first(is_first: bool) -> int:
    """A seed whose first number is on the lower, or the upper, side of a half, and not near it."""
    return next(
        seed for seed in itertools.count() if (uniform(seed, 0) < 0.5) is is_first and _is_clear(seed)
    )


def _is_clear(seed: int) -> bool:
    return abs(uniform(seed, 0) - 0.5) > 0.2


def _walk(machine: PhaseMachine, opening: Opening, end: Finished) -> Iterator[_Step]:
    """The phase machine once more, over what came out."""
    state = machine.begin(opening).state
    for token, is_forced in zip(end.output, end.is_forced, strict=True):
        if is_forced:
            yield _Step(token, "think", is_forced)
            continue
        yield _Step(token, machine.mask(state.phase), is_forced)
        state = machine.advance(state, token).state
