"""Switches and their guards through the API and the client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from spotlab.client import SpotLab
from spotlab.domain.decision import Instance
from spotlab.errors import Conflict, NotFound
from tests.api.conftest import FOREIGN, ApiClient
from tests.support.lab import FLEET
from tests.support.switching import CALLS, allow, plan_without_aws

WEB = FLEET[0][0]
POOL = "us-east-1:us-east-1b:m6g.large:Linux"


@pytest.fixture(autouse=True)
def _without_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    plan_without_aws(monkeypatch)


@pytest.fixture
def client(ask: ApiClient) -> Iterator[SpotLab]:
    """The client of an administrator, over the API in this process."""

    def answer(request: httpx.Request) -> httpx.Response:
        options = {"headers": dict(request.headers), "content": request.content}
        sent = ask(request.method, request.url.raw_path.decode(), "admin", **options)
        return httpx.Response(sent.status_code, headers=sent.headers, content=sent.content)

    with SpotLab("http://lab", "admin", transport=httpx.MockTransport(answer)) as opened:
        yield opened


BY_HAND: dict[str, Any] = {"pool": POOL, "confirmed": ["worse-hardware"]}


def request(ask: ApiClient, **body: object) -> httpx.Response:
    return ask("POST", "/switches", "operator", json={**BY_HAND, "instance_id": WEB, **body})


def test_a_switch_is_planned_requested_and_approved_by_another(ask: ApiClient) -> None:
    allow(ask.lab, WEB)
    body = {**BY_HAND, "instance_id": WEB}
    plan = ask("POST", "/switches/plan", "operator", json=body).json()
    assert [call["action"] for call in plan["calls"]] == [call.action for call in CALLS]
    assert [level["mode"] for level in plan["levels"]] == ["on", "on", "on"]
    made = request(ask, reason="cheaper", health_check={"kind": "tcp", "port": 5432})
    assert made.status_code == 201
    switch = made.json()
    assert (switch["state"], switch["requested_by"]) == ("requested", "the operator")
    assert switch["targets"][0]["pool"] == POOL
    path = f"/switches/{switch['switch_id']}"
    assert ask("POST", f"{path}/approve", "operator", json={}).status_code == 403
    approved = ask("POST", f"{path}/approve", json={"reason": "fine"}).json()
    assert (approved["state"], approved["approved_by"]) == ("approved", "the admin")
    assert ask("POST", f"{path}/approve", json={}).status_code == 409
    journal = ask("GET", f"{path}/journal", "viewer").json()["items"]
    assert [each["action"] for each in journal] == ["request", "approve"]
    assert request(ask).status_code == 409, "one open switch an instance"


def test_everything_is_off_at_first(ask: ApiClient) -> None:
    refused = request(ask)
    assert refused.status_code == 409
    assert refused.json()["detail"] == "Switching is off for the installation."
    assert ask("GET", "/market").json()["execution"] == "off"
    found = ask("GET", "/switching", "viewer").json()
    assert found["installation"] == "off"
    assert {each["mode"] for each in found["accounts"]} == {"off"}


def test_switches_are_listed_in_pages_and_filtered(ask: ApiClient) -> None:
    for instance_id, *_ in FLEET[:3]:
        allow(ask.lab, instance_id)
        dry = {**BY_HAND, "instance_id": instance_id, "dry_run": instance_id != WEB}
        assert ask("POST", "/switches", "operator", json=dry).status_code == 201
    first = ask("GET", "/switches", params={"limit": 2}).json()
    second = ask("GET", "/switches", params={"limit": 2, "cursor": first["next"]}).json()
    ids = [each["instance_id"] for each in first["items"] + second["items"]]
    assert sorted(ids) == sorted(each[0] for each in FLEET[:3])
    assert (first["total"], second["next"]) == (3, None)
    open_ones = ask("GET", "/switches", params={"finished": "false"}).json()["items"]
    assert [each["instance_id"] for each in open_ones] == [WEB]
    done = ask("GET", "/switches", params={"state": "done", "dry_run": "true"}).json()
    assert done["total"] == 2
    assert ask("GET", "/switches", params={"cursor": "WzFd"}).status_code == 404


def test_guards_are_set_in_versions(ask: ApiClient) -> None:
    path = "/accounts/acme/switching-guards"
    window = {"days": ["sat"], "start": "22:00", "end": "04:00", "time_zone": "Europe/Berlin"}
    body = {"mode": "dry-run", "windows": [window], "reason": "weekends", "expected_version": 0}
    changed = ask("PATCH", path, json=body)
    assert changed.status_code == 200
    assert (changed.json()["mode"], changed.json()["version"]) == ("dry-run", 1)
    assert changed.json()["windows"] == [window]
    assert ask("PATCH", path, json={"at_once": 1, "expected_version": 0}).status_code == 412
    assert ask("PATCH", path, json={"windows": []}).json()["windows"] == []
    assert ask("PATCH", path, json={"at_once": 10_000}).status_code == 422
    wrong = window | {"time_zone": "Europe/Atlantis"}
    assert ask("PATCH", path, json={"windows": [wrong]}).status_code == 422
    assert ask("PATCH", path, "operator", json={"at_once": 1}).status_code == 403
    assert ask("PATCH", "/accounts/other/switching-guards", "own", json={}).status_code == 404


def test_a_user_of_some_accounts_sees_only_their_switches(ask: ApiClient) -> None:
    theirs: Instance = ask.lab.store.fleet.instance(FOREIGN)
    allow(ask.lab, FOREIGN, theirs.account)
    body = {**BY_HAND, "instance_id": FOREIGN}
    switch_id = ask("POST", "/switches", "operator", json=body).json()["switch_id"]
    assert ask("POST", "/switches", "own", json=body).status_code == 404
    assert ask("GET", "/switches", "own").json()["total"] == 0
    assert ask("GET", f"/switches/{switch_id}", "own").status_code == 404
    assert ask("GET", f"/switches/{switch_id}/journal", "own").status_code == 404
    assert ask("POST", f"/switches/{switch_id}/pause", "own", json={}).status_code == 404


def test_the_client_does_all_of_it(client: SpotLab, ask: ApiClient) -> None:
    allow(ask.lab, WEB)
    assert client.switches.plan(WEB, pool=POOL).mode == "on"
    switch = client.switches.request(WEB, **BY_HAND, reason="x")
    assert switch.targets[0].pool == POOL
    assert [each.switch_id for each in client.switches.list(finished=False)] == [switch.switch_id]
    assert next(client.switches.journal(switch.switch_id)).action == "request"
    assert client.switches.pause(switch.switch_id).version == switch.version
    client.switches.resume(switch.switch_id)
    assert client.switches.reject(switch.switch_id).state == "rejected"
    with pytest.raises(Conflict):
        client.switches.roll_back(switch.switch_id)
    with pytest.raises(NotFound):
        client.switches.get("sw-none")
    assert client.switches.stop_all("incident").stops[0].actor == "the admin"
    assert client.switches.switching().stops[0].reason == "incident"
    assert client.switches.release().stops == ()
    assert client.switches.set_guards(four_eyes=False)["four_eyes"] is False
    assert client.switches.set_guards("acme", at_once=7)["at_once"] == 7
    assert client.switches.guards("acme")["version"] == 2
    assert not any(each.earned for each in client.switches.autonomy())


def test_no_response_has_a_secret_of_the_driver(ask: ApiClient) -> None:
    allow(ask.lab, WEB)
    assert "progress" not in json.dumps(request(ask).json())
