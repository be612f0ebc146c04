"""The engine of switches, on an account in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spotlab.domain.decision import Lifecycle
from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_moves import HealthCheck
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import RULES, Step, steps_of
from spotlab.domain.switches import (
    Attempt,
    AttemptState,
    Phase,
    Refusal,
    Switch,
    SwitchState,
    client_token,
)
from tests.support import switches as make
from tests.switching.fake_aws import Crash
from tests.switching.fault_matrix import (
    attach_later,
    crash_at_call,
    delete_group,
    stop_all,
    take_new,
    take_old,
)
from tests.switching.world import ADDRESS, OLD, ON_DEMAND_POOL, THIRD, VOLUME, World, problems

SPOT, ON_DEMAND = Lifecycle.SPOT, Lifecycle.ON_DEMAND
FIRST = ("m6a.large", "us-east-1a", SPOT)
SECOND = ("m5.large", "us-east-1b", SPOT)


def actions(world: World, phase: Phase) -> list[str]:
    return [each.action for each in world.store.entries if each.phase is phase]


def during(step: Step, effect: Any) -> World:
    """A world in which something happens once, when a step has begun."""
    world = World()
    happened = []

    def on_call(_name: str) -> None:
        if world.switch.step is step and not happened:
            happened.append(True)
            effect(world)

    world.aws.on_call = on_call
    return world


def test_everything_goes_over_and_the_instance_is_terminated_last() -> None:
    world = World()
    done = world.recover()
    assert done.state is SwitchState.DONE
    assert problems(world) == []
    assert done.got is not None
    assert (done.got.pool, done.got.lifecycle) == (make.NEW_POOL, SPOT)
    changes = [name for name in world.aws.calls if name in {
        "run_instance", "add_tags", "register_target", "deregister_target", "detach_volume",
        "attach_volume", "associate_address", "cancel_spot_request", "terminate", "remove_tags",
    }]  # fmt: skip
    assert changes == [
        "run_instance", "add_tags", "register_target", "deregister_target", "detach_volume",
        "attach_volume", "associate_address", "cancel_spot_request", "terminate", "remove_tags",
    ]  # fmt: skip


@pytest.mark.parametrize("strategy", Strategy)
def test_each_strategy_takes_its_steps_in_order(strategy: Strategy) -> None:
    world = World(strategy)
    world.recover()
    seen = dict.fromkeys(each.step for each in world.store.entries if each.step is not None)
    assert tuple(seen) == steps_of(strategy)
    assert all(step in RULES for step in steps_of(strategy))


def test_no_capacity_tries_the_next_candidate_and_says_why() -> None:
    world = World()
    world.aws.without_capacity[FIRST] = 99
    done = world.recover()
    assert done.state is SwitchState.DONE
    assert done.got is not None
    assert done.got.pool == make.OTHER_POOL
    assert done.got_why == "spot m6a.large in us-east-1a: InsufficientInstanceCapacity"
    assert world.capacity == [(make.NEW_POOL.key, "InsufficientInstanceCapacity")]
    assert world.aws.sent["run_instance"] == 2, "no storm"


def test_on_demand_is_the_last_resort_and_never_silent() -> None:
    world = World()
    world.aws.without_capacity |= {FIRST: 99, SECOND: 99}
    done = world.recover()
    assert done.got is not None
    assert (done.got.pool, done.got.lifecycle) == (ON_DEMAND_POOL, ON_DEMAND)
    assert done.got_why.count("InsufficientInstanceCapacity") == 2
    assert done.price_after_usd_per_hour == 0.096


def test_without_on_demand_the_switch_rolls_back() -> None:
    world = World(changes={"on_demand": None})
    world.aws.without_capacity |= {FIRST: 99, SECOND: 99}
    back = world.recover()
    assert back.state is SwitchState.ROLLED_BACK
    assert "no candidate could be launched" in back.situation
    assert "spot m5.large in us-east-1b: InsufficientInstanceCapacity" in back.situation
    assert problems(world) == []


def test_each_attempt_has_its_own_token_and_repeats_its_parameters() -> None:
    world = World()
    world.aws.without_capacity[FIRST] = 1
    world.aws.always["run_instance"] = "timeout_after"
    world.aws.on_call = lambda name: (
        world.aws.always.clear() if world.aws.sent["run_instance"] > 2 else None
    )
    done = world.recover()
    assert done.state is SwitchState.DONE
    tokens = [each.request.client_token for each in done.progress.attempts if each.request]
    assert len(set(tokens)) == len(tokens)
    assert len(world.aws.instances) == 2, "a repeated call launched nothing twice"
    first = done.progress.attempts[0]
    assert tokens[0] == client_token("sw-1", 1, first.target)
    assert tokens[0] != client_token("sw-1", 2, first.target)
    assert tokens[0] != client_token("sw-1", 1, replace(first.target, lifecycle=ON_DEMAND))
    assert len(tokens[0]) <= 64


def test_an_instance_that_appears_minutes_later_is_adopted() -> None:
    world = World(appears_after_s=120.0)
    world.aws.faults = {}
    world.aws.always["run_instance"] = "timeout_after"
    done = world.recover()
    assert done.state is SwitchState.DONE
    assert problems(world) == []
    assert len(world.aws.instances) == 2


def test_an_ended_token_leads_to_a_new_attempt_of_the_same_candidate() -> None:
    world = World()

    def on_call(name: str) -> None:
        if name == "run_instance" and world.aws.sent[name] == 2:
            take_new(world)

    world.aws.on_call = on_call
    world.aws.appears_after_s = 1e6
    world.aws.always["run_instance"] = "timeout_after"
    original = world.aws._run

    def run_visible_later(request: Any) -> str:
        if world.aws.sent["run_instance"] > 1:
            world.aws.appears_after_s = 0.0
            world.aws.always.clear()
        return original(request)

    world.aws._run = run_visible_later  # type: ignore[method-assign]
    done = world.recover()
    assert done.state is SwitchState.DONE
    first, second = done.progress.attempts[:2]
    assert (first.state, first.code) == (AttemptState.FAILED, "IdempotentInstanceTerminated")
    assert second.target == first.target


def test_the_token_of_another_launch_is_a_bug_that_a_person_must_see() -> None:
    world = World()
    token = client_token("sw-1", 1, make.target())
    world.aws.tokens[token] = (None, OLD)  # type: ignore[assignment]
    stuck = world.recover()
    assert stuck.state is SwitchState.NEEDS_ATTENTION
    assert "another launch with the client token of attempt 1" in stuck.situation
    assert world.aws.alive() == [OLD]


def test_a_key_that_ec2_may_not_use_is_named() -> None:
    def fail(world: World) -> None:
        take_new(world)
        for each in world.aws.instances.values():
            if each.instance_id != OLD:
                each.reason = "Client.InternalError"

    world = during(Step.HEALTH, fail)
    back = world.recover()
    assert back.state is SwitchState.ROLLED_BACK
    assert "Client.InternalError" in back.situation
    assert "Grant the key" in back.remedy
    assert problems(world) == []


@pytest.mark.parametrize("step", [Step.HEALTH, Step.MOVE, Step.DRAIN, Step.VERIFY])
def test_a_replacement_that_aws_takes_is_replaced(step: Step) -> None:
    world = during(step, take_new)
    done = world.recover()
    assert done.state is SwitchState.DONE
    assert done.progress.attempts[0].code == "Server.SpotInstanceTermination"
    assert done.got is not None
    assert done.got.pool == make.OTHER_POOL
    assert "Server.SpotInstanceTermination" in done.got_why
    assert world.interrupted == [done.progress.attempts[0].instance_id]
    assert problems(world, allow_breach=True) == []


@pytest.mark.parametrize("step", [Step.LAUNCH, Step.HEALTH, Step.MOVE, Step.DRAIN])
def test_without_the_instance_that_aws_took_the_switch_goes_on(step: Step) -> None:
    world = during(step, take_old)
    done = world.recover()
    assert done.state is SwitchState.DONE
    assert problems(world, allow_breach=True) == []
    if step is not Step.LAUNCH:
        assert VOLUME in world.aws.volumes, "its data volume was protected before the launch"


def test_a_replacement_that_never_gets_healthy_gives_way_to_the_next() -> None:
    world = World()

    def on_call(name: str) -> None:
        for each in world.aws.instances.values():
            each.impaired = each.instance_type == "m6a.large"

    world.aws.on_call = on_call
    done = world.recover()
    assert done.state is SwitchState.DONE
    assert done.progress.attempts[0].code == "NotHealthy"
    assert problems(world) == []


def test_the_users_health_check_must_pass_twice_in_a_row() -> None:
    answers = iter(["refused", "", "answers 503", "", ""])
    seen: list[InstanceView] = []

    def health(_check: HealthCheck, view: InstanceView) -> str:
        seen.append(view)
        return next(answers)

    world = World(changes={"health_check": HealthCheck("http", 8080, "/up")}, health=health)
    assert world.recover().state is SwitchState.DONE
    assert len(seen) == 5
    assert "waits: the health check fails: answers 503" in actions(world, Phase.NOTE)


def test_a_health_check_that_never_passes_rolls_back() -> None:
    world = World(
        changes={"health_check": HealthCheck("tcp", 5432)}, health=lambda _check, _view: "refused"
    )
    back = world.recover()
    assert back.state is SwitchState.ROLLED_BACK
    assert len(back.progress.attempts) == 3, "each candidate was tried"
    assert problems(world) == []


@pytest.mark.parametrize("step", [Step.LAUNCH, Step.HEALTH, Step.MOVE, Step.DRAIN])
def test_a_user_can_roll_back_until_the_instance_is_terminated(step: Step) -> None:
    world = during(step, lambda world: world.store.ask(roll_back=True))
    back = world.recover()
    assert back.state is SwitchState.ROLLED_BACK
    assert (back.got, back.situation) == (None, "asked by a user")
    assert problems(world) == []
    assert actions(world, Phase.UNDONE)


def test_after_the_termination_a_rollback_goes_forward_and_says_so() -> None:
    world = during(Step.VERIFY, lambda world: world.store.ask(roll_back=True))
    assert world.recover().state is SwitchState.DONE
    assert "cannot roll back: the instance has ended; going forward" in actions(world, Phase.NOTE)


def test_a_pause_stops_before_the_termination_only() -> None:
    world = during(Step.LAUNCH, lambda world: world.store.ask(pause=True))
    paused = world.recover()
    assert (paused.state, paused.step) == (SwitchState.PAUSED, Step.TERMINATE)
    assert len(world.aws.alive()) == 2
    world.store.ask(pause=False)
    assert world.recover().state is SwitchState.DONE
    assert problems(world) == []


def test_a_paused_switch_can_be_rolled_back() -> None:
    world = during(Step.LAUNCH, lambda world: world.store.ask(pause=True))
    world.recover()
    world.store.ask(roll_back=True)
    assert world.drive().state is SwitchState.ROLLED_BACK
    assert problems(world) == []


def test_a_guard_holds_a_launch_without_using_up_its_time() -> None:
    allowed: list[bool] = []

    def refusal(_switch: Switch, step: Step) -> Refusal | None:
        held = step is Step.LAUNCH and not allowed
        return Refusal("2 switches in the last hour; the limit is 2.", wait=True) if held else None

    world = World(refusal=refusal)
    held = world.drive()
    assert (held.state, held.step) == (SwitchState.RUNNING, Step.LAUNCH)
    assert world.aws.sent["run_instance"] == 0
    world.time.sleep(7200.0)
    allowed.append(True)
    assert world.drive().state is SwitchState.DONE


def test_a_guard_that_refuses_the_termination_rolls_back() -> None:
    def refusal(_switch: Switch, step: Step) -> Refusal | None:
        return Refusal("Switching is off for the account.") if step is Step.TERMINATE else None

    world = World(refusal=refusal)
    back = world.recover()
    assert (back.state, back.situation) == (
        SwitchState.ROLLED_BACK, "Switching is off for the account.",
    )  # fmt: skip
    assert problems(world) == []


def test_preflight_refuses_before_anything_is_changed() -> None:
    world = World()
    world.plan = Refusal("It belongs to an Auto Scaling group.", "Change the group.")
    refused = world.recover()
    assert (refused.state, refused.situation, refused.remedy) == (
        SwitchState.REFUSED, "It belongs to an Auto Scaling group.", "Change the group.",
    )  # fmt: skip
    assert not world.aws.calls
    assert refused.finished_at is not None


def test_a_right_that_is_missing_for_good_rolls_back() -> None:
    world = World()
    world.aws.always["associate_address"] = "denied"
    back = world.recover()
    assert back.state is SwitchState.ROLLED_BACK
    assert "associate_address was denied" in back.situation
    assert problems(world) == []


def test_where_the_rollback_is_denied_too_a_person_is_asked_with_the_situation() -> None:
    world = World()
    world.aws.always |= {"associate_address": "denied", "attach_volume": "denied"}
    stuck = world.recover()
    assert stuck.state is SwitchState.NEEDS_ATTENTION
    assert "attach_volume was denied" in stuck.situation
    assert "Instance: i-old. Launched: i-0001." in stuck.situation
    assert stuck.remedy
    assert len(world.aws.alive()) == 2, "nothing is terminated while the situation is unclear"
    world.aws.always.clear()
    world.store.ask(roll_back=True)
    assert world.drive().state is SwitchState.ROLLED_BACK
    assert problems(world) == []


def test_a_volume_that_stays_busy_for_minutes_is_waited_for() -> None:
    world = World()
    original = world.aws.detach_volume

    def busy(volume_id: str, instance_id: str) -> None:
        original(volume_id, instance_id)
        world.aws.volumes[volume_id].ready_s = world.time.seconds + 7 * 60

    world.aws.detach_volume = busy  # type: ignore[method-assign]
    assert world.recover().state is SwitchState.DONE
    assert problems(world) == []
    assert world.aws.sent["detach_volume"] == 1


def test_an_address_that_somebody_moved_elsewhere_meanwhile_stays_there() -> None:
    world = during(
        Step.MOVE, lambda world: world.aws.addresses.update({ADDRESS: "i-somebody-else"})
    )
    done = world.recover()
    assert done.state is SwitchState.DONE, "nothing is lacking that the instance still had"
    assert world.aws.addresses[ADDRESS] == "i-somebody-else"
    assert f"{ADDRESS} belongs to i-somebody-else now; it stays" in actions(world, Phase.NOTE)


@pytest.mark.parametrize("step", [Step.LAUNCH, Step.MOVE, Step.DRAIN, Step.VERIFY])
def test_a_target_group_that_somebody_deleted_meanwhile_is_left_out(step: Step) -> None:
    world = during(step, delete_group)
    assert world.recover().state is SwitchState.DONE
    assert problems(world) == []
    assert "the target group web does not exist any more" in actions(world, Phase.NOTE)


def test_a_volume_that_somebody_gave_away_meanwhile_stays_there() -> None:
    def give_away(world: World) -> None:
        world.aws.volumes[VOLUME].instance_id = THIRD

    world = during(Step.HEALTH, give_away)
    assert world.recover().state is SwitchState.DONE
    assert world.aws.volumes[VOLUME].instance_id == THIRD
    assert f"{VOLUME} belongs to {THIRD} now; it stays" in actions(world, Phase.NOTE)


def test_a_volume_that_is_attached_after_the_plan_keeps_the_instance() -> None:
    world = during(Step.HEALTH, attach_later)
    back = world.recover()
    assert back.state is SwitchState.ROLLED_BACK
    assert back.situation == "vol-later was attached to i-old after the switch was planned"
    assert "Request the switch again" in back.remedy
    assert problems(world) == []


def test_tags_that_do_not_fit_roll_the_switch_back() -> None:
    world = World()
    assert not isinstance(world.plan, Refusal)
    tags = {f"tag-{number}": "x" for number in range(49)}
    world.plan = replace(world.plan, tags=tags)
    back = world.recover()
    assert back.state is SwitchState.ROLLED_BACK
    assert "more than 50 tags" in back.situation
    assert problems(world) == []


def test_a_stop_holds_the_next_launch_or_termination_and_the_journal_says_so() -> None:
    world = during(Step.HEALTH, stop_all)
    held = world.drive()
    assert (held.step, held.held) == (Step.TERMINATE, "olga stopped all switches.")
    assert OLD in world.aws.healthy()
    assert "held: olga stopped all switches." in actions(world, Phase.NOTE)
    world.stopped = False
    assert world.recover().state is SwitchState.DONE
    assert problems(world) == []


def test_stop_start_tries_the_types_of_its_zone_and_else_restores_the_former() -> None:
    world = World(Strategy.STOP_START)
    world.aws.without_capacity[("m6a.large", "us-east-1a", ON_DEMAND)] = 99
    back = world.recover()
    assert back.state is SwitchState.ROLLED_BACK
    assert "no type could be started" in back.situation
    assert problems(world) == []
    assert [each.target.pool for each in back.progress.attempts] == [make.NEW_POOL]


def test_a_step_that_takes_too_long_rolls_back() -> None:
    world = World(Strategy.FROM_IMAGE)
    original = world.aws.image_named

    def never(name: str) -> Any:
        found = original(name)
        cleaning = world.switch.state is SwitchState.ROLLING_BACK
        return found if found is None or cleaning else replace(found, state="pending")

    world.aws.image_named = never  # type: ignore[method-assign]
    back = world.recover()
    assert (back.state, back.situation) == (
        SwitchState.ROLLED_BACK, "image is not finished after 60 min",
    )  # fmt: skip
    assert problems(world) == []


def test_time_without_a_driver_does_not_count_against_a_step() -> None:
    world = World(Strategy.FROM_IMAGE)
    world.aws.on_call = lambda name: None
    crash_at_call(12, "after")(world)
    with pytest.raises(Crash):
        world.drive()
    world.time.sleep(10 * 3600.0)
    assert world.recover().state is SwitchState.DONE


def test_a_dry_run_changes_nothing() -> None:
    world = World(changes={"dry_run": True})
    done = world.recover()
    assert done.state is SwitchState.DONE
    assert not world.aws.calls
    assert done.got is None


def test_the_journal_and_the_record_hold_no_user_data() -> None:
    world = World(Strategy.FROM_IMAGE)
    world.recover()
    attempt: Attempt = world.switch.progress.attempts[0]
    assert attempt.request is not None
    assert attempt.request.user_data_from == OLD
    assert "user_data" not in world.told()


def test_a_candidate_that_preflight_excludes_is_never_launched() -> None:
    world = World()
    assert not isinstance(world.plan, Refusal)
    label = make.target().label
    world.plan = replace(world.plan, excluded={label: "its data volumes would not be kept"})
    done = world.recover()
    assert done.got is not None
    assert done.got.pool == make.OTHER_POOL
    assert done.got_why == f"{label}: its data volumes would not be kept"
    assert world.aws.sent["run_instance"] == 1


def test_a_bug_in_a_step_asks_for_a_person_instead_of_looping() -> None:
    world = World(health=lambda _check, _view: {}["no such key"])
    world.store.switch = replace(world.store.switch, health_check=HealthCheck("tcp", 80))
    ended = world.recover()
    assert ended.state is SwitchState.ROLLED_BACK
    assert "KeyError in SpotLab" in ended.situation
    assert problems(world) == []
