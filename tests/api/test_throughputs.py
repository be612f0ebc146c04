"""Throughputs through the API and the client: saved, compared, removed, and refused."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from spotlab.client import SpotLab
from spotlab.errors import ChangedMeanwhile, NotFound
from tests.api.conftest import ApiClient

MEASURED = {
    "unit": "images/s",
    "throughputs": [
        {"name": "m6g.large", "throughput": 1000, "measured_at": "2026-11-03", "note": "batch 32"},
        {"name": "m7g.large", "throughput": 1180},
    ],
}


def compared(ask: ApiClient, **query: str) -> dict[str, object]:
    pair = {"own_type": "m6g.large", "other_type": "m7g.large"}
    found: dict[str, object] = ask("GET", "/throughputs/comparison", params=pair | query).json()
    return found


def test_measured_throughputs_win_until_they_are_removed(ask: ApiClient) -> None:
    assert compared(ask)["basis"] == "claimed"
    made = ask("POST", "/throughputs", json=MEASURED | {"reason": "measured"})
    assert made.status_code == 201
    assert (made.json()["version"], made.json()["reason"]) == (1, "measured")
    assert made.json()["throughputs"][0] == MEASURED["throughputs"][0]
    found = compared(ask, workload="queue-worker")
    assert (found["ratio"], found["basis"]) == (1.18, "measured")
    listed = ask("GET", "/throughputs").json()
    assert (listed["total"], listed["items"][0]["unit"]) == (1, "images/s")
    assert ask("DELETE", "/throughputs").json() == listed["items"][0]
    assert compared(ask)["basis"] == "claimed"
    assert ask("GET", "/throughputs").json()["total"] == 0
    everything = ask("GET", "/throughputs", params={"versions": "true"}).json()["items"]
    assert [(each["version"], len(each["throughputs"])) for each in everything] == [(2, 0), (1, 2)]
    assert ask("DELETE", "/throughputs").status_code == 404


def test_a_user_of_some_accounts_reads_but_does_not_change(ask: ApiClient) -> None:
    assert ask("POST", "/throughputs", "own", json=MEASURED).status_code == 403
    assert ask("DELETE", "/throughputs", "own").status_code == 403
    assert ask("GET", "/throughputs", "own").status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"throughputs": []}, 422, "throughputs"),
        ({"throughputs": [{"name": "m7g.lrage", "throughput": 1}]}, 422, "m7g.lrage"),
        ({"throughputs": [{"name": "m7g", "throughput": 0}]}, 422, "throughput"),
        ({"throughputs": [{"name": "m7g", "throughput": 1}] * 2}, 422, "m7g has 2 throughputs"),
        ({"throughputs": [{"name": "m7g", "throughput": 1, "measured_at": 5}]}, 422, "date"),
        ({"unit": "a\u202eb"}, 422, "unit"),
        ({"workload": "laundry"}, 404, "There is no workload 'laundry'"),
        ({"expected_version": 7}, 412, "at version 0, not 7"),
    ],
)
def test_wrong_values_are_named_and_nothing_is_saved(
    ask: ApiClient, change: dict[str, object], status: int, said: str
) -> None:
    answer = ask("POST", "/throughputs", json=MEASURED | change)
    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert ask("GET", "/throughputs").json()["total"] == 0


def test_claims_are_listed_with_their_sources(ask: ApiClient) -> None:
    page = ask("GET", "/throughputs/claims", params={"limit": 2}).json()
    assert len(page["items"]) == 2
    assert page["next"]
    assert all(each["url"].startswith("https://") for each in page["items"])


@pytest.fixture
def client(ask: ApiClient) -> Iterator[SpotLab]:
    def respond(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        body = json.loads(request.content) if request.content else None
        keep = {"content-type", "idempotency-key"}
        headers = {name: value for name, value in request.headers.items() if name in keep}
        answer = ask(request.method, path, who, json=body, headers=headers)
        return httpx.Response(answer.status_code, content=answer.content)

    who = "admin"
    with SpotLab("http://test", "t", transport=httpx.MockTransport(respond)) as opened:
        yield opened


def test_the_client_saves_compares_and_removes(client: SpotLab) -> None:
    saved = client.throughputs.save({"m6g": 500.0, "m7g": 590.0}, unit="req/s", reason="measured")
    assert (saved.version, saved.unit, saved.throughputs[1].throughput) == (1, "req/s", 590.0)
    found = client.throughputs.compare("m6g.xlarge", "m7g.xlarge")
    assert (found.ratio, found.basis) == (1.18, "measured")
    assert "590 against 500 req/s per vCPU or GPU" in found.sentence
    assert [each.workload for each in client.throughputs.list()] == [""]
    with pytest.raises(ChangedMeanwhile):
        client.throughputs.save({"m6g": 1.0}, expected_version=9)
    assert client.throughputs.remove(reason="wrong").throughputs == saved.throughputs
    with pytest.raises(NotFound):
        client.throughputs.remove()
    assert len(list(client.throughputs.list(versions=True))) == 2
    assert any("Graviton" in each.statement for each in client.throughputs.claims())
