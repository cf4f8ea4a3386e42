"""One generation: what was asked for, and how far it has come.

Enters: a prompt's ids and the limits. Leaves: integers and plain values that scheduler, phase machine,
sampler and runner read and the engine writes. No tensors, no clocks. Read next: `phases.py`, `scheduler.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from caesura.engine.constraint import FREE, Constraint
from caesura.engine.phases import PhaseState
from caesura.engine.prefix_tree import Node
from caesura.messages.chunks import Source
from caesura.messages.request import Sampling
from caesura.messages.response import Usage
from caesura.tokens.phase_tokens import Opening

Status = Literal["waiting", "running", "finished"]
FinishReason = Literal["end", "tool_use", "max_tokens", "stop_sequence", "window", "cancelled", "failed"]


_LONG_TTL_S = 3600.0


@dataclass(frozen=True, slots=True)
class Retention:
    """A wish to keep a prompt's beginning.

    position: how many of its first tokens.
    ttl_s: for so long after their last use.
    """

    position: int
    ttl_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceRequest:
    """What is asked of the engine.

    prompt: the ids to continue from, at least one.
    opening: how the prompt leaves the reply open (see `ChatFormat.render`).
    is_continued: whether the prompt ends within the reply's own text (a prefill), which goes on.
    max_tokens: the most output tokens: thinking, markers, forced text and end included. 0: the prompt is
        computed and kept for whoever asks next, and nothing is written.
    sampling: how tokens are drawn.
    budget_tokens: the most thinking tokens before the closing text; None: as many as `max_tokens` allows.
    stop_sequences: texts that end the answer.
    constraint: the grammars of its text and its calls, and whether it may call.
    wants_log_probs: whether to record each sampled token's log-probability under the bare model (no
        masks, temperature 1).
    scores_masked: whether that is to be under the mask that held when it was drawn (temperature 1 still):
        for those who learn from samples, and need the distribution that they came from.
    tenant: whose prefixes it shares; nobody else's are ever read.
    retentions: which parts of the prompt are to be kept, and how long.
    sources: what the answer may cite. Where there are any, its text is read for citations.
    """

    prompt: tuple[int, ...]
    opening: Opening = "answer"
    is_continued: bool = False
    max_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    budget_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    constraint: Constraint = FREE
    wants_log_probs: bool = False
    scores_masked: bool = False
    tenant: str = ""
    retentions: tuple[Retention, ...] = ()
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        if not self.prompt:
            raise ValueError("the prompt is empty; it needs at least one token")
        if self.max_tokens < 0:
            raise ValueError(f"max_tokens {self.max_tokens} is below 0")
        if self.budget_tokens is not None and self.budget_tokens < 1:
            raise ValueError(f"budget_tokens {self.budget_tokens} is below 1; to answer at once, open so")
        for retention in self.retentions:
            if not (0 < retention.position <= len(self.prompt) and retention.ttl_s > 0):
                raise ValueError(
                    f"{retention}: position must be from 1 to the prompt's {len(self.prompt)} tokens, "
                    "ttl_s above 0"
                )


@dataclass(slots=True, kw_only=True, eq=False)
class Sequence:
    """A request on its way.

    id: unique within its engine, growing with arrival.
    request: what was asked.
    seed: where its random numbers come from.
    ids: prompt and output so far.
    phase: where the reply stands.
    page_size: tokens a page.
    root: the root key of its tenant. keys: of its full pages, as far as they are known; at least those of
        the prompt.
    num_computed: how many of `ids` have their keys and values in pages; always less than len(ids) until
        it is finished.
    num_once: the most that num_computed has been: what lies below was computed before.
    num_cached: prompt tokens that were at hand when it was first admitted; whole pages.
    num_loadable: pages that follow the computed ones and are to be read from a lower tier.
    pages: the pages that hold them, in order. num_kept: how many of them, from the first on, are in the
        tree. node: the last of these.
    is_forced: for each output token, whether it was forced and not sampled.
    log_probs: for each output token, its log-probability if asked for; 0 where forced.
    status, finish_reason: how far it is, and why it ended.
    arrived_s: when it came into the queue. was_admitted: whether it has ever left it.
    """

    id: int
    request: SequenceRequest
    seed: int
    ids: list[int]
    phase: PhaseState
    page_size: int
    root: bytes = b""
    keys: list[bytes] = field(default_factory=list[bytes])
    num_computed: int = 0
    num_once: int = 0
    num_cached: int = 0
    num_loadable: int = 0
    pages: list[int] = field(default_factory=list[int])
    num_kept: int = 0
    node: Node | None = None
    is_forced: list[bool] = field(default_factory=list[bool])
    log_probs: list[float] = field(default_factory=list[float])
    status: Status = "waiting"
    finish_reason: FinishReason | None = None
    arrived_s: float = 0.0
    was_admitted: bool = False

    @property
    def num_prompt(self) -> int:
        """The prompt's length."""
        return len(self.request.prompt)

    @property
    def num_pending(self) -> int:
        """How many ids are still to be computed."""
        return len(self.ids) - self.num_computed

    @property
    def output(self) -> list[int]:
        """The ids after the prompt."""
        return self.ids[self.num_prompt :]

    @property
    def usage(self) -> Usage:
        """Tokens read and written so far. What counts as stored is the full pages up to the last retention
        that were not at hand. Of a prompt that was given up nothing counts but what was read or computed.
        """
        num_read = self.num_prompt
        if self.finish_reason == "cancelled" and self.num_once < num_read:
            num_read = self.num_once
        is_begun = num_read == self.num_prompt
        lasting = [each for each in self.request.retentions if each.ttl_s >= _LONG_TTL_S]
        created = self._num_created(self.request.retentions, num_read)
        return Usage(
            input_tokens=num_read - self.num_cached - created,
            output_tokens=self.phase.num_output if is_begun else 0,
            thinking_tokens=self.phase.num_thinking if is_begun else 0,
            cache_read_input_tokens=self.num_cached,
            cache_creation_input_tokens=created,
            cache_creation_1h_input_tokens=self._num_created(lasting, num_read),
        )

    def _num_created(self, retentions: Iterable[Retention], num_read: int) -> int:
        last = min(max((each.position for each in retentions), default=0), num_read)
        return max(0, last // self.page_size * self.page_size - self.num_cached)
