"""Tracing: sends spans to an OpenTelemetry collector.

The packages are optional, and are imported only if a collector is configured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from spotlab import __version__
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings
from spotlab.telemetry import logs, traces

FLUSH_MS: Final = 2_000


def start_tracing(settings: Settings) -> Callable[[], None]:
    """Send spans to the configured collector, if any; returns a function that stops it.

    Raises:
        InvalidSetting: the address of the collector is not valid, or the packages of
            `spotlab[otel]` are missing.
    """
    if not settings.otlp_endpoint:
        return lambda: None
    if not settings.otlp_endpoint.startswith(("http://", "https://")):
        raise InvalidSetting(
            "SPOTLAB_OTLP_ENDPOINT is not an HTTP address.", remedy="Use http://host:4318."
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise InvalidSetting(
            "SPOTLAB_OTLP_ENDPOINT is set, but the OpenTelemetry packages are not installed.",
            remedy="Install spotlab[otel], or leave the setting empty.",
        ) from None
    attributes = {
        "service.name": "spotlab",
        "service.version": __version__,
        "service.instance.id": logs.process_id(),
    }
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    address = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
    traces.use(provider.get_tracer("spotlab", __version__))

    def stop() -> None:
        traces.use(None)
        provider.force_flush(FLUSH_MS)
        provider.shutdown()

    return stop
