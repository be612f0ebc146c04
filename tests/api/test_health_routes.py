"""/healthz and /readyz, as used by load balancers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from spotlab.api import health_routes, server
from spotlab.api.health_routes import Readyz
from spotlab.errors import DatabaseDown
from spotlab.monitoring.health.readiness import ReadinessCheck
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab
from tests.support.lab import save_toy_model, small_lab


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    made = small_lab(tmp_path / "home", tmp_path / "models")
    monkeypatch.setattr(app_process, "lab", lambda: made)
    yield made
    made.close()


Get = Callable[..., list[httpx.Response]]


@pytest.fixture
def get(monkeypatch: pytest.MonkeyPatch) -> Get:
    """Gets paths one after the other, like one browser."""
    fresh = Readyz(ReadinessCheck(lambda: app_process.lab()))
    monkeypatch.setattr(health_routes, "readyz", fresh)
    app = Starlette(routes=list(health_routes.HEALTH_ROUTES))

    def asked(*paths: str) -> list[httpx.Response]:
        async def ask() -> list[httpx.Response]:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
                return [await client.get(path) for path in paths]

        return asyncio.run(ask())

    return asked


def test_the_server_has_both_routes() -> None:
    assert {"/healthz", "/readyz"} <= {getattr(route, "path", "") for route in server.ROUTES}


def test_healthz_answers_whatever_the_parts_do(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> Lab:
        raise DatabaseDown("no database")

    monkeypatch.setattr(app_process, "lab", down)
    alive, answer = get("/healthz", "/readyz")
    assert alive.text == "ok\n"
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "reasons": {
            "database": "It does not respond.",
            "ML inference": "The database does not respond.",
        },
    }


def test_readyz_says_yes_when_database_and_model_answer(get: Get, lab: Lab) -> None:
    (answer,) = get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": {}})
    assert answer.headers["cache-control"] == "no-store"


def test_asking_readyz_often_looks_once(
    get: Get, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    monkeypatch.setattr(app_process, "lab", lambda: looks.append(1) or lab)
    get(*["/readyz"] * 20)
    assert len(looks) == 2  # database and model, in one check


def test_readyz_says_no_without_a_model(get: Get, lab: Lab, tmp_path: Path) -> None:
    folder = next((tmp_path / "models").glob("*/*"))
    folder.rename(folder.with_name("away"))
    (answer,) = get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == {"ML inference": "No model can be loaded."}
    assert str(tmp_path) not in answer.text
