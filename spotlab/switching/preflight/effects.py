"""What a switch does to each thing that the instance has: kept, recreated or lost, once each."""

from __future__ import annotations

from collections.abc import Iterator

from spotlab.domain.attachments import Volume
from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import InstanceFacts
from spotlab.domain.switch_plan import Effect, Fate, Method, Preflight, Strategy
from spotlab.domain.switch_tags import AWS_TAG_PREFIX
from spotlab.domain.unknown import Unknown, known
from spotlab.switching.preflight.case import SwitchCase
from spotlab.switching.preflight.strategies import volumes_lost_with_template

VOLUME = "volume"
PRIVATE_ADDRESS = "private address"
ELASTIC_ADDRESS = "elastic address"
TARGET_GROUP = "target group"


def effects_of(case: SwitchCase, strategy: Strategy) -> tuple[Effect, ...]:
    """Every effect of a switch; each volume and address has exactly one.

    Args:
        case: the switch.
        strategy: how the replacement comes to be.
    """
    if strategy.in_place:
        return (*_storage_in_place(case), *_network_in_place(case.facts))
    return (
        *(_volume(case, strategy, volume) for volume in case.facts.volumes),
        *_temporary_storage(case),
        *_network(case, strategy),
        *_targets(case),
        *_settings(case, strategy),
    )


def losses_of(preflight: Preflight) -> tuple[str, ...]:
    """Ids of the volumes, Elastic IPs and target groups that a switch would lose, sorted."""
    kinds = (VOLUME, ELASTIC_ADDRESS, TARGET_GROUP)
    lost = (each for each in preflight.effects if each.fate is Fate.LOST)
    return tuple(sorted(each.id for each in lost if each.kind in kinds))


def _kept(kind: str, id_: str, text: str, method: Method = Method.UNTOUCHED) -> Effect:
    return Effect(kind, id_, Fate.KEPT, method, text)


def _made(kind: str, id_: str, text: str, method: Method = Method.AT_LAUNCH) -> Effect:
    return Effect(kind, id_, Fate.RECREATED, method, text)


def _lost(kind: str, id_: str, text: str) -> Effect:
    return Effect(kind, id_, Fate.LOST, Method.NONE, text)


def _storage_in_place(case: SwitchCase) -> Iterator[Effect]:
    for volume in case.facts.volumes:
        yield _kept(VOLUME, volume.volume_id, f"{_name(volume)} stays attached.")
    yield from _temporary_storage(case)


def _network_in_place(facts: InstanceFacts) -> Iterator[Effect]:
    for interface in facts.interfaces:
        for address in (
            interface.primary_private_address,
            *interface.secondary_private_addresses,
            *interface.ipv6_addresses,
            *interface.prefixes,
        ):
            if address:
                yield _kept(PRIVATE_ADDRESS, address, f"Private address {address} stays.")
    for elastic in facts.elastic_addresses:
        address = elastic.public_address
        yield _kept(ELASTIC_ADDRESS, address, f"Elastic IP {address} stays associated.")
    yield from _public_address(facts)
    for target in known(facts.targets) or ():
        text = f"Registration in {target.group_name} stays; it is unhealthy during the restart."
        yield _kept(TARGET_GROUP, target.group_arn, text)
    yield _kept("settings", facts.instance_id, "Tags, profile, key pair and all settings stay.")


def _volume(case: SwitchCase, strategy: Strategy, volume: Volume) -> Effect:
    id_, name = volume.volume_id, _name(volume)
    after = _original(volume)
    if not volume.root and case.same_zone:
        if strategy is Strategy.FROM_TEMPLATE and id_ in volumes_lost_with_template(case):
            text = f"{name}: the launch template makes a new, empty volume there; {after}"
            return _lost(VOLUME, id_, text)
        text = f"{name} is detached from the old instance and attached to the new one."
        return _kept(VOLUME, id_, text, Method.MOVED)
    if strategy.makes_image and case.same_region:
        what = "made again from the image"
        if not volume.root:
            what = "copied by the image, as it cannot leave its zone; writes after it are lost"
        return _made(VOLUME, id_, f"{name} is {what}; {after}", Method.IMAGED)
    if volume.root:
        text = f"{name}: the new instance starts with the template's image; {after}"
        return _lost(VOLUME, id_, text)
    return _lost(VOLUME, id_, f"{name} cannot leave {case.facts.pool.availability_zone}; {after}")


def _original(volume: Volume) -> str:
    if volume.delete_on_termination:
        return "the original is deleted with the old instance."
    return "the original stays in the account, detached, and is billed."


def _name(volume: Volume) -> str:
    size = volume.size_gb
    kind = "Root volume" if volume.root else "Volume"
    details = volume.device if isinstance(size, Unknown) else f"{volume.device}, {size} GiB"
    return f"{kind} {volume.volume_id} ({details})"


def _temporary_storage(case: SwitchCase) -> Iterator[Effect]:
    size = case.facts.instance_store_gb
    if isinstance(size, Unknown) or size > 0.0:
        amount = "of unknown size" if isinstance(size, Unknown) else f"of {size:,.0f} GB"
        text = f"Everything on the instance store {amount}."
        yield _lost("instance store", case.facts.instance_id, text)
    text = "What is in memory and in progress, as in a reboot."
    yield _lost("memory", case.facts.instance_id, text)


def _public_address(facts: InstanceFacts) -> Iterator[Effect]:
    if facts.public_address:
        text = f"Public address {facts.public_address}: it is no Elastic IP, and changes."
        yield _lost("public address", facts.public_address, text)


