"""What a red-team run found, as tables on the screen.

Enters: a `Report`. Leaves: rich tables. Read next: `caesura/constitution/redteam/report.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table

from caesura.constitution.redteam.estimates import Line
from caesura.constitution.redteam.report import Rate, Report

_NOT_MEASURED = "not measured"


def tables(report: Report, model: str) -> Iterator[Table]:
    """What was refused, what worked, the many-shot curve."""
    yield _rates(f"{model}: refusals", _refusals(report))
    yield _families(report)
    yield _curve(report)
    yield _summary(report)


def _refusals(report: Report) -> Iterator[tuple[str, Rate | None]]:
    yield "harmful requests, plain", report.refused
    for k, rate in report.all_refused.items():
        yield f"the same, all of {k} samples", rate
    yield "harmless look-alikes", report.over_refused
    for kind, rate in report.over_refused_kinds.items():
        yield f"  {kind or 'no type'}", rate


def _rates(title: str, rows: Iterable[tuple[str, Rate | None]]) -> Table:
    table = Table(title, "share", "95 % interval", "n")
    for name, rate in rows:
        if rate is None:
            table.add_row(name, _NOT_MEASURED, "", "0")
        else:
            table.add_row(name, f"{rate.mean:.1%}", f"{rate.low:.1%} to {rate.high:.1%}", f"{rate.n:,}")
    return table


def _families(report: Report) -> Table:
    table = Table("attacks by family", "worked", "95 % interval", "on the subject", "n")
    for name, rate in report.succeeded.items():
        interval = f"{rate.low:.1%} to {rate.high:.1%}"
        table.add_row(name, f"{rate.mean:.1%}", interval, f"{report.relevant[name].mean:.1%}", f"{rate.n:,}")
    return table


def _curve(report: Report) -> Table:
    table = Table("faked dialogues", "refused", "worked", "too long", "log p of a harmful reply's token")
    for point in report.many_shot:
        table.add_row(
            str(point.shots),
            f"{point.refused.mean:.0%} of {point.refused.n}" if point.refused else "",
            f"{point.succeeded.mean:.0%}" if point.succeeded else "",
            str(point.num_skipped or ""),
            "" if point.log_prob is None else f"{point.log_prob:.3f} ({point.num_scored})",
        )
    return table


def _summary(report: Report) -> Table:
    table = Table("measure", "value")
    if report.refusal_line:
        table.add_row(
            "change of the refusal rate with each doubling of 1 + shots", slope(report.refusal_line)
        )
    if report.likelihood_line:
        table.add_row("exponent of -log p over shots", slope(report.likelihood_line))
        table.add_row("its intercept, log(-log p) at one shot", f"{report.likelihood_line.intercept:.3f}")
    table.add_row("cells with an attack that worked", f"{report.num_successes} of {report.num_cells}")
    even = report.evenness
    table.add_row("their evenness over categories", _NOT_MEASURED if even is None else f"{even:.2f}")
    table.add_row("too long, not sent", f"{report.num_too_long}")
    table.add_row("replies asked for", f"{report.num_requests}")
    return table


def slope(line: Line) -> str:
    """A slope with its standard error, if it has one."""
    error = "" if line.slope_error is None else f" ± {line.slope_error:.3f}"
    return f"{line.slope:+.3f}{error}"
