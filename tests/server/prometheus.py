"""Reading the page of `/metrics` as Prometheus would."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]


def samples(page: str) -> dict[tuple[str, Labels], float]:
    """Every number on the page, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(page: str, name: str, **labels: str) -> float | None:
    """One number; None where the page has no such."""
    return samples(page).get((name, frozenset(labels.items())))
