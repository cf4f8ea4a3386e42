"""Spans to an OpenTelemetry collector, if one is named.

Enters: the URL of a collector. Leaves: a `Tracing` for the app; what waits is sent on the way out. Read next:
`caesura/server/telemetry.py`, which makes the spans; `serve.py`.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer

from caesura.cli.extras import needs_extra
from caesura.messages.errors import CaesuraError
from caesura.server.tracing import Tracing

Trace = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="OTEL_EXPORTER_OTLP_ENDPOINT",
        help="Send OpenTelemetry spans to the collector at this URL, such as http://localhost:4318.",
    ),
]


@contextmanager
def tracing_to(endpoint: str | None) -> Generator[Tracing | None]:
    """The tracing of a server; None where no collector is named. Raises CaesuraError where the
    environment forbids it; without the extra the command ends."""
    if endpoint is None:
        yield None
        return
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        raise CaesuraError(
            f"--trace {endpoint}: no span would be sent, because OTEL_SDK_DISABLED is `true`; set it to"
            " `false` (make serve OTEL_SDK_DISABLED=false), or leave --trace out"
        )
    with needs_extra("telemetry"):
        # An extra, which takes a while to import.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from caesura.server.telemetry import OpenTelemetry
    is_named = bool(os.environ.get("OTEL_SERVICE_NAME"))
    provider = TracerProvider(resource=Resource.create({} if is_named else {"service.name": "caesura"}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield OpenTelemetry(provider)
    finally:
        provider.shutdown()