def _network(case: SwitchCase, strategy: Strategy) -> Iterator[Effect]:
    facts = case.facts
    for interface in facts.interfaces:
        primary = interface.primary_private_address
        if primary:
            text = f"Private address {primary}: the new instance has another."
            yield _lost(PRIVATE_ADDRESS, primary, text)
        for address in interface.secondary_private_addresses:
            text = f"Secondary private address {address}: it is not assigned again."
            yield _lost(PRIVATE_ADDRESS, address, text)
        for address in (*interface.ipv6_addresses, *interface.prefixes):
            yield _lost(PRIVATE_ADDRESS, address, f"{address}: the new instance has another.")
        if not interface.delete_on_termination:
            text = f"Interface {interface.interface_id} stays in the account, detached."
            yield _lost("network interface", interface.interface_id, text)
    yield from _public_address(facts)
    for elastic in facts.elastic_addresses:
        address = elastic.public_address
        if case.same_region:
            text = f"Elastic IP {address} moves once the new instance is healthy."
            yield _kept(ELASTIC_ADDRESS, address, text, Method.MOVED)
        else:
            text = f"Elastic IP {address} cannot leave {facts.pool.region}."
            yield _lost(ELASTIC_ADDRESS, address, text)
    groups = sorted({group for each in facts.interfaces[:1] for group in each.security_group_ids})
    if groups and case.same_region:
        names = ", ".join(groups)
        yield _made("security groups", names, f"Security groups {names} are set at the launch.")
    elif groups:
        yield _lost(
            "security groups",
            ", ".join(groups),
            "Security groups are those of the launch template in the target region.",
        )
    if strategy is not Strategy.FROM_TEMPLATE and known(facts.launch_template) is not None:
        text = "The link to its launch template: an instance from an image has none."
        yield _lost("launch template", facts.instance_id, text)


def _targets(case: SwitchCase) -> Iterator[Effect]:
    for target in known(case.facts.targets) or ():
        port = "" if target.port is None else f", port {target.port}"
        id_ = f"{target.group_arn}{'' if target.port is None else f':{target.port}'}"
        if not case.same_region:
            text = f"Registration in {target.group_name}{port}: the group is in another region."
            yield _lost(TARGET_GROUP, id_, text)
            continue
        delay = known(target.deregistration_delay_s)
        drain = "its delay" if delay is None else f"{delay} s"
        yield _made(
            TARGET_GROUP,
            id_,
            f"The new instance is registered in {target.group_name}{port}; once it is healthy, the "
            f"old one is drained for {drain}.",
            Method.REGISTERED,
        )


def _settings(case: SwitchCase, strategy: Strategy) -> Iterator[Effect]:
    facts = case.facts
    own = [tag for tag in facts.tags if not tag.startswith(AWS_TAG_PREFIX)]
    if own:
        yield _made("tags", facts.instance_id, f"{_count(len(own), 'tag')} set at the launch.")
    reserved = sorted(tag for tag in facts.tags if tag.startswith(AWS_TAG_PREFIX))
    if reserved:
        names = ", ".join(reserved)
        yield _lost("tags", names, f"Tags {names}: AWS alone can set them.")
    if facts.user_data is not None:
        if strategy is Strategy.FROM_TEMPLATE:
            text = "User data is that of the launch template."
        else:
            text = "User data is given to the new instance; cloud-init runs it there again."
        yield _made("user data", facts.instance_id, text)
    template = case.template
    if strategy is Strategy.FROM_TEMPLATE and template is not None:
        name = f"{template.template_id}, version {template.version}"
        text = f"Profile, key pair, metadata options and other settings are those of {name}."
        yield _made("settings", name, text)
    else:
        for kind, value, text in _launch_settings(case):
            if value is not None:
                yield _made(kind, str(value), text.format(value))
    if _cannot_stop(case):
        text = "Stopping from within: a shutdown ends a one-time spot instance."
        yield _lost("shutdown behavior", "stop", text)
    request = facts.spot_request
    if request is not None:
        id_ = request.request_id
        yield _lost("spot request", id_, f"Spot request {id_} is cancelled with its instance.")
    placement = facts.placement
    if placement.capacity_reservation_id:
        id_ = placement.capacity_reservation_id
        text = f"Its place in capacity reservation {id_}, which stays and is billed."
        yield _lost("capacity reservation", id_, text)


def _launch_settings(case: SwitchCase) -> Iterator[tuple[str, object, str]]:
    """(kind, value or None, sentence with a place for the value) of each setting."""
    facts = case.facts
    options = known(facts.metadata_options)
    yield "instance profile", facts.instance_profile, "Instance profile {} is set at the launch."
    yield "key pair", facts.key_pair, "Key pair {} is set at the launch."
    yield (
        "metadata options",
        options and f"tokens {options.tokens}, hop limit {options.hop_limit}",
        "Metadata options are set at the launch: {}.",
    )
    group = facts.placement.group_name
    yield "placement group", group, "The new instance is launched into placement group {}."
    yield (
        "monitoring",
        "detailed" if facts.detailed_monitoring else None,
        "Detailed monitoring is enabled at the launch.",
    )
    target = known(case.target_type)
    burstable = target is None or target.burstable
    yield (
        "credit specification",
        known(facts.credit_specification) if burstable else None,
        "CPU credits are {} again.",
    )
    behavior = None if _cannot_stop(case) else known(facts.shutdown_behavior)
    yield "shutdown behavior", behavior, "A shutdown from within: {}."


def _cannot_stop(case: SwitchCase) -> bool:
    """Whether the instance can be stopped from within, and its replacement cannot."""
    spot = case.lifecycle is Lifecycle.SPOT
    return spot and known(case.facts.shutdown_behavior) == "stop"


def _count(number: int, what: str) -> str:
    return f"1 {what} is" if number == 1 else f"{number} {what}s are"
