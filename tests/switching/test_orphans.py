"""The sweep of orphans reports, and deletes only what has the tag of a finished switch."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from spotlab.domain.switches import SWITCH_TAG, Switch, SwitchState
from spotlab.switching.orphans import delete, find
from tests.switching.fake_aws import START, FakeAws, FakeImage
from tests.switching.world import OLD, World

LATER = START + timedelta(hours=5)


def world_with_leftovers() -> tuple[FakeAws, Switch]:
    """A rolled-back switch whose image, snapshot and second instance were left over."""
    world = World()
    world.recover()
    switch = replace(world.switch, state=SwitchState.ROLLED_BACK, got=None, finished_at=START)
    tags = {SWITCH_TAG: switch.switch_id}
    aws = world.aws
    aws.snapshots["snap-1"] = dict(tags)
    aws.images["ami-1"] = FakeImage("ami-1", "old", 0.0, ("snap-1",), dict(tags))
    for each in aws.instances.values():
        if each.instance_id != OLD:
            each.tags |= tags
    return aws, switch


def test_what_a_finished_switch_left_is_reported_and_deleted_on_request() -> None:
    aws, switch = world_with_leftovers()
    before = len(aws.calls)
    found = find(aws, "prod", "us-east-1", {switch.switch_id: switch}, LATER)
    assert [each.resource.kind for each in found] == ["instance", "image", "snapshot"]
    assert all(each.deletable for each in found)
    assert aws.calls[before:] == ["own"], "a report changes nothing"
    assert all(error == "" for _, error in delete(aws, found))
    assert not aws.alive()
    assert not aws.images
    assert not aws.snapshots


def test_what_a_done_switch_handed_over_only_loses_its_tags() -> None:
    aws, switch = world_with_leftovers()
    world = World()
    world.recover()
    done = replace(world.switch, finished_at=START)
    assert done.got is not None
    holder = done.got.instance_id
    found = find(aws, "prod", "us-east-1", {switch.switch_id: done}, LATER)
    delete(aws, found)
    assert aws.alive() == [holder]
    assert SWITCH_TAG not in aws.instances[holder].tags
    assert not aws.images


def test_nothing_of_an_open_or_unknown_or_just_finished_switch_is_deleted() -> None:
    aws, switch = world_with_leftovers()
    running = replace(switch, state=SwitchState.RUNNING, finished_at=None)
    assert find(aws, "prod", "us-east-1", {switch.switch_id: running}, LATER) == []
    unknown = find(aws, "prod", "us-east-1", {}, LATER)
    assert {(each.state, each.deletable) for each in unknown} == {("unknown", False)}
    assert "is not in this database" in unknown[0].why
    fresh = find(aws, "prod", "r", {switch.switch_id: switch}, START + timedelta(minutes=3))
    assert not any(each.deletable for each in fresh)
    assert delete(aws, [*unknown, *fresh]) == []
    assert aws.alive()
    assert aws.images


def test_what_lost_its_tag_since_the_report_is_left_alone() -> None:
    aws, switch = world_with_leftovers()
    found = find(aws, "prod", "us-east-1", {switch.switch_id: switch}, LATER)
    aws.images["ami-1"].tags.clear()
    aws.snapshots["snap-1"].clear()
    delete(aws, found)
    assert "ami-1" in aws.images
    assert "snap-1" in aws.snapshots


def test_an_image_that_cannot_be_deleted_is_reported() -> None:
    aws, switch = world_with_leftovers()
    found = find(aws, "prod", "us-east-1", {switch.switch_id: switch}, LATER)
    aws.always["deregister_image"] = "denied"
    errors = {orphan.resource.kind: error for orphan, error in delete(aws, found)}
    assert "denied" in errors["image"]
    assert errors["instance"] == ""
