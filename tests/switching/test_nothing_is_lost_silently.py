"""Whatever an instance has: each volume and address is kept, recreated or lost, exactly once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from spotlab.domain.attachments import ElasticAddress, Interface, Volume
from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import InstanceFacts, LaunchTemplate
from spotlab.domain.switch_plan import Fate, Method, Preflight, Strategy
from spotlab.domain.unknown import Unknown
from spotlab.domain.workload import NO_WORKLOAD
from spotlab.switching.preflight.check import check
from tests.support import switch_facts as some

DENIED = Unknown("Refused by AWS.", "ec2:Describe")


def or_unknown(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.just(DENIED))


@st.composite
def volumes(draw: st.DrawFn) -> tuple[Volume, ...]:
    number = draw(st.integers(0, 4))
    found = []
    for index in range(number):
        key = draw(st.sampled_from([None, some.KEY]))
        found.append(
            some.volume(
                f"vol-{index}",
                "/dev/xvda" if index == 0 else f"/dev/sd{chr(ord('e') + index)}",
                delete_on_termination=draw(st.booleans()),
                size_gb=draw(or_unknown(st.integers(1, 16_000))),
                encrypted=key is not None,
                kms_key=key,
                kms_key_aws_managed=draw(or_unknown(st.booleans())) if key else None,
                multi_attach=draw(or_unknown(st.booleans())),
            )
        )
    return tuple(found)


@st.composite
def interfaces(draw: st.DrawFn) -> tuple[Interface, ...]:
    return tuple(
        some.interface(
            index,
            primary_private_address=f"10.0.{index}.4",
            secondary_private_addresses=tuple(
                f"10.0.{index}.{host}" for host in range(10, 10 + draw(st.integers(0, 2)))
            ),
            ipv6_addresses=tuple(
                f"2001:db8:{index}::{host}" for host in range(draw(st.integers(0, 2)))
            ),
            delete_on_termination=draw(st.booleans()),
            kind=draw(st.sampled_from(["interface", "efa"])),
        )
        for index in range(draw(st.integers(0, 3)))
    )


@st.composite
def elastic_addresses(draw: st.DrawFn) -> tuple[ElasticAddress, ...]:
    return tuple(
        some.elastic(
            public_address=f"203.0.113.{index}",
            allocation_id=draw(or_unknown(st.just(f"eipalloc-{index}"))),
            private_address=draw(st.sampled_from(["10.0.0.4", "10.0.0.10"])),
        )
        for index in range(draw(st.integers(0, 2)))
    )


@st.composite
def templates(draw: st.DrawFn) -> LaunchTemplate:
    return some.template(
        image=draw(st.sampled_from([None, some.image()])),
        devices=tuple(draw(st.sets(st.sampled_from(["/dev/xvda", "/dev/sdf", "/dev/sdg"])))),
        names_spot=draw(st.booleans()),
        interface_count=draw(st.integers(0, 2)),
    )


@st.composite
def instances(draw: st.DrawFn) -> InstanceFacts:
    spot = draw(st.booleans())
    build = some.facts if spot else some.on_demand
    return build(
        volumes=draw(volumes()),
        interfaces=draw(interfaces()),
        elastic_addresses=draw(elastic_addresses()),
        public_address=draw(st.sampled_from([None, "198.51.100.3"])),
        targets=draw(or_unknown(st.sampled_from([(), (some.target(),)]))),
        launch_template=draw(or_unknown(st.one_of(st.none(), templates()))),
        instance_store_gb=draw(or_unknown(st.sampled_from([0.0, 475.0]))),
        user_data=draw(or_unknown(st.none())),
        root_device_type=draw(st.sampled_from(["ebs", "instance-store"])),
    )


plans = st.builds(
    lambda facts, target, lifecycle, applied, strategy, confirmed: (
        facts,
        check(
            facts,
            target,
            lifecycle,
            applied,
            some.type_facts("m5.large"),
            some.type_facts(),
            some.region(region=target.region, key_grants={some.KEY: True}),
            strategy=strategy,
            confirmed=confirmed,
        ),
    ),
    instances(),
    st.sampled_from([some.SAME_ZONE, some.OTHER_ZONE, some.OTHER_REGION]),
    st.sampled_from(Lifecycle),
    st.sampled_from([NO_WORKLOAD, some.STATELESS, some.CHECKPOINTED, some.STATEFUL]),
    st.one_of(st.none(), st.sampled_from(Strategy)),
    st.sets(
        st.sampled_from(["reboot", "stop", "data-volumes-lost", "root-volume-lost", "other-subnet"])
    ),
)
Planned = tuple[InstanceFacts, Preflight]


@given(plans)
def test_each_volume_and_address_is_accounted_for_once(planned: Planned) -> None:
    facts, plan = planned
    has = [volume.volume_id for volume in facts.volumes]
    has += [address.public_address for address in facts.elastic_addresses]
    for interface in facts.interfaces:
        has += [
            interface.primary_private_address,
            *interface.secondary_private_addresses,
            *interface.ipv6_addresses,
        ]
    if facts.public_address:
        has.append(facts.public_address)
    named = Counter(effect.id for effect in plan.effects)
    assert {id_: named[id_] for id_ in has} == dict.fromkeys(has, 1)


@given(plans)
def test_every_effect_is_one_sentence_in_one_list(planned: Planned) -> None:
    _, plan = planned
    sentences = [*plan.kept, *plan.recreated, *plan.lost]
    assert Counter(sentences) == Counter(effect.text for effect in plan.effects)
    assert all(effect.text.endswith(".") for effect in plan.effects)
    assert all(effect.id for effect in plan.effects)
    assert all((e.method is Method.NONE) == (e.fate is Fate.LOST) for e in plan.effects)


@given(plans)
def test_a_data_volume_is_left_behind_only_if_somebody_confirmed_it(planned: Planned) -> None:
    facts, plan = planned
    data = {volume.volume_id for volume in facts.data_volumes}
    lost = {effect.id for effect in plan.effects if effect.fate is Fate.LOST} & data
    if lost and not plan.refused:
        answered = [each for each in plan.findings if each.code == "data-volumes-lost"]
        assert answered
        assert lost <= {id_ for id_ in data if any(id_ in each.text for each in answered)}


@given(plans)
def test_what_moves_is_detached_and_attached(planned: Planned) -> None:
    _, plan = planned
    moved = {e.id for e in plan.effects if e.kind == "volume" and e.method is Method.MOVED}
    for action in ("ec2:DetachVolume", "ec2:AttachVolume"):
        called = [call.parameters["VolumeId"] for call in plan.calls if call.action == action]
        assert sorted(called) == sorted(moved)


@given(plans)
def test_an_unknown_fact_that_could_lose_something_refuses(planned: Planned) -> None:
    facts, plan = planned
    in_place = plan.strategy.in_place
    if not in_place and isinstance(facts.targets, Unknown):
        assert plan.refused
    if isinstance(facts.instance_store_gb, Unknown):
        assert plan.refused
    if not in_place and any(isinstance(v.multi_attach, Unknown) for v in facts.volumes):
        assert plan.refused
    if plan.refused:
        assert all(each.remedy for each in plan.blocking)


@given(plans)
def test_nothing_is_terminated_before_everything_else_was_moved(planned: Planned) -> None:
    _, plan = planned
    steps = [call.step for call in plan.calls]
    if "terminate" in steps:
        before = steps[: steps.index("terminate")]
        after = steps[steps.index("terminate") :]
        assert "launch" in before
        assert set(after) <= {"terminate", "cleanup"}
