"""Policies through the API: drafts, states with If-Match, differences, shadow and preview."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from spotlab.api.views.policies import PolicyParametersRequest, PolicyParametersView
from spotlab.domain.policy import PolicyParams
from tests.api.conftest import ApiClient
from tests.support.lab import FLEET

WEB = FLEET[0][0]
ANY = {"If-Match": "*"}


def saved(ask: ApiClient, **parameters: float) -> dict[str, Any]:
    body = {"name": "cautious", "base": "default", "parameters": parameters}
    body |= {"description": "Fewer moves."}
    answer = ask("POST", "/policies", "operator", json=body | {"reason": "a test"})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/v1/policies/{found['reference']}"
    return found


def test_every_parameter_is_read_and_set() -> None:
    names = [field.name for field in fields(PolicyParams)]
    assert list(PolicyParametersView.model_fields) == names
    assert list(PolicyParametersRequest.model_fields) == names


def test_the_built_in_policy_is_active(ask: ApiClient) -> None:
    (only,) = ask("GET", "/policies", "viewer").json()["items"]
    assert (only["reference"], only["state"], only["history"]) == ("default@1", "active", [])
    assert only["parameters"]["cooldown_h"] == 6.0


def test_a_draft_is_compared_run_in_shadow_and_activated(ask: ApiClient) -> None:
    draft = saved(ask, min_saving_fraction=1.0, risk_ceiling=1.0)
    assert (draft["state"], draft["moves"]) == ("draft", ["shadow", "active", "retired"])
    diff = ask("GET", "/policies/cautious/diff").json()
    assert (diff["policy"], diff["against"]) == ("cautious@1", "default@1")
    assert [each["text"] for each in diff["differences"]] == [
        "Minimum saving 5 % → 100 %",
        "Risk ceiling 0.75 % → 100 %",
    ]

    path = "/policies/cautious@1/state"
    shadow = ask("PUT", path, "operator", json={"state": "shadow"}, headers=ANY)
    assert shadow.json()["state"] == "shadow"
    decided = ask("POST", f"/instances/{WEB}/evaluations", "operator").json()
    assert (decided["decision"], decided["policy_version"]) == ("SWITCH", "default@1")
    beside = ask("GET", "/policies/cautious@1/shadow").json()
    assert (beside["decided"], beside["moves"], beside["moves_as_made"]) == (1, 0, 1)
    assert beside["agreement"] == {"value": 0.0, "low": None, "high": None}
    preview = ask("GET", "/policies/cautious@1/preview?days=1").json()
    assert (preview["decided"], preview["changed"]) == (1, 1)
    assert preview["transitions"] == [{"before": "SWITCH", "after": "STAY", "count": 1}]
    (change,) = preview["changes"]
    assert change["experiment_id"] == decided["experiment_id"]

    active = {"state": "active", "reason": "fewer moves"}
    assert ask("PUT", path, "operator", json=active, headers=ANY).status_code == 403
    made = ask("PUT", path, json=active, headers=ANY).json()
    assert (made["state"], made["history"][0]["reason"]) == ("active", "fewer moves")
    retired = ask("GET", "/policies?state=retired").json()["items"]
    assert [each["reference"] for each in retired] == ["default@1"]
    again = ask("POST", f"/instances/{WEB}/evaluations", "operator").json()
    assert (again["decision"], again["policy_version"]) == ("STAY", "cautious@1")
    whole = ask("GET", f"/experiments/{again['experiment_id']}").json()
    assert (whole["policy_version"], whole["policy"]["min_saving_fraction"]) == ("cautious@1", 1.0)


def test_a_state_is_changed_only_as_it_was_read(ask: ApiClient) -> None:
    saved(ask, cooldown_h=12.0)
    path = "/policies/cautious@1"
    tag = ask("GET", path).headers["ETag"]
    shadow = {"state": "shadow"}
    assert ask("PUT", f"{path}/state", json=shadow).status_code == 428
    first = ask("PUT", f"{path}/state", json=shadow, headers={"If-Match": tag})
    assert first.status_code == 200
    late = ask("PUT", f"{path}/state", json={"state": "retired"}, headers={"If-Match": tag})
    assert late.status_code == 412
    assert ask("GET", path).headers["ETag"] == first.headers["ETag"]


def test_a_draft_is_the_next_version_of_the_one_expected(ask: ApiClient) -> None:
    saved(ask, cooldown_h=12.0)
    body = {"name": "cautious", "parameters": {"cooldown_h": 24.0}, "expected_version": 0}
    assert ask("POST", "/policies", json=body).status_code == 412
    made = ask("POST", "/policies", json=body | {"expected_version": 1})
    assert (made.status_code, made.json()["reference"]) == (201, "cautious@2")
    assert made.json()["description"] == "Fewer moves."


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"name": "a b"}, 422, "name"),
        ({"name": "x", "parameters": {"risk_ceiling": 2}}, 422, "risk_ceiling"),
        ({"name": "x", "parameters": {"horizon_h": 2}}, 422, "horizon_h"),
        ({"name": "default"}, 422, "Nothing differs from default@1"),
        ({"name": "x", "parameters": {"cooldown_h": 1}}, 422, "Name a base to start from"),
        ({"name": "x", "base": "nobody", "parameters": {"cooldown_h": 1}}, 404, "'nobody'"),
    ],
)
def test_a_wrong_draft_is_refused_by_name(
    ask: ApiClient, body: dict[str, Any], status: int, said: str
) -> None:
    answer = ask("POST", "/policies", json=body)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


def test_a_change_of_state_needs_every_account_and_a_reason_to_activate(ask: ApiClient) -> None:
    saved(ask, cooldown_h=12.0)
    path = "/policies/cautious@1/state"
    assert ask("PUT", path, "own", json={"state": "shadow"}, headers=ANY).status_code == 403
    silent = ask("PUT", path, json={"state": "active"}, headers=ANY)
    assert (silent.status_code, "with a reason" in silent.text) == (422, True)
    unknown = ask("PUT", "/policies/cautious@9/state", json={"state": "shadow"}, headers=ANY)
    assert unknown.status_code == 404
    same = ask("PUT", path, json={"state": "draft"}, headers=ANY)
    assert (same.status_code, "already draft" in same.text) == (409, True)
