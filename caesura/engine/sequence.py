"""One generation: what was asked for, and how far it has come.

Enters: a prompt's ids and the limits. Leaves: integers and plain values that scheduler, phase machine,
sampler and runner read and the engine writes. No tensors, no clocks. Read next: `phases.py`, `scheduler.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from caesura.engine.phases import PhaseState
from caesura.messages.request import Sampling
from caesura.messages.response import Usage
from caesura.tokens.phase_tokens import Opening

Status = Literal["waiting", "running", "finished"]
FinishReason = Literal["end", "max_tokens", "stop_sequence", "window", "cancelled", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceRequest:
    """What is asked of the engine.

    prompt: the ids to continue from, at least one.
    opening: how the prompt leaves the reply open (see `ChatFormat.render`).
    max_tokens: the most output tokens, at least 1: thinking, markers, forced text and end included.
    sampling: how tokens are drawn.
    budget_tokens: the most thinking tokens before the closing text; None: as many as `max_tokens` allows.
    stop_sequences: texts that end the answer.
    wants_log_probs: whether to record each sampled token's log-probability under the bare model (no
        masks, temperature 1).
    """

    prompt: tuple[int, ...]
    opening: Opening = "answer"
    max_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    budget_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    wants_log_probs: bool = False

    def __post_init__(self) -> None:
        if not self.prompt:
            raise ValueError("the prompt is empty; it needs at least one token")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens {self.max_tokens} is below 1")
        if self.budget_tokens is not None and self.budget_tokens < 1:
            raise ValueError(f"budget_tokens {self.budget_tokens} is below 1; to answer at once, open so")


@dataclass(slots=True, kw_only=True, eq=False)
class Sequence:
    """A request on its way.

    id: unique within its engine, growing with arrival.
    request: what was asked.
    seed: where its random numbers come from.
    ids: prompt and output so far.
    phase: where the reply stands.
    num_computed: how many of `ids` have their keys and values in pages; always less than len(ids) until
        it is finished.
    pages: the pages that hold them, in order.
    is_forced: for each output token, whether it was forced and not sampled.
    log_probs: for each output token, its log-probability if asked for; 0 where forced.
    status, finish_reason: how far it is, and why it ended.
    """

    id: int
    request: SequenceRequest
    seed: int
    ids: list[int]
    phase: PhaseState
    num_computed: int = 0
    pages: list[int] = field(default_factory=list[int])
    is_forced: list[bool] = field(default_factory=list[bool])
    log_probs: list[float] = field(default_factory=list[float])
    status: Status = "waiting"
    finish_reason: FinishReason | None = None

    @property
    def output(self) -> list[int]:
        """The ids after the prompt."""
        return self.ids[len(self.request.prompt) :]

    @property
    def usage(self) -> Usage:
        """Tokens read and written so far. No prefix is kept yet, so every prompt token is computed anew."""
        return Usage(
            input_tokens=len(self.request.prompt),
            output_tokens=self.phase.num_output,
            thinking_tokens=self.phase.num_thinking,
        )
