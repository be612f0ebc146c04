"""Each operation works for users with its right, on the resources that they may see."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from spotlab.domain.placement import PlacementResponse
from spotlab.domain.ports import AuditFilter
from spotlab.features.capacity_model.registry import HORIZON
from spotlab.runtime.lab import Lab
from tests.api.conftest import FOREIGN, ApiClient
from tests.support.bare_models import bare_model
from tests.support.lab import FLEET
from tests.support.online_weights import POOL as LEARNT_POOL
from tests.support.online_weights import learnt

WEB = FLEET[0][0]
PARTS = ("price", "performance", "interruption", "moving", "guards")
POOL = "us-east-1:us-east-1a:m6i.large:Linux"
ANY = {"If-Match": "*"}


def test_whoever_asks_is_told_what_they_may_do(ask: ApiClient) -> None:
    me = ask("GET", "/me", "own").json()
    assert (me["name"], me["role"], me["accounts"]) == ("acme's", "operator", ["acme"])
    assert "evaluate" in me["rights"]
    assert "users:write" not in me["rights"]


def test_accounts_are_listed_created_and_read(ask: ApiClient) -> None:
    asked = {
        "name": "staging",
        "aws_account_id": "111122223333",
        "role_arn": "arn:aws:iam::111122223333:role/spotlab",
        "external_id": "hush",
        "regions": ["us-east-1"],
    }
    made = ask("POST", "/accounts", json=asked)
    assert made.status_code == 201
    assert made.headers["Location"] == "/api/v1/accounts/staging"
    assert made.json()["external_id_set"] is True
    assert "hush" not in made.text
    assert ask("GET", "/accounts/staging").json() == made.json()
    assert [a["name"] for a in ask("GET", "/accounts").json()["items"]] == [
        "acme",
        "other",
        "staging",
    ]
    assert ask("POST", "/accounts", json=asked).status_code == 409
    wrong = ask("POST", "/accounts", json=asked | {"name": "x", "regions": ["mars"]})
    assert (wrong.status_code, "mars" in wrong.json()["detail"]) == (422, True)


def test_an_account_is_validated_where_there_is_an_aws(ask: ApiClient) -> None:
    answer = ask("POST", "/accounts/acme/validation")
    assert answer.status_code == 502  # the AWS of this lab rejects all requests
    assert answer.json()["detail"] == "No AWS in this test."


def test_instances_are_filtered(ask: ApiClient) -> None:
    def names(query: str) -> list[str]:
        return [i["name"] for i in ask("GET", f"/instances?{query}").json()["items"]]

    assert names("") == ["batch-1", "train-1", "web-1", "web-2", "theirs"]
    assert names("account=other") == ["theirs"]
    assert names("instance_type=m5.large") == ["web-1", "theirs"]
    assert names("lifecycle=on-demand") == ["batch-1"]
    assert names("shadow=false") == []
    assert names("mode=off") == []
    assert names("active=false") == []
    assert names("region=eu-west-1") == []


def test_what_is_set_on_an_instance_is_answered_and_audited(ask: ApiClient, lab: Lab) -> None:
    def put(what: str, **body: Any) -> dict[str, Any]:
        answer = ask("PUT", f"/instances/{WEB}/{what}", "operator", json=body, headers=ANY)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    assert put("shadow", shadow=False, reason="tonight")["shadow"] is False
    assert put("mode", mode="off")["mode"] == "off"
    assert put("model", model="toy@1.0.0")["model"] == "toy@1.0.0"
    assert put("model", model=None)["model"] is None
    needs = put("requirements", requirements={"regions": ["us-east-1"], "vcpu_min": 4})
    assert needs["requirements"]["vcpu_min"] == 4
    assert ask("GET", f"/instances/{WEB}/requirements").json()["source"] == "set"
    put("requirements", requirements=None)
    assert ask("GET", f"/instances/{WEB}/requirements").json()["source"] == "derived"
    first = lab.store.audit.entries(AuditFilter(action="instance.shadow"))[0]
    assert (first.actor, first.reason, first.after) == ("the operator", "tonight", False)
    unknown = ask("PUT", f"/instances/{WEB}/model", json={"model": "nobody@1"}, headers=ANY)
    assert unknown.status_code == 404


def test_the_pipeline_is_told_before_and_after_a_decision(ask: ApiClient) -> None:
    before = ask("GET", f"/instances/{WEB}/pipeline").json()
    assert (before["state"], before["latest"], before["model_in_force"]) == (
        "never evaluated",
        None,
        "toy@1.0.0",
    )
    made = ask("POST", f"/instances/{WEB}/evaluations", "operator")
    assert made.status_code == 201
    number = made.json()["experiment_id"]
    assert made.headers["Location"] == f"/api/v1/experiments/{number}"
    after = ask("GET", f"/instances/{WEB}/pipeline").json()
    assert (after["state"], after["latest"]["experiment_id"]) == ("decided", number)


def test_many_are_decided_about_only_as_far_as_they_are_seen(ask: ApiClient) -> None:
    named = ask("POST", "/evaluations", json={"instance_ids": [WEB, FLEET[1][0]]}).json()
    assert [e["instance_id"] for e in named["experiments"]] == [WEB, FLEET[1][0]]
    answer = ask("POST", "/evaluations", "own", json={}).json()
    every = answer["experiments"]
    assert {e["account"] for e in every} == {"acme"}
    assert len(every) == 4
    assert {losses["instances"] for losses in answer["spread"].values()} == {4}
    assert answer["spread"]["before"]["expected"] >= 1.0
    too_many = {"instance_ids": [WEB] * 101}
    assert ask("POST", "/evaluations", json=too_many).status_code == 422
    foreign = ask("POST", "/evaluations", "own", json={"instance_ids": [WEB, FOREIGN]})
    assert foreign.status_code == 404


def test_an_experiment_is_opened_whole_and_explained(ask: ApiClient) -> None:
    number = ask("POST", f"/instances/{WEB}/evaluations").json()["experiment_id"]
    whole = ask("GET", f"/experiments/{number}?candidates=2&features=true").json()
    assert whole["verdict"]["decision"] == "SWITCH"
    assert len(whole["candidates"]) == 2
    assert whole["candidates"][0]["rank"] == 1
    assert whole["candidates"][0]["features"]["vcpu_count"] == 2.0
    assert whole["candidates"][0]["sources"]
    pages = ask("GET", f"/experiments/{number}/candidates?limit=3").json()
    assert pages["total"] == whole["candidates_total"]
    assert [c["rank"] for c in pages["items"]] == [1, 2, 3]
    pool = pages["items"][0]["pool"]["key"]
    then = ask("GET", f"/experiments/{number}/explanation?pool={pool}").json()
    now = ask("GET", f"/explanation?pool={pool}").json()
    for each in (then, now):
        total = each["base"] + math.fsum(c["log_odds"] for c in each["contributions"])
        assert total == pytest.approx(each["raw_score"], abs=1e-9)
        assert (each["unit"], each["additivity_error"] < 1e-9) == ("log-odds", True)
    assert then["contributions"] == now["contributions"]
    assert ask("GET", f"/experiments/{number}/outcomes").json()["items"] == []
    assert ask("GET", "/explanation?pool=mars:-:m5.large:Linux").status_code == 404


def test_a_decision_is_explained_with_its_margin_and_what_would_change_it(ask: ApiClient) -> None:
    number = ask("POST", f"/instances/{WEB}/evaluations").json()["experiment_id"]
    told = ask("GET", f"/experiments/{number}/decision-explanation").json()
    assert told["decision"] == "SWITCH"
    parts = [told["margin"][name] for name in PARTS]
    assert told["margin"]["total"] == pytest.approx(math.fsum(parts), abs=1e-12)
    (ceiling,) = [flip for flip in told["flips"] if flip["parameter"] == "policy.risk_ceiling"]
    assert ceiling["from"] == 0.0075
    assert ceiling["to"] is not None
    assert ceiling["decision"] != "SWITCH"
    assert told["words"][0] == ask("GET", f"/experiments/{number}").json()["verdict"]["reason"]


def test_an_experiment_is_replayed_as_it_was_and_with_something_else(ask: ApiClient) -> None:
    number = ask("POST", f"/instances/{WEB}/evaluations").json()["experiment_id"]
    same = ask("GET", f"/experiments/{number}/replay").json()
    assert (same["identical"], same["differences"], same["changed"]) == (True, [], [])
    assert same["recorded"] == same["replayed"]
    assert same["recorded"]["decision"] == "SWITCH"

    policy = quote('{"risk_ceiling": 0.5, "min_saving_usd_per_hour": 1}')
    other = ask("GET", f"/experiments/{number}/replay?policy={policy}").json()
    assert (other["changed"], other["identical"]) == (["policy"], False)
    assert other["replayed"]["decision"] == "STAY"
    assert {"field": "decision", "recorded": "SWITCH", "replayed": "STAY"} in other["differences"]
    assert other["replayed"]["cost_since"]["total_usd"] is None
    assert other["replayed"]["cost_since"]["unknown"] == "No prices were read since the decision."

    wrong = ask("GET", f"/experiments/{number}/replay?policy={quote('[1]')}")
    assert wrong.status_code == 422
    assert ask("GET", f"/experiments/{number}/replay?model=gone@1").status_code == 404
    assert ask("GET", f"/experiments/{number}/replay?workload=gone").status_code == 404
    assert ask("GET", "/experiments/4711/replay").status_code == 404


def test_experiments_are_filtered(ask: ApiClient) -> None:
    ask("POST", "/evaluations", json={})

    def total(query: str) -> int:
        found: int = ask("GET", f"/experiments?{query}").json()["total"]
        return found

    assert total("") == 5
    assert total(f"instance_id={WEB}") == 1
    assert total("account=other") == 1
    assert total("decision=SWITCH") + total("decision=STAY") == 5
    assert total("model=toy") == 5
    assert total("since=2026-03-01T12:00:01Z") == 0
    assert total("until=2026-03-01T12:00:00Z") == 5
    assert total("shadow=true&degraded=false&failed=false") == 5
    assert ask("GET", "/experiments?since=2026-03-01T12:00:00").status_code == 422
    assert ask("GET", f"/instances/{WEB}/experiments").json()["total"] == 1


def test_candidates_meet_what_is_asked(ask: ApiClient) -> None:
    every = ask("GET", "/candidates?limit=100").json()
    costs = [c["expected_cost_usd_per_hour"] for c in every["items"]]
    assert costs == sorted(costs)
    assert every["pools"] == every["total"] + sum(every["dropped"].values())
    arm = ask("GET", "/candidates?architecture=arm64&zone=us-east-1a").json()
    assert [c["pool"]["instance_type"] for c in arm["items"]] == ["m6g.large"]
    like = ask("GET", f"/candidates?instance_id={WEB}").json()
    assert like["requirements"]["vcpu_min"] == 2
    own = ask("GET", f"/candidates?instance_id={FLEET[1][0]}&limit=100").json()
    ranked = {c["pool"]["instance_type"] for c in own["items"]}
    assert "m5.large" not in ranked, "older CPU generation than its own m6i"
    assert "older CPU generation" in own["dropped"]
    both = ask("GET", f"/candidates?instance_id={WEB}&vcpu_min=8")
    assert (both.status_code, both.json()["type"]) == (422, "/api/docs#invalid-input")


def test_a_candidate_says_what_is_known_of_its_placement(ask: ApiClient, lab: Lab) -> None:
    at = lab.clock.now()
    types, scores = ("m5.large", "m6i.large", "t3.large"), {"us-east-1a": 8}
    lab.store.placement.record(
        PlacementResponse(True, "acme", "us-east-1", types, at, "a test", False, scores)
    )
    items = ask("GET", "/candidates?limit=100").json()["items"]
    known = {item["pool"]["key"]: item["placement"] for item in items}
    assert (known[POOL]["state"], known[POOL]["score"]) == ("scored", 8)
    assert known[POOL]["instance_types"] == list(types)
    unknown = known["us-east-1:us-east-1b:m6i.large:Linux"]
    assert (unknown["state"], unknown["score"]) == ("unknown", None)
    assert unknown["reason"]


def test_models_are_decided_about_step_by_step(ask: ApiClient) -> None:
    champion = ask("GET", "/models?state=champion").json()["items"][0]
    assert champion["reference"] == "toy@1.0.0"
    assert ask("GET", "/models/toy").json()["card"]["name"] == "toy"
    refused = ask("POST", "/models/toy@1.0.0/accept", json={})
    assert (refused.status_code, "candidate" in refused.json()["remedy"]) == (422, True)
    assert ask("POST", "/models/toy@1.0.0/reject", json={}).status_code == 422
    assert ask("POST", "/models/toy@1.0.0/explode", json={}).status_code == 404
    wrong = ask("POST", "/models/toy@1.0.0/history", json={})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    events = ask("GET", "/models/toy@1.0.0/history").json()["items"]
    assert [e["action"] for e in events] == ["champion", "graduate", "register"]


def test_a_refused_upload_says_why(ask: ApiClient) -> None:
    zipped = {"Content-Type": "application/zip"}
    answer = ask("POST", "/models", content=b"no zip", headers=zipped)
    assert (answer.status_code, "zip" in answer.json()["detail"]) == (422, True)
    assert (
        ask("POST", "/models", content=b"{}", headers={"Content-Type": "text/x"}).status_code == 415
    )


def test_a_bare_model_is_uploaded_with_the_answers_for_its_card(ask: ApiClient) -> None:
    text = {"Content-Type": "text/plain"}
    booster = bare_model("available_1h", HORIZON)
    refused = ask("POST", "/models?name=loss", content=booster, headers=text)
    assert (refused.status_code, "label is missing" in refused.json()["detail"]) == (422, True)
    path = "/models?name=loss&label=capacity-loss&horizons_h=0.5"
    refused = ask("POST", path, content=booster, headers=text).json()
    assert "two or more" in refused["remedy"]
    made = ask("POST", f"{path}&horizons_h=1&horizons_h=3", content=booster, headers=text)
    assert (made.status_code, made.json()["model"]["task"]) == (201, "capacity")
    card = ask("GET", "/models/loss@1.0.0").json()["card"]
    assert card["horizons_h"] == [0.5, 1.0, 3.0]


def test_performance_is_unknown_until_something_happened(ask: ApiClient) -> None:
    ask("POST", "/evaluations", json={})
    found = ask("GET", "/models/toy/performance").json()
    assert (found["experiments"], found["outcomes"], found["scores"]) == (5, 0, [])
    made = ask("GET", "/models/toy/experiments?limit=2").json()
    assert (made["total"], [e["outcomes"] for e in made["items"]]) == (5, [[], []])


def test_weights_of_forecasts_are_read_and_their_pools_by_whoever_sees_every_account(
    ask: ApiClient, lab: Lab
) -> None:
    nothing = ask("GET", "/online-weights").json()
    assert nothing == {"market": None, "at": None, "model": None, "standings": [], "lag": None}
    lab.store.online_weights.save(learnt(lab.reader.active(), lab.clock.now()), b"")
    found = ask("GET", "/online-weights").json()
    assert [(s["pool"], s["horizon_h"]) for s in found["standings"]] == [
        ("", None),
        ("", 0.25),
        ("", 6.0),
        ("", 24.0),
        (LEARNT_POOL, None),
    ]
    assert (found["lag"]["behind"], found["lag"]["rule"]) == (True, "pool_rate")
    own = ask("GET", "/online-weights", "own").json()
    assert {s["pool"] for s in own["standings"]} == {""}


def test_jobs_are_read_asked_for_and_paused(ask: ApiClient) -> None:
    assert "retention" in [j["name"] for j in ask("GET", "/jobs").json()["items"]]
    asked = ask("POST", "/jobs/retention/runs", json={"reason": "now"})
    assert (asked.status_code, asked.json()["job"]) == (202, "retention")
    assert ask("POST", "/jobs/retention/runs", json={}).status_code == 409
    paused = ask("PATCH", "/jobs/retention", json={"paused": True}).json()
    assert paused["paused"] is True
    assert ask("PATCH", "/jobs/retention", json={"schedule": "each blue moon"}).status_code == 422
    assert ask("GET", "/jobs/nothing").status_code == 404
    assert ask("GET", "/jobs/retention/runs").json()["total"] == 0


def test_users_and_tokens_are_for_administrators(ask: ApiClient) -> None:
    boss = ask("POST", "/users", json={"name": "boss", "role": "admin"})
    assert boss.status_code == 201
    made = ask("POST", "/users", json={"name": "cleo", "role": "viewer", "accounts": ["acme"]})
    assert made.json()["password_link"].startswith("/choose-password")
    assert ask("PATCH", "/users/cleo", json={"role": "operator"}).json()["role"] == "operator"
    assert ask("GET", "/users/cleo").json()["accounts"] == ["acme"]
    token = ask("POST", "/tokens", json={"user": "cleo", "name": "ci", "scopes": ["read"]}).json()
    secret = token["token"]
    assert secret not in ask("GET", "/tokens?user=cleo").text
    ended = ask("DELETE", f"/tokens/{token['about']['token_id']}").json()
    assert ended["revoked_at"] is not None
    for method, path in (("GET", "/users"), ("GET", "/tokens"), ("GET", "/users/cleo")):
        assert ask(method, path, "operator").status_code == 403


def test_health_is_told_in_a_word_to_everybody(ask: ApiClient) -> None:
    word = ask("GET", "/health", None)
    assert word.status_code == 200
    assert set(word.json()) == {"status", "version", "checked_at"}
    assert ask("GET", "/health/components", None).status_code == 401
    names = [c["name"] for c in ask("GET", "/health/components").json()["items"]]
    assert "database" in names


def test_metrics_are_for_those_who_may_read_them(ask: ApiClient) -> None:
    names = [m["name"] for m in ask("GET", "/metrics", "researcher").json()["items"]]
    assert any(name.startswith("spotlab_") for name in names)
    assert ask("GET", "/metrics", "viewer").status_code == 403


READS = (
    "/instances/{}",
    "/instances/{}/requirements",
    "/instances/{}/pipeline",
    "/instances/{}/experiments",
    "/candidates?instance_id={}",
)


@pytest.mark.parametrize("path", READS)
def test_a_foreign_instance_is_not_there(ask: ApiClient, path: str) -> None:
    assert ask("GET", path.format(FOREIGN)).status_code == 200
    hidden = ask("GET", path.format(FOREIGN), "own")
    missing = ask("GET", path.format("i-00000000000000000"), "own")
    assert (hidden.status_code, missing.status_code) == (404, 404)
    same = hidden.json()["detail"].replace(FOREIGN, "X")
    assert same == missing.json()["detail"].replace("i-00000000000000000", "X")


def test_a_foreign_decision_is_not_there(ask: ApiClient) -> None:
    number = ask("POST", f"/instances/{FOREIGN}/evaluations").json()["experiment_id"]
    paths = (
        "",
        "/candidates",
        "/outcomes",
        "/replay",
        f"/explanation?pool={POOL}",
        "/decision-explanation",
    )
    for path in paths:
        assert ask("GET", f"/experiments/{number}{path}", "own").status_code == 404
    assert ask("GET", "/experiments", "own").json()["total"] == 0
    assert ask("GET", "/accounts/other", "own").status_code == 404
    assert [a["name"] for a in ask("GET", "/accounts", "own").json()["items"]] == ["acme"]
    assert ask("GET", "/models/toy/experiments", "own").json()["total"] == 0
    assert ask("GET", "/models/toy/performance", "own").json()["experiments"] == 0


WRITES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("PUT", "/instances/{}/shadow", {"shadow": False}, "operator"),
    ("PUT", "/instances/{}/mode", {"mode": "off"}, "operator"),
    ("PUT", "/instances/{}/model", {"model": None}, "operator"),
    ("PUT", "/instances/{}/requirements", {"requirements": None}, "operator"),
    ("POST", "/instances/{}/evaluations", {}, "operator"),
    ("POST", "/evaluations", {"instance_ids": ["{}"]}, "operator"),
    ("POST", "/jobs/retention/runs", {}, "operator"),
    ("PATCH", "/jobs/retention", {"paused": False}, "operator"),
    ("POST", "/models/toy/disable", {}, "admin"),
    (
        "POST",
        "/accounts",
        {"name": "n", "aws_account_id": "1" * 12, "regions": ["us-east-1"]},
        "admin",
    ),
    ("POST", "/users", {"name": "n", "role": "viewer"}, "admin"),
)


@pytest.mark.parametrize(
    ("method", "path", "body", "role"), WRITES, ids=lambda value: str(value)[:30]
)
def test_a_write_is_for_those_who_may(
    ask: ApiClient, method: str, path: str, body: dict[str, Any], role: str
) -> None:
    below = {"operator": ("demo", "viewer", "researcher"), "admin": ("viewer", "operator")}[role]
    asked = {"instance_ids": [WEB]} if "instance_ids" in body else body
    for who in below:
        answer = ask(method, path.format(WEB), who, json=asked, headers=ANY)
        assert answer.status_code == 403, (who, answer.text)
        assert answer.json()["type"] == "/api/docs#forbidden"
    assert ask(method, path.format(WEB), None, json=asked, headers=ANY).status_code == 401
    if "{}" in path:
        assert ask(method, path.format(FOREIGN), "own", json=asked, headers=ANY).status_code == 404


def test_a_decision_with_known_outcomes_is_scored(ask: ApiClient, lab: Lab) -> None:
    from spotlab.domain.market import MarketName
    from spotlab.domain.outcomes import Outcome, OutcomeState, Target

    number = ask("POST", f"/instances/{WEB}/evaluations").json()["experiment_id"]
    now = lab.clock.now()
    lab.store.outcomes.record(
        [
            Outcome(
                experiment_id=number,
                target=Target.INTERRUPTION,
                model="toy@1.0.0",
                subject=WEB,
                market=MarketName.SIMULATED,
                predicted_at=now,
                due_at=now + timedelta(hours=24),
                horizon_h=24.0,
                predicted=0.01,
                realised=0.0,
                state=OutcomeState.REALISED,
                reason="It ran on.",
            )
        ]
    )
    found = ask("GET", "/models/toy/performance").json()
    score = found["scores"][0]
    assert (found["outcomes"], score["rows"], score["base_rate"]["value"]) == (1, 1, 0.0)
    assert score["brier"]["value"] == pytest.approx(1e-4)
    assert score["brier"]["low"] is None  # one day is too short for an interval
    outcome = ask("GET", f"/experiments/{number}/outcomes").json()["items"][0]
    assert (outcome["realised"], outcome["state"]) == (0.0, "realised")
