"""A reply that took the model several passes, and what they took together.

Enters: what each pass took. Leaves: one `Usage`. The counts are sums over the passes that wrote the reply,
as the API has it; what a summary took is told apart, and billed all the same. Read next: `response.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from caesura.messages.response import Iteration, Usage

NOTHING = Usage(input_tokens=0)


def iterations_of(usage: Usage) -> tuple[Iteration, ...]:
    """The passes behind a usage, which may be a single one."""
    return usage.iterations or (Iteration(kind="message", usage=usage),)


def joined(passes: Sequence[Iteration]) -> Usage:
    """The usage of a reply that took these passes, in their order."""
    written = [each.usage for each in passes if each.kind == "message"]
    total = _sum(written)
    is_plain = len(passes) == len(written) <= 1
    return total if is_plain else replace(total, iterations=tuple(passes))


def billed(usage: Usage) -> Usage:
    """Everything that was computed, summaries included."""
    return _sum([each.usage for each in iterations_of(usage)])


def _sum(usages: Sequence[Usage]) -> Usage:
    """Counts added up, without iterations."""
    return Usage(
        input_tokens=sum(each.input_tokens for each in usages),
        output_tokens=sum(each.output_tokens for each in usages),
        thinking_tokens=sum(each.thinking_tokens for each in usages),
        cache_read_input_tokens=sum(each.cache_read_input_tokens for each in usages),
        cache_creation_input_tokens=sum(each.cache_creation_input_tokens for each in usages),
        cache_creation_1h_input_tokens=sum(each.cache_creation_1h_input_tokens for each in usages),
    )
