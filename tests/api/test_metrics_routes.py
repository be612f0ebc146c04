"""/metrics: access by token, OpenMetrics format, and bounded labels."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from spotlab.api import metrics_routes as metrics_route
from spotlab.api import request_middleware
from spotlab.api.request_middleware import RequestMetricsMiddleware
from spotlab.domain.access import Principal, Role
from spotlab.domain.components import APP_SERVER
from spotlab.errors import NotSignedIn
from spotlab.monitoring.health import report as health
from spotlab.monitoring.health.request_stats import RequestCounter
from spotlab.monitoring.metrics_document import Metrics
from spotlab.runtime import app_process
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.telemetry import logs
from tests.support.lab import FLEET, DictStore, save_toy_model, small_lab
from tests.support.people import person

TOKEN = "a-token-for-metrics"


class Client:
    """Sends requests to an app without a server."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(ask())


@pytest.fixture
def online() -> DictStore:
    return DictStore()


@pytest.fixture
def lab(tmp_path: Path, online: DictStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    made = small_lab(tmp_path / "home", tmp_path / "models", online)
    made.settings = made.settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    monkeypatch.setattr(app_process, "lab", lambda: made)
    yield made
    made.close()


@pytest.fixture
def client(lab: Lab) -> Client:
    def broken(_request: object) -> PlainTextResponse:
        raise RuntimeError("for a test")

    def says(_request: object) -> PlainTextResponse:
        return PlainTextResponse(logs.correlation_id())

    routes = [*metrics_route.METRICS_ROUTES, Route("/says", says), Route("/broken", broken)]
    app = Starlette(routes=routes)
    app.add_middleware(RequestMetricsMiddleware)
    return Client(app)


def sent(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(found: dict[str, Metric], family: str, sample: str = "", **labels: str) -> float:
    for each in found[family].samples:
        if each.name == (sample or family) and labels.items() <= each.labels.items():
            return float(each.value)
    raise AssertionError(f"no {sample or family} {labels}")


def test_asks_for_its_token(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    who: list[Principal] = []

    def principal_of(_request: object) -> Principal:
        if not who:
            raise NotSignedIn("You are not signed in.")
        return who[0]

    monkeypatch.setattr(metrics_route, "principal_of", principal_of)
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers=sent("wrong")).status_code == 401
    assert client.get("/metrics", headers=sent("")).status_code == 401
    assert client.get("/metrics", headers=sent(TOKEN)).status_code == 200
    who[:] = [person(Role.VIEWER)]
    assert client.get("/metrics", headers=sent("an api token")).status_code == 403
    who[:] = [person(Role.RESEARCHER)]
    assert client.get("/metrics", headers=sent("an api token")).status_code == 200


def test_says_what_was_done(lab: Lab, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = RequestCounter()
    monkeypatch.setattr(request_middleware, "COUNTING", counting)
    before = families(client.get("/metrics", headers=sent(TOKEN)).text)
    evaluate_instances(lab)
    client.get("/says")
    client.get("/broken")
    lab.started_at -= 60
    answer = client.get("/metrics", headers=sent(TOKEN))
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    found = families(answer.text)
    output = {"outcome": "done"}
    assert value(found, "spotlab_evaluations", "spotlab_evaluations_total", **output) >= 1
    for stage in ("collect", "features", "risk", "filter", "policy"):
        assert value(found, "spotlab_stage_seconds", "spotlab_stage_seconds_count", stage=stage)
    decided = sum(
        each.value
        for each in found["spotlab_decisions"].samples
        if each.name == "spotlab_decisions_total"
    )
    assert decided >= len(FLEET)
    assert value(found, "spotlab_database_up") == 1
    assert value(found, "spotlab_online_store_up") == 1
    assert value(found, "spotlab_feed_age_seconds", feed="advisor") >= 0
    assert value(found, "spotlab_component_state", component="scheduler", state="unknown") == 1
    assert value(found, "spotlab_http_requests", "spotlab_http_requests_total", status="500") >= 1
    assert "spotlab_leader" in found
    assert value(found, "spotlab_process", "spotlab_process_info", role=logs.role()) == 1
    assert set(before) <= set(found)
    counting.save(lab)
    done = health.read(lab).component(APP_SERVER).done
    assert (done.rate.ok, done.rate.failed) == (1, 1), "/metrics itself is a monitor's question"


def test_no_label_grows_with_what_there_is(lab: Lab, client: Client) -> None:
    evaluate_instances(lab)
    for number in range(20):
        client.get(f"/nothing/{number}")
        client.get(f"/api/v1/instances/i-{number}")
    text = client.get("/metrics", headers=sent(TOKEN)).text
    for instance_id, name, instance_type, _ in FLEET:
        assert instance_id not in text
        assert name not in text
        assert instance_type not in text
    routes = {each.labels["route"] for each in families(text)["spotlab_http_requests"].samples}
    assert not any("nothing" in route or "i-1" in route for route in routes), routes


def test_says_what_is_down(lab: Lab, online: DictStore) -> None:
    online.down = True
    with lab.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE alembic_version RENAME TO gone")
    found = families(Metrics(lab).text().decode())
    assert value(found, "spotlab_online_store_up") == 0
    assert value(found, "spotlab_database_up") == 0
    assert "spotlab_experiments" not in found, "unknown is left out, never 0"


def test_a_request_has_an_id_that_its_log_lines_have_too(client: Client) -> None:
    answer = client.get("/says", headers={"X-Request-Id": "order-66"})
    assert answer.headers["x-request-id"] == answer.text == "order-66"
    answer = client.get("/says", headers={"X-Request-Id": "no id <script>"})
    assert answer.headers["x-request-id"] == answer.text
    assert answer.text.isalnum()
