"""A workload says what an interruption costs, and one rule chooses it for an instance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.workload import (
    DEFAULT_WORKLOAD,
    PRESETS,
    Assignment,
    AssignmentScope,
    Workload,
    applied_workload,
)
from spotlab.errors import InvalidInput

BY_NAME = {workload.name: workload for workload in PRESETS}
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
    ],
)
def test_a_value_out_of_range_is_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        replace(DEFAULT_WORKLOAD, **change)  # type: ignore[arg-type]
