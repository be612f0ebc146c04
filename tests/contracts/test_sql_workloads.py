"""Workloads and their assignments, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text

from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import (
    NO_WORKLOAD,
    AppliedWorkload,
    Assignment,
    AssignmentScope,
    Workload,
    to_parameters,
)
from spotlab.errors import ChangedMeanwhile, NotFound
from spotlab.store import Store
from tests.support import builders as make
from tests.support.builders import BY
from tests.support.racing import call_concurrently, outcomes

MANY = 8
FULL = Workload(
    "render",
    1,
    "Renders frames.",
    work_lost_h=0.1 + 0.2,
    recovery_h=0.05,
    fixed_usd=2.5,
    value_usd_per_hour=40.0,
    horizon_h=12.0,
    max_pool_share=1 / 3,
    regions=("us-east-1", "eu-west-1"),
    zones=("us-east-1a",),
    hardware=HardwareRule(memory_tolerance=0.07, equal_gpus=frozenset({"a10g", "l4"})),
    checkpoint_interval_h=2 * (0.1 + 0.2),
    outage_usd_per_hour=5.0,
    deadline_slack_h=1.0,
    late_usd_per_hour=30.0,
    requirements=Requirements(families=("m6i",), vcpu_min=4.0, accelerator=False),
    group_tag="service",
)


def test_a_version_is_read_as_it_was_saved(store: Store) -> None:
    assert store.workloads.save(FULL, BY) == FULL
    second = store.workloads.save(replace(FULL, fixed_usd=3.0), BY, 1)
    assert second == replace(FULL, fixed_usd=3.0, version=2)
    assert [each.workload for each in store.workloads.versions("render")] == [second, FULL]
    assert store.workloads.versions("render")[0].created_by == BY.actor
    assert store.workloads.newest()["render"] == second


def test_of_changes_to_one_version_one_is_saved(store: Store) -> None:
    saves = [
        partial(store.workloads.save, replace(FULL, fixed_usd=float(n)), BY, 0) for n in range(MANY)
    ]
    assert outcomes(call_concurrently(saves)) == {"ok": 1, "ChangedMeanwhile": MANY - 1}
    with pytest.raises(ChangedMeanwhile, match="at version 1, not 0"):
        store.workloads.save(FULL, BY, 0)


def test_a_rule_is_set_and_removed(store: Store) -> None:
    rule = Assignment(AssignmentScope.TAG, "role=worker", "queue-worker")
    store.workloads.assign(rule.scope, rule.key, rule.workload, BY)
    assert store.workloads.assignments() == [rule]
    store.workloads.assign(rule.scope, rule.key, "stateful-server", BY)
    assert store.workloads.assignments() == [replace(rule, workload="stateful-server")]
    store.workloads.assign(rule.scope, rule.key, None, BY)
    assert store.workloads.assignments() == []
    with pytest.raises(NotFound, match="No workload is assigned"):
        store.workloads.assign(rule.scope, rule.key, None, BY)
    with pytest.raises(NotFound, match="no workload 'laundry'"):
        store.workloads.assign(rule.scope, rule.key, "laundry", BY)


def test_a_decision_keeps_its_whole_workload(store: Store) -> None:
    applied = AppliedWorkload(FULL, AssignmentScope.TAG, "role=worker")
    experiment_id = store.ledger.record(make.experiment(workload=applied))
    assert store.ledger.get(experiment_id).workload == applied


ADDED_LATER = (
    *("checkpoint_interval_h", "outage_usd_per_hour", "deadline_slack_h", "late_usd_per_hour"),
    *("requirements", "group_tag"),
)


def former(workload: Workload) -> dict[str, Any]:
    """The parameters of a workload as they were stored before these fields existed."""
    return {k: v for k, v in to_parameters(workload).items() if k not in ADDED_LATER}


def test_versions_and_decisions_from_before_these_fields_are_read(store: Store) -> None:
    store.workloads.save(FULL, BY)
    experiment_id = store.ledger.record(make.experiment())
    default = {"workload": former(NO_WORKLOAD.workload), "scope": "default", "key": ""}
    engine: Engine = store.engine
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE workloads SET parameters = :was"), {"was": json.dumps(former(FULL))}
        )
        connection.execute(
            text("UPDATE experiments SET workload = :was"), {"was": json.dumps(default)}
        )
    found = store.workloads.newest()["render"]
    assert (found.work_lost_h, found.checkpoint_interval_h) == (FULL.work_lost_h, None)
    assert (found.deadline_slack_h, found.requirements, found.group_tag) == (None, None, "")
    assert store.ledger.get(experiment_id).workload == NO_WORKLOAD
