"""Evaluations are traced: one correlation id on their log lines, and spans at a collector."""

from __future__ import annotations

import builtins
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spotlab.errors import InvalidSetting
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.runtime.tracing import start_tracing
from spotlab.settings import Settings
from spotlab.telemetry import logs, traces
from spotlab.telemetry.log_shipper import Shipper
from tests.support.lab import FLEET, save_toy_model, small_lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as opened:
        yield opened


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """An OTLP/HTTP receiver on loopback."""
    received: list[ExportTraceServiceRequest] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_spans_of_an_evaluation_reach_the_collector(lab: Lab) -> None:
    with collector() as (address, received):
        stop = start_tracing(Settings(otlp_endpoint=address))
        with logs.correlated("abc123"), traces.span("request"):
            evaluate_instances(lab)
        stop()
    spans = [
        span
        for request in received
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    by_id = {span.span_id: span for span in spans}
    names = [span.name for span in spans]
    assert {"request", "evaluation", "collect", "features", "risk", "filter", "policy"} <= set(
        names
    )
    assert names.count("decide") == len(FLEET)
    assert names.count("ledger") == 1, "all decisions are recorded in one transaction"
    assert len({span.trace_id for span in spans}) == 1
    for span in spans:
        told = {each.key: each.value.string_value for each in span.attributes}
        assert told["spotlab.correlation_id"] == "abc123"
    policy = next(span for span in spans if span.name == "policy")
    assert by_id[policy.parent_span_id].name == "decide"


def test_every_line_of_an_evaluation_has_the_id_that_its_decisions_keep(lab: Lab) -> None:
    kept: list[dict[str, Any]] = []
    logs.configure("WARNING")
    shipper = Shipper(lambda lines: kept.extend(map(json.loads, lines)))
    logs.ship(shipper)
    with logs.correlated() as correlation_id:
        made = evaluate_instances(lab)
    shipper.close()
    assert {line["correlation_id"] for line in kept} == {correlation_id}
    told = " ".join(line["message"] for line in kept)
    for stage in ("prices of the market", "scored", "decided", "evaluation of 4 instances: done"):
        assert stage in told
    stages = {name for line in kept for name in line.get("fields", {}).get("stages_ms", {})}
    assert {"collect", "features", "risk", "filter", "policy"} <= stages
    for experiment in made:
        assert lab.store.ledger.correlation_id(experiment.experiment_id) == correlation_id
    assert lab.store.ledger.correlation_id(12345) == ""


def test_no_collector_makes_no_spans() -> None:
    start_tracing(Settings())()
    with traces.span("nothing"):
        assert traces._tracer is None


def test_missing_packages_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("opentelemetry.sdk") or name.startswith("opentelemetry.exporter"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InvalidSetting, match=r"spotlab\[otel\]"):
        start_tracing(Settings(otlp_endpoint="http://127.0.0.1:4318"))
    with pytest.raises(InvalidSetting, match="not an HTTP address"):
        start_tracing(Settings(otlp_endpoint="127.0.0.1:4318"))
