"""What a switch launches and moves, from the facts of its instance and a preflight of each target.

The preflight is repeated when a driver begins, since minutes or hours lie between a request and its
approval. A further candidate is launched only if it keeps and loses the same as the first.
"""

from __future__ import annotations

from collections.abc import Mapping

from spotlab.domain.instance_facts import InstanceFacts, LaunchTemplate
from spotlab.domain.ports import Account
from spotlab.domain.switch_moves import (
    AddressMove,
    LaunchSettings,
    MovePlan,
    TargetMove,
    VolumeMove,
)
from spotlab.domain.switch_plan import Method, Preflight, Strategy
from spotlab.domain.switch_tags import AWS_TAG_PREFIX, OWN_TAGS
from spotlab.domain.switches import Refusal, Switch, Target
from spotlab.domain.unknown import known
from spotlab.domain.workload import AppliedWorkload
from spotlab.errors import AwsError
from spotlab.switching.preflight.effects import VOLUME, losses_of
from spotlab.switching.preflight.reader import PreflightReader

DEFAULT_DELAY_S = 300.0
"""Deregistration delay of a target group that was not changed."""
_AGAIN = "Request the switch again."


def move_plan(
    reader: PreflightReader, account: Account, switch: Switch, workload: AppliedWorkload
) -> MovePlan | Refusal:
    """The plan of a switch, or why it is refused.

    Args:
        reader: reads AWS.
        account: of the instance.
        switch: with its targets and what was confirmed.
        workload: of the instance.
    Raises:
        AwsError: the instance cannot be read.
    """
    facts = reader.facts(account, switch.pool.region, switch.instance_id)
    if (changed := _changed(facts, switch)) is not None:
        return changed
    checks: dict[Target, Preflight] = {}
    for target in switch.candidates:
        try:
            checks[target] = reader.preflight(
                account,
                facts,
                target.pool,
                target.lifecycle,
                workload,
                candidates=[each.pool for each in switch.targets],
                confirmed=switch.confirmed,
                strategy=switch.strategy,
            )
        except AwsError:
            # The first target must be read; a further one is left out.
            if target == switch.requested:
                raise
    first = checks[switch.requested]
    if first.refused:
        finding = first.blocking[0]
        return Refusal(finding.text, finding.remedy)
    if switch.accepted_losses is not None:
        further = set(losses_of(first)) - set(switch.accepted_losses)
        if further:
            return Refusal(
                f"Since the request, the switch would also lose {', '.join(sorted(further))}.",
                _AGAIN,
            )
    excluded = {
        target.label: why
        for target in switch.candidates
        if (why := _why_excluded(checks.get(target), first))
    }
    subnets = {
        target.pool.availability_zone: check.subnet_id
        for target, check in checks.items()
        if target.pool.availability_zone and check.subnet_id
    }
    return _plan(facts, switch, first, subnets, excluded)


def _changed(facts: InstanceFacts, switch: Switch) -> Refusal | None:
    """Why the instance is not the one that the switch was requested and approved for."""
    before, now = switch.pool, facts.pool
    same = (before.instance_type, before.availability_zone) == (
        now.instance_type,
        now.availability_zone,
    )
    if same and switch.lifecycle is facts.lifecycle:
        return None
    return Refusal(
        f"{switch.instance_id} ran on {switch.lifecycle.value} {before.label} when the switch was "
        f"requested, and runs on {facts.lifecycle.value} {now.label} now.",
        _AGAIN,
    )


def _why_excluded(check: Preflight | None, first: Preflight) -> str:
    """Why a candidate may not be launched; "": it may."""
    if check is None:
        return "could not be checked in AWS"
    if check.refused:
        return check.blocking[0].text
    if _volumes(check) != _volumes(first):
        return "its data volumes would not be kept as for the requested pool"
    return ""


def _volumes(check: Preflight) -> set[tuple[str, Method]]:
    return {(effect.id, effect.method) for effect in check.effects if effect.kind == VOLUME}


def _plan(
    facts: InstanceFacts,
    switch: Switch,
    check: Preflight,
    subnets: Mapping[str, str],
    excluded: Mapping[str, str],
) -> MovePlan:
    if switch.strategy is Strategy.STOP_START:
        return MovePlan(former_type=facts.pool.instance_type, excluded=excluded)
    moved = {name for name, method in _volumes(check) if method is Method.MOVED}
    volumes = tuple(
        VolumeMove(each.volume_id, each.device, each.delete_on_termination)
        for each in facts.volumes
        if each.volume_id in moved
    )
    targets = tuple(
        TargetMove(
            each.group_arn,
            each.port or 0,
            float(known(each.deregistration_delay_s) or DEFAULT_DELAY_S),
        )
        for each in known(facts.targets) or ()
    )
    addresses = tuple(
        AddressMove(allocation, each.public_address)
        for each in facts.elastic_addresses
        if (allocation := known(each.allocation_id))
    )
    template = known(facts.launch_template)
    if switch.strategy is Strategy.FROM_TEMPLATE and template is not None:
        launch = _from_template(facts, template, subnets)
    else:
        launch = _from_image(facts, subnets, tuple(each.device for each in volumes))
    return MovePlan(
        launch=launch,
        addresses=addresses,
        targets=targets,
        volumes=volumes,
        attached=tuple(each.volume_id for each in facts.volumes),
        tags={
            name: value
            for name, value in facts.tags.items()
            if not name.startswith(AWS_TAG_PREFIX) and name not in OWN_TAGS
        },
        spot_request_id=facts.spot_request.request_id if facts.spot_request else "",
        former_type=facts.pool.instance_type,
        excluded=excluded,
    )


def _from_template(
    facts: InstanceFacts, template: LaunchTemplate, subnets: Mapping[str, str]
) -> LaunchSettings:
    primary = facts.primary_interface
    return LaunchSettings(
        template_id=template.template_id,
        template_version=template.version,
        subnets=dict(subnets),
        security_group_ids=primary.security_group_ids if primary else (),
        as_interface=template.interface_count > 0,
    )


def _from_image(
    facts: InstanceFacts, subnets: Mapping[str, str], moved_devices: tuple[str, ...]
) -> LaunchSettings:
    primary, options = facts.primary_interface, known(facts.metadata_options)
    user_data, credits_ = known(facts.user_data), facts.credit_specification
    return LaunchSettings(
        subnets=dict(subnets),
        security_group_ids=primary.security_group_ids if primary else (),
        instance_profile_arn=facts.instance_profile or "",
        key_name=facts.key_pair or "",
        user_data_sha256=user_data.sha256 if user_data is not None else "",
        metadata_options={
            "HttpTokens": options.tokens,
            "HttpPutResponseHopLimit": options.hop_limit,
            "HttpEndpoint": options.endpoint,
            "InstanceMetadataTags": options.instance_tags,
        }
        if options is not None
        else {},
        monitoring=facts.detailed_monitoring,
        ebs_optimized=facts.ebs_optimized,
        placement_group=facts.placement.group_name or "",
        credit_specification=credits_ if isinstance(credits_, str) else "",
        shutdown_behavior=known(facts.shutdown_behavior) or "",
        image_devices=moved_devices,
    )
