"""Alerts, the audit log, the market and component health over the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from spotlab.domain.components import DATABASE, INSTANCE_MANAGER
from spotlab.domain.market import MarketName
from spotlab.domain.ports import AuditFilter, Probe
from spotlab.errors import Cancelled
from spotlab.monitoring.alerts.evaluation import evaluate_rules
from spotlab.pipeline.collect import CollectReport, SourceReport
from spotlab.runtime.lab import Lab
from tests.api.conftest import FOREIGN, ApiClient
from tests.support.lab import FLEET
from tests.support.market import StillClock
from tests.support.receivers import SECRET_PATH, Receiver, running_receiver

WEB = FLEET[0][0]
ANY = {"If-Match": "*"}
STATE = {"kind": "state", "component": "database", "states": ["unknown", "down"]}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as made:
        yield made


def rule(ask: ApiClient, who: str = "operator", **given: Any) -> dict[str, Any]:
    asked = {
        "name": "a rule",
        "condition": STATE,
        "channel": "webhook",
        "address": "http://127.0.0.1:9/secret",
    }
    made = ask("POST", "/alerts/rules", who, json=asked | given)
    assert made.status_code == 201, made.text
    assert made.headers["Location"].endswith(made.json()["rule_id"])
    found: dict[str, Any] = made.json()
    return found


def test_a_rule_is_made_tested_changed_and_deleted(
    ask: ApiClient, lab: Lab, receiver: Receiver
) -> None:
    made = rule(ask, address=receiver.address)
    path = f"/alerts/rules/{made['rule_id']}"
    assert made["words"] == "database is unknown or down"
    assert made["shown_address"] == f"http://127.0.0.1:{receiver.port}/…"
    read = ask("GET", path)
    assert read.json() == made
    tested = ask("POST", f"{path}/test", "operator").json()
    assert (tested["ok"], receiver.events) == (True, ["test"])
    change = {"enabled": False, "reason": "at night"}
    assert ask("PATCH", path, "operator", json=change).status_code == 428
    from_it = {"If-Match": read.headers["ETag"]}
    off = ask("PATCH", path, "operator", json=change, headers=from_it)
    assert (off.status_code, off.json()["enabled"]) == (200, False)
    assert ask("GET", path).headers["ETag"] == off.headers["ETag"]
    assert ask("PATCH", path, "operator", json=change, headers=from_it).status_code == 412
    assert ask("GET", "/alerts/rules?enabled=true").json()["total"] == 0
    key = ask("GET", f"{path}/signing-key", "operator")
    assert len(key.json()["signing_key"]) == 64
    assert key.headers["cache-control"] == "no-store"
    assert ask("DELETE", f"{path}?reason=done", "operator").json()["name"] == "a rule"
    for each in (("GET", path), ("POST", f"{path}/test"), ("DELETE", path)):
        assert ask(*each, "operator").status_code == 404
    output = ask("GET", f"/audit?target={made['rule_id']}")
    assert [e["action"] for e in output.json()["items"]] == [
        "alert.delete",
        "alert.change",
        "alert.test",
        "alert.add",
    ]
    everything = "".join([output.text, read.text, off.text, key.text])
    assert SECRET_PATH not in everything


def test_a_change_that_was_overtaken_is_refused(ask: ApiClient, lab: Lab) -> None:
    made = rule(ask)
    old = lab.store.alerts.rule(made["rule_id"])
    path = f"/alerts/rules/{made['rule_id']}"
    tag = {"If-Match": ask("GET", path).headers["ETag"]}
    asked = lab.store.alerts.rule

    def overtaken(rule_id: str) -> Any:
        found = asked(rule_id)
        lab.store.alerts.rule = asked  # type: ignore[method-assign]
        ask("PATCH", path, "operator", json={"name": "theirs"}, headers=ANY)
        return found

    lab.store.alerts.rule = overtaken  # type: ignore[method-assign]
    mine = ask("PATCH", path, "operator", json={"name": "mine"}, headers=tag)
    assert (mine.status_code, mine.json()["type"]) == (412, "/api/docs#precondition-failed")
    assert lab.store.alerts.rule(made["rule_id"]) == replace(old, name="theirs")


@pytest.mark.parametrize(
    "given",
    [
        {"condition": {"kind": "staleness"}},
        {"condition": {"kind": "risk", "threshold": 2}},
        {"condition": {"kind": "risk"}},
        {"condition": {"kind": "state", "component": "nothing"}},
        {"condition": {"kind": "state", "states": ["healthy"]}},
        {"condition": {"kind": "price", "threshold": 1, "pool": "nowhere"}},
        {"condition": {"kind": "mood"}},
        {"channel": "pigeon"},
        {"address": "file:///etc/passwd"},
        {"address": "http://user:word@127.0.0.1/"},
        {"name": " "},
        {"strange": 1},
    ],
    ids=str,
)
def test_a_rule_that_makes_no_sense_is_refused(ask: ApiClient, given: dict[str, Any]) -> None:
    asked = {"name": "n", "condition": STATE, "channel": "slack", "address": "http://127.0.0.1:9/s"}
    answer = ask("POST", "/alerts/rules", "operator", json=asked | given)
    assert (answer.status_code, "word" in answer.text) == (422, False), answer.text


def test_a_rule_about_others_instances_is_not_there(ask: ApiClient) -> None:
    theirs = rule(ask, condition={"kind": "risk", "threshold": 0.1, "account": "other"})
    every = rule(ask, condition={"kind": "risk", "threshold": 0.1})
    mine = rule(ask, "own", condition={"kind": "risk", "threshold": 0.1})
    seen = ask("GET", "/alerts/rules", "own").json()["items"]
    assert [each["rule_id"] for each in seen] == [mine["rule_id"]]
    for hidden in (theirs, every):
        path = f"/alerts/rules/{hidden['rule_id']}"
        for method, below in (("GET", ""), ("GET", "/signing-key"), ("POST", "/test")):
            assert ask(method, path + below, "own").status_code == 404
        assert ask("DELETE", path, "own").status_code == 404
        assert ask("PATCH", path, "own", json={"enabled": False}, headers=ANY).status_code == 404
    for subject in ({"account": "other"}, {"instance_id": FOREIGN}):
        asked = {
            "name": "n",
            "condition": {"kind": "risk", "threshold": 0.1} | subject,
            "channel": "webhook",
            "address": "http://127.0.0.1:9/",
        }
        assert ask("POST", "/alerts/rules", "own", json=asked).status_code == 404


def test_what_rings_and_what_was_told_is_listed(ask: ApiClient, lab: Lab) -> None:
    made = rule(ask, condition={"kind": "risk", "threshold": 1e-9, "account": "acme"})
    rule(ask, name="theirs", condition={"kind": "risk", "threshold": 1e-9, "account": "other"})
    ask("POST", "/evaluations", json={})
    evaluate_rules(lab)
    rings = ask("GET", "/alerts", "own").json()
    assert {each["rule_id"] for each in rings["items"]} == {made["rule_id"]}
    assert ask("GET", "/alerts").json()["total"] == rings["total"] + 1
    first = ask("GET", "/alerts/history?limit=2").json()
    assert (first["items"][0]["event"], first["items"][0]["state"]) == ("firing", "waiting")
    second = ask("GET", f"/alerts/history?limit=500&cursor={first['next']}").json()
    numbers = [each["alert_id"] for each in first["items"] + second["items"]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == first["total"] == rings["total"] + 1
    mine = ask("GET", "/alerts/history", "own").json()["items"]
    assert {each["rule"] for each in mine} == {"a rule"}
    assert ask("GET", "/alerts/history?cursor=WzBd").status_code == 404


def test_the_audit_log_is_filtered_paged_and_checked(ask: ApiClient, lab: Lab) -> None:
    for shadow in (False, True, False):
        body = {"shadow": shadow, "reason": f"to {shadow}"}
        ask("PUT", f"/instances/{WEB}/shadow", "operator", json=body, headers=ANY)
    rule(ask)
    found = ask("GET", f"/audit?action=instance&target={WEB}&limit=2").json()
    assert (found["total"], [e["after"] for e in found["items"]]) == (3, [False, True])
    ask("PUT", f"/instances/{WEB}/shadow", json={"shadow": True}, headers=ANY)  # in the meantime
    cursor = found["next"]
    rest = ask("GET", f"/audit?action=instance&target={WEB}&cursor={cursor}").json()
    assert ([e["reason"] for e in rest["items"]], rest["next"]) == (["to False"], None)
    assert ask("GET", "/audit?actor=the operator&action=alert.add").json()["total"] == 1
    assert ask("GET", "/audit?since=2999-01-01T00:00:00Z").json()["total"] == 0
    for wrong in ("yesterday", "0.5", "1762162200", "2026-11-01T00:00:00"):
        assert ask("GET", f"/audit?since={wrong}").status_code == 422
    whole = ask("GET", "/audit/check").json()
    assert (whole["broken_at"], whole["head"]) == (
        None,
        lab.store.audit.entries(limit=1)[0].digest,
    )
    for who in ("viewer", "researcher", "operator"):
        assert ask("GET", "/audit", who).status_code == 403
        assert ask("GET", "/audit/check", who).status_code == 403


def test_the_market_says_how_old_its_sources_are(ask: ApiClient) -> None:
    found = ask("GET", "/market", "viewer").json()
    assert (found["market"], found["simulated"], found["execution"]) == ("simulated", True, "off")
    ages = {(s["kind"], s["scope"]): s["age_s"] for s in found["sources"]}
    assert ages[("advisor", "")] == 300.0
    assert len(ages) == len(found["sources"]) == 4


def test_the_market_is_collected_by_those_who_may(
    ask: ApiClient, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask("POST", "/market/collect", "viewer").status_code == 403
    assert (
        ask("POST", "/market/collect", "operator").status_code == 502
    )  # the AWS of this lab rejects all requests
    sources = (
        SourceReport("a feed", None, "", None, None, 0, False, "The role of other is gone."),
    )
    report = CollectReport(MarketName.SIMULATED, sources, {}, 0, False, 1.0)
    monkeypatch.setattr(type(lab), "collect", lambda *_args, **_more: report)
    output = [
        ask("POST", "/market/collect", who).json()["sources"][0]["error"]
        for who in ("operator", "own")
    ]
    assert output == ["The role of other is gone.", "The role of another account is gone."]
    assert lab.store.audit.entries(AuditFilter(action="market.collect"))[0].actor == "acme's"

    def too_long(*_args: object, **_more: object) -> CollectReport:
        raise Cancelled("Collecting was cancelled after 1 of 4 sources.")

    monkeypatch.setattr(type(lab), "collect", too_long)
    stopped = ask("POST", "/market/collect", "operator")
    assert (stopped.status_code, stopped.headers["retry-after"]) == (503, "5")
    assert "the data read so far is stored" in stopped.json()["remedy"]


def test_each_part_tells_its_day(ask: ApiClient, lab: Lab) -> None:
    assert isinstance(lab.clock, StillClock)
    now = lab.clock.now()
    at = [now - timedelta(seconds=each) for each in (90, 60, 30)]
    states = ("healthy", "down", "healthy")
    lab.store.probes.record(
        [Probe(DATABASE, t, s, 1.0, f"is {s}") for t, s in zip(at, states, strict=True)]
    )
    found = ask("GET", "/health/uptime", "viewer").json()
    part = next(each for each in found["items"] if each["key"] == "database")
    assert part["uptime"] == pytest.approx(2 / 3)
    assert (part["tried"], part["success_rate"]) == (3, pytest.approx(2 / 3))
    assert (part["p50_ms"], len(part["slots"])) == (1.0, 48)
    assert "advisor scraper" in part["needed_by"]
    assert part["unknown"] > 0.99
    nothing = next(each for each in found["items"] if each["key"] == "api-app-server")
    assert (nothing["uptime"], nothing["success_rate"]) == (None, None)
    day = ask("GET", "/health/components/database/day?limit=2", "viewer").json()
    assert [each["state"] for each in day["items"]] == ["healthy", "down"]
    assert [each["reason"] for each in day["failures"]] == ["is down"]
    cursor = day["next"]
    last = ask("GET", f"/health/components/database/day?cursor={cursor}").json()
    assert ([each["state"] for each in last["items"]], last["next"]) == (["healthy"], None)
    for key in [each["key"] for each in found["items"]]:
        assert ask("GET", f"/health/components/{key}/day").status_code == 200
    assert ask("GET", "/health/components/nothing/day").status_code == 404


def test_reasons_name_no_account_that_is_not_seen(ask: ApiClient, lab: Lab) -> None:
    reason = "Account other: access denied."
    lab.store.health.note(
        INSTANCE_MANAGER, ok=False, at=lab.clock.now(), latency_ms=None, reason=reason
    )
    for path in ("/health/components", "/health/uptime"):
        for who, shown in (("admin", True), ("own", False)):
            output = ask("GET", path, who).json()["items"]
            said = next(each["reason"] for each in output if each["name"] == INSTANCE_MANAGER)
            assert ("Account other" in said) is shown, (path, who, said)
            assert "access denied" in said


def test_an_account_is_changed_from_what_was_read(ask: ApiClient) -> None:
    asked = {"name": "staging", "aws_account_id": "1" * 12, "regions": ["us-east-1"]}
    ask("POST", "/accounts", json=asked | {"external_id": "hush"})
    tag = {"If-Match": ask("GET", "/accounts/staging").headers["ETag"]}
    two = {"regions": ["us-east-1", "eu-west-1"]}
    changed = ask("PATCH", "/accounts/staging", json=two, headers=tag)
    assert (changed.status_code, changed.json()["external_id_set"]) == (200, True)
    assert changed.json()["regions"] == two["regions"]
    assert ask("PATCH", "/accounts/staging", json=two, headers=tag).status_code == 412
    assert ask("PATCH", "/accounts/staging", json=two).status_code == 428
    off = ask(
        "PATCH",
        "/accounts/staging",
        json={"active": False},
        headers={"If-Match": changed.headers["ETag"]},
    )
    assert off.json()["active"] is False
    again = ask("PATCH", "/accounts/staging", json={"external_id": ""}, headers=ANY).json()
    assert (again["active"], again["external_id_set"]) == (False, False)
    mars = ask("PATCH", "/accounts/staging", json={"regions": ["mars"]}, headers=ANY)
    assert mars.status_code == 422
    settled = ask("PATCH", "/accounts/acme", json=two, headers=ANY)
    assert (settled.status_code, "settings" in settled.json()["detail"]) == (409, True)
    assert ask("PATCH", "/accounts/acme", "operator", json=two, headers=ANY).status_code == 403
    assert ask("PATCH", "/accounts/other", "own", json=two, headers=ANY).status_code == 404
