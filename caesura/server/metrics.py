"""What the server counts, and the page that says it: `/metrics`, for Prometheus.

Everything about replies is measured where their events pass (`measuring.py`), so it is what callers see. What
only an engine knows (queue, pages, spills) is asked for when the page is read: whoever builds the server
hands in a function that says it. Every number has a place in a registry of its own.
Enters: observations. Leaves: the page. Read next: `measuring.py`, `energy.py`; docs/metrics.md lists all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from caesura.messages.response import Usage
from caesura.server.energy import EnergyMeter

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Who is being answered: somebody who waits, or a batch.
Tier = Literal["standard", "batch"]

_REPLY = ("model", "tier")
_FIRST_TOKEN_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_BETWEEN_TOKENS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 5.0)


class EngineNumbers(Protocol):
    """What an engine says of itself: sequences, pages, and counts since its start."""

    @property
    def num_running(self) -> int: ...
    @property
    def num_waiting(self) -> int: ...
    @property
    def num_free_pages(self) -> int: ...
    @property
    def num_kept_pages(self) -> int: ...
    @property
    def num_used_pages(self) -> int: ...
    @property
    def num_spills(self) -> int: ...
    @property
    def num_evicted_pages(self) -> int: ...
    @property
    def num_loaded_pages(self) -> int: ...
    @property
    def num_recomputed_tokens(self) -> int: ...


EnginesByModel = Callable[[], Mapping[str, EngineNumbers]]


class Metrics:
    """The server's numbers.

    Histograms, counters and gauges are named as on the page, without `caesura_`.
    """

    def __init__(self, *, engines: EnginesByModel = dict, energy: EnergyMeter | None = None) -> None:
        """engines: asked whenever the page is read. energy: None where the machine says nothing of it."""
        self._registry = registry = CollectorRegistry()
        self._prompts = _Prompts()
        self._add_requests(registry)
        self._add_replies(registry)
        self._add_times(registry)
        registry.register(self._prompts)
        registry.register(_Engines(engines))
        if energy is not None:
            registry.register(_Energy(energy))
        ProcessCollector(registry=registry)

    def _add_requests(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "caesura_requests", "Answered, by status.", ("method", "route", "status"), registry=registry
        )
        self.requests_in_flight = Gauge(
            "caesura_requests_in_flight", "Requests that are being answered.", registry=registry
        )
        self.errors = Counter(
            "caesura_errors", "By type; status 200 is a stream's end.", ("type", "status"), registry=registry
        )

    def _add_replies(self, registry: CollectorRegistry) -> None:
        self.replies = Counter(
            "caesura_replies", "Replies that ended, by how.", (*_REPLY, "outcome"), registry=registry
        )
        self.replies_in_flight = Gauge(
            "caesura_replies_in_flight", "Replies that wait or are written.", ("tier",), registry=registry
        )
        self.tokens = Counter(
            "caesura_tokens", "Of complete replies; no token twice.", (*_REPLY, "kind"), registry=registry
        )

    def _add_times(self, registry: CollectorRegistry) -> None:
        self.time_to_first_token = Histogram(
            "caesura_time_to_first_token_seconds",
            "From the request to its first delta.",
            _REPLY,
            buckets=_FIRST_TOKEN_S,
            registry=registry,
        )
        self.inter_token = Histogram(
            "caesura_inter_token_seconds",
            "Between neighbouring deltas of a reply.",
            _REPLY,
            buckets=_BETWEEN_TOKENS_S,
            registry=registry,
        )
        self.time_per_output_token = Histogram(
            "caesura_time_per_output_token_seconds",
            "From first delta to last, a token.",
            _REPLY,
            buckets=_BETWEEN_TOKENS_S,
            registry=registry,
        )

    def count_tokens(self, model: str, tier: Tier, usage: Usage) -> None:
        """A complete reply's tokens, by kind."""
        kinds = {
            "input": usage.input_tokens,
            "cache_read": usage.cache_read_input_tokens,
            "cache_write": usage.cache_creation_input_tokens,
            "output": usage.output_tokens - usage.thinking_tokens,
            "thinking": usage.thinking_tokens,
        }
        for kind, num_tokens in kinds.items():
            self.tokens.labels(model, tier, kind).inc(num_tokens)
        self._prompts.add(model, usage)

    def page(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)


class _Prompts(Collector):
    """Which share of the prompts was at hand."""

    def __init__(self) -> None:
        self._num_tokens: dict[str, int] = {}
        self._num_cached: dict[str, int] = {}

    def add(self, model: str, usage: Usage) -> None:
        self._num_tokens[model] = self._num_tokens.get(model, 0) + usage.prompt_tokens
        self._num_cached[model] = self._num_cached.get(model, 0) + usage.cache_read_input_tokens

    def collect(self) -> Iterator[Metric]:
        share = GaugeMetricFamily(
            "caesura_cache_hit_share", "Prompt tokens that were cached, of all.", labels=["model"]
        )
        for model, num_tokens in self._num_tokens.items():
            share.add_metric([model], self._num_cached[model] / max(1, num_tokens))
        yield share


class _Engines(Collector):
    """Each engine's own numbers."""

    def __init__(self, engines: EnginesByModel) -> None:
        self._engines = engines

    def collect(self) -> Iterator[Metric]:
        engines = self._engines()
        yield _gauge(engines, "running", "Sequences that are computed.", lambda each: each.num_running)
        yield _gauge(engines, "waiting", "Sequences in the queue.", lambda each: each.num_waiting)
        yield _pages(engines)
        yield _counter(engines, "spills", "Sequences that gave back pages.", lambda each: each.num_spills)
        yield _counter(engines, "evicted_pages", "Kept pages that left.", lambda each: each.num_evicted_pages)
        yield _counter(
            engines, "loaded_pages", "Pages read from RAM or disk.", lambda each: each.num_loaded_pages
        )
        yield _counter(
            engines, "recomputed_tokens", "Computed once more.", lambda each: each.num_recomputed_tokens
        )


def _gauge(
    engines: Mapping[str, EngineNumbers], name: str, what: str, read: Callable[[EngineNumbers], int]
) -> Metric:
    family = GaugeMetricFamily(f"caesura_engine_{name}", what, labels=["model"])
    for model, numbers in engines.items():
        family.add_metric([model], read(numbers))
    return family


def _counter(
    engines: Mapping[str, EngineNumbers], name: str, what: str, read: Callable[[EngineNumbers], int]
) -> Metric:
    family = CounterMetricFamily(f"caesura_engine_{name}", what, labels=["model"])
    for model, numbers in engines.items():
        family.add_metric([model], read(numbers))
    return family


def _pages(engines: Mapping[str, EngineNumbers]) -> Metric:
    family = GaugeMetricFamily("caesura_engine_pages", "Of the pool, by state.", labels=["model", "state"])
    for model, numbers in engines.items():
        family.add_metric([model, "free"], numbers.num_free_pages)
        family.add_metric([model, "kept"], numbers.num_kept_pages)
        family.add_metric([model, "used"], numbers.num_used_pages)
    return family


class _Energy(Collector):
    """Joules."""

    def __init__(self, meter: EnergyMeter) -> None:
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("caesura_energy_joules", "Since the server's start.", labels=["zone"])
        for zone, joules in self._meter.joules().items():
            family.add_metric([zone], joules)
        yield family
