"""A workload says what an interruption costs, and one rule chooses it for an instance."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import (
    DEFAULT_WORKLOAD,
    Assignment,
    AssignmentScope,
    Workload,
    applied_workload,
    describe_cost,
    to_parameters,
    with_work_lost,
)
from spotlab.domain.workload_presets import PRESETS
from spotlab.errors import InvalidInput

BY_NAME = {workload.name: workload for workload in PRESETS}
FORMER_FIELDS = {
    *("name", "version", "description", "work_lost_h", "recovery_h", "fixed_usd", "horizon_h"),
    *("value_usd_per_hour", "max_pool_share", "regions", "zones", "hardware"),
}
INSTANCE = Assignment(AssignmentScope.INSTANCE, "i-1", "stateful-server")
TAG = Assignment(AssignmentScope.TAG, "role=train", "checkpointed-training")
ACCOUNT = Assignment(AssignmentScope.ACCOUNT, "research", "queue-worker")


def instance(account: str, tags: dict[str, str]) -> Instance:
    return Instance("i-1", account, Pool("r", "ra", "m5.large"), Lifecycle.SPOT, tags=tags)


def test_an_interruption_costs_its_fixed_part_and_the_hours_at_their_value() -> None:
    workload = Workload("job", 1, "", work_lost_h=0.5, recovery_h=0.25, fixed_usd=2.0)
    assert workload.interruption_usd(4.0) == pytest.approx(2.0 + 0.75 * 4.0)
    valued = replace(workload, value_usd_per_hour=100.0)
    assert valued.interruption_usd(4.0) == pytest.approx(2.0 + 0.75 * 100.0)


def test_an_outage_costs_while_the_instance_is_missing_and_not_for_lost_work() -> None:
    workload = Workload("api", 1, "", work_lost_h=0.5, recovery_h=0.25, outage_usd_per_hour=80.0)
    assert workload.interruption_usd(4.0) == pytest.approx(0.75 * 4.0 + 0.25 * 80.0)
    assert workload.downtime_usd_per_hour(4.0) == pytest.approx(84.0)


@pytest.mark.parametrize(
    ("slack_h", "late_h"),
    [(0.0, 0.75), (0.25, 0.5), (0.75, 0.125), (1.25, 0.0), (9.0, 0.0)],
    ids=["none left", "the recovery's", "half of the losses are late", "just enough", "plenty"],
)
def test_a_deadline_costs_the_hours_after_it_that_one_interruption_causes(
    slack_h: float, late_h: float
) -> None:
    workload = Workload(
        "job",
        1,
        "",
        work_lost_h=0.5,
        recovery_h=0.25,
        deadline_slack_h=slack_h,
        late_usd_per_hour=40.0,
    )
    assert workload.late_h == pytest.approx(late_h)
    assert workload.interruption_usd(4.0) == pytest.approx(0.75 * 4.0 + late_h * 40.0)
    delays_h = np.linspace(0.0, 1.0, 100_001) + 0.25  # what is lost is uniform up to twice its mean
    assert workload.late_h == pytest.approx(np.maximum(0.0, delays_h - slack_h).mean(), abs=1e-5)


def test_half_of_a_checkpoint_interval_is_lost_until_the_loss_itself_is_given() -> None:
    every_4_h = with_work_lost(DEFAULT_WORKLOAD, None, 4.0)
    assert (every_4_h.work_lost_h, every_4_h.checkpoint_interval_h) == (2.0, 4.0)
    measured = with_work_lost(every_4_h, 1.25, None)
    assert (measured.work_lost_h, measured.checkpoint_interval_h) == (1.25, None)


def test_the_cost_in_words_has_all_its_parts() -> None:
    assert describe_cost(DEFAULT_WORKLOAD) == "An interruption costs 0.6 h at the on-demand price."
    workload = Workload(
        "job",
        1,
        "",
        work_lost_h=0.5,
        recovery_h=0.25,
        fixed_usd=2.0,
        outage_usd_per_hour=80.0,
        deadline_slack_h=0.75,
        late_usd_per_hour=40.0,
    )
    assert describe_cost(workload) == (
        "An interruption costs 2 USD, 0.75 h at the on-demand price, 0.25 h of outage at 80 USD "
        "and 0.125 h after the deadline at 40 USD."
    )


def test_a_workload_survives_json_and_a_version_stored_before_a_field_existed_loads() -> None:
    workload = replace(
        with_work_lost(DEFAULT_WORKLOAD, None, 4.0),
        requirements=Requirements(families=("m6i",), vcpu_min=4.0),
        group_tag="service",
    )
    stored = json.loads(json.dumps(to_parameters(workload)))
    assert msgspec.convert(stored, Workload) == workload
    former = {name: value for name, value in stored.items() if name in FORMER_FIELDS}
    loaded = msgspec.convert(former, Workload)
    assert (loaded.work_lost_h, loaded.requirements, loaded.group_tag) == (2.0, None, "")


def test_five_presets_and_a_default_say_what_they_assume() -> None:
    assert len(PRESETS) == 6
    assert len(BY_NAME) == 6
    for workload in PRESETS:
        assert workload.version == 1
        assert any(character.isdigit() for character in workload.description) or (
            "half" in workload.description
        )


@pytest.mark.parametrize(
    ("rules", "tags", "chosen", "reason"),
    [
        (
            (ACCOUNT, TAG, INSTANCE),
            {"role": "train"},
            "stateful-server",
            "Workload stateful-server, assigned to this instance.",
        ),
        (
            (ACCOUNT, TAG),
            {"role": "train"},
            "checkpointed-training",
            "Workload checkpointed-training, assigned by tag role=train.",
        ),
        (
            (ACCOUNT, TAG),
            {"role": "web"},
            "queue-worker",
            "Workload queue-worker, assigned by account research.",
        ),
        ((TAG,), {}, "default", "Default workload assumed."),
        ((replace(INSTANCE, workload="gone"),), {}, "default", "Default workload assumed."),
    ],
    ids=["instance", "tag", "account", "default", "deleted workload"],
)
def test_the_nearest_rule_wins_and_is_named(
    rules: tuple[Assignment, ...], tags: dict[str, str], chosen: str, reason: str
) -> None:
    applied = applied_workload(instance("research", tags), rules, BY_NAME)
    assert applied.workload.name == chosen
    assert applied.reason == reason


def test_of_two_tags_the_first_by_name_wins_whatever_the_order_of_the_rules() -> None:
    rules = (
        Assignment(AssignmentScope.TAG, "team=web", "stateless-service"),
        Assignment(AssignmentScope.TAG, "role=train", "checkpointed-training"),
    )
    tags = {"team": "web", "role": "train"}
    for order in (rules, rules[::-1]):
        assert applied_workload(instance("a", tags), order, BY_NAME).key == "role=train"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "a b"}, "not a workload's name"),
        ({"name": ""}, "not a workload's name"),
        ({"work_lost_h": -1.0}, "work_lost_h is -1.0"),
        ({"recovery_h": float("nan")}, "recovery_h is nan"),
        ({"fixed_usd": 1e10}, "fixed_usd is"),
        ({"horizon_h": 0.0}, "horizon_h is 0.0"),
        ({"max_pool_share": 0.0}, "max_pool_share is 0"),
        ({"max_pool_share": 1.5}, "max_pool_share is 1.5"),
        ({"hardware": replace(DEFAULT_WORKLOAD.hardware, memory_tolerance=0.9)}, "memory_tol"),
        ({"description": "x" * 501}, "501 characters"),
        ({"group_tag": "x" * 129}, "group_tag has 129 characters"),
        ({"outage_usd_per_hour": -1.0}, "outage_usd_per_hour is -1.0"),
        ({"checkpoint_interval_h": 3.0}, "half of the checkpoint interval is 1.5"),
        ({"deadline_slack_h": 2.0}, "deadline_slack_h is given without late_usd_per_hour"),
        ({"late_usd_per_hour": 2.0}, "late_usd_per_hour is given without deadline_slack_h"),
        ({"requirements": Requirements(regions=("us-east-1",))}, "Set `regions` and `zones`"),
    ],
)
def test_a_value_out_of_range_is_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        replace(DEFAULT_WORKLOAD, **change)  # type: ignore[arg-type]
