"""Workloads are read, saved as new versions and assigned; wrong values are named."""

from __future__ import annotations

from typing import Any

import pytest

from spotlab.domain.ports import AuditFilter
from spotlab.runtime.lab import Lab
from tests.api.conftest import FOREIGN, ApiClient
from tests.support.lab import FLEET

WEB = FLEET[0][0]
WORKER = {
    "description": "Renders frames.",
    "checkpoint_interval_h": 1.0,
    "recovery_h": 0.05,
    "fixed_usd": 2.5,
    "expected_version": 0,
    "reason": "measured",
}


def test_every_installation_has_workloads(ask: ApiClient) -> None:
    listed = ask("GET", "/workloads").json()
    names = [each["name"] for each in listed["items"]]
    assert names == sorted(names)
    assert {"default", "queue-worker", "stateful-server"} <= set(names)
    one = ask("GET", "/workloads/queue-worker").json()
    assert one in listed["items"]
    assert one["words"] == "An interruption costs 0.3 h at the on-demand price."
    assert (one["version"], one["created_by"]) == (1, None)


def test_a_saved_workload_is_a_new_version_and_the_former_one_stays(
    ask: ApiClient, lab: Lab
) -> None:
    saved = ask("PUT", "/workloads/render", json=WORKER)
    assert saved.status_code == 200, saved.text
    assert (saved.json()["version"], saved.json()["work_lost_h"]) == (1, 0.5)
    assert saved.json()["reason"] == "measured"
    changed = WORKER | {"expected_version": 1, "outage_usd_per_hour": 20.0}
    second = ask("PUT", "/workloads/render", json=changed).json()
    assert (second["version"], second["outage_usd_per_hour"]) == (2, 20.0)
    versions = ask("GET", "/workloads/render/versions").json()["items"]
    assert versions == [second, saved.json()]
    assert ask("GET", "/workloads/render?version=1").json() == saved.json()
    entries = lab.store.audit.entries(AuditFilter(action="workload.save"))
    assert [each.target for each in entries] == ["render@2", "render@1"]


def test_a_change_of_a_version_that_is_not_the_newest_is_refused(ask: ApiClient) -> None:
    assert ask("PUT", "/workloads/stale", json=WORKER).status_code == 200
    late = ask("PUT", "/workloads/stale", json=WORKER)
    assert late.status_code == 409
    assert "at version 1, not 0" in late.json()["detail"]
    assert ask("GET", "/workloads/stale").json()["version"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"checkpoint_interval_h": None}, "work_lost_h is missing"),
        ({"work_lost_h": 3.0}, "half of the checkpoint interval is 0.5"),
        ({"deadline_slack_h": 3.0}, "without late_usd_per_hour"),
        ({"regions": ["us-est-1"]}, "'us-est-1' is not known"),
        ({"regions": ["us-east-1"], "zones": ["eu-west-1a"]}, "none of the allowed regions"),
        ({"requirements": {"regions": ["us-east-1"]}}, "have regions or zones"),
        ({"fixed_usd": -1.0}, "fixed_usd"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_saved(
    ask: ApiClient, change: dict[str, Any], said: str
) -> None:
    refused = ask("PUT", "/workloads/wrong", json=WORKER | change)
    assert refused.status_code == 422
    assert said in refused.text
    assert ask("GET", "/workloads/wrong").status_code == 404


def test_what_is_assigned_applies_and_can_be_removed(ask: ApiClient) -> None:
    def applied() -> tuple[str, str]:
        found = ask("GET", f"/instances/{WEB}/workload").json()
        return found["name"], found["scope"]

    assert applied() == ("default", "default")
    by_account = {"scope": "account", "key": "acme", "workload": "queue-worker"}
    assert ask("PUT", "/workload-assignments", json=by_account).json() == by_account
    assert applied() == ("queue-worker", "account")
    own = {"scope": "instance", "key": WEB, "workload": "stateful-server"}
    assert ask("PUT", "/workload-assignments", "own", json=own).json() == own
    assert applied() == ("stateful-server", "instance")
    assert ask("GET", "/workload-assignments").json()["items"] == [by_account, own]
    removed = ask("DELETE", f"/workload-assignments?scope=instance&key={WEB}&reason=done")
    assert removed.json() == own
    assert ask("DELETE", "/workload-assignments?scope=account&key=acme").status_code == 200
    assert applied() == ("default", "default")
    assert ask("DELETE", "/workload-assignments?scope=account&key=acme").status_code == 404


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ({"scope": "tag", "key": "role=worker"}, 403),  # affects instances of all accounts
        ({"scope": "account", "key": "other"}, 403),
        ({"scope": "instance", "key": FOREIGN}, 404),
        ({"scope": "instance", "key": "i-1"}, 404),
    ],
)
def test_a_user_of_one_account_assigns_only_there(
    ask: ApiClient, rule: dict[str, str], status: int
) -> None:
    body = rule | {"workload": "queue-worker"}
    assert ask("PUT", "/workload-assignments", "own", json=body).status_code == status
    assert ask("PUT", "/workloads/render", "own", json=WORKER).status_code == 403
    assert ask("GET", f"/instances/{FOREIGN}/workload", "own").status_code == 404


def test_a_rule_that_is_none_is_named(ask: ApiClient) -> None:
    for rule, said in (
        ({"scope": "tag", "key": "role"}, "NAME=VALUE"),
        ({"scope": "default", "key": "x"}, "scope"),
        ({"scope": "tag", "key": "a=\u202e"}, "key"),
    ):
        refused = ask("PUT", "/workload-assignments", json=rule | {"workload": "queue-worker"})
        assert (refused.status_code, said in refused.text) == (422, True)
    unknown = {"scope": "tag", "key": "a=b", "workload": "laundry"}
    assert ask("PUT", "/workload-assignments", json=unknown).status_code == 404
