"""The choice of a strategy, with its reason."""

from __future__ import annotations

from spotlab.domain.decision import Lifecycle
from spotlab.domain.switch_plan import Strategy
from spotlab.switching.preflight.case import SwitchCase
from spotlab.switching.preflight.template_findings import differences_of


def choose(case: SwitchCase, wanted: Strategy | None = None) -> tuple[Strategy, str]:
    """The strategy for a switch and why.

    Args:
        case: the switch.
        wanted: what a person asked for; None: nothing.
    Returns:
        The strategy, and a sentence. Whether it is possible is for the findings to say.
    """
    name = case.applied.workload.name
    if wanted is not None:
        return wanted, f"Requested: {wanted.label}."
    if not case.same_region:
        return Strategy.FROM_TEMPLATE, (
            f"Images, volumes and addresses stay in {case.facts.pool.region}: in another region, "
            "only a launch template that exists there can be used."
        )
    from_template = _template_reason(case)
    if case.can_stop_and_start and not (from_template and not case.facts.data_volumes):
        return Strategy.STOP_START, (
            "Only the type changes, on-demand and in the same zone: the instance keeps its id, "
            "volumes and private addresses, and is down while it stops and starts."
        )
    if from_template:
        return Strategy.FROM_TEMPLATE, from_template
    if case.stateless or case.restarts_from_checkpoint:
        what = "is stateless" if case.stateless else "restarts from a checkpoint"
        return Strategy.FROM_IMAGE, (
            f"Workload {name} {what}, so a file system as after a power failure is acceptable; "
            f"{_no_template(case)}"
        )
    return Strategy.FROM_IMAGE_REBOOT, (
        f"Nothing says that workload {name} tolerates an inconsistent file system, so the instance "
        f"reboots while its image is made; {_no_template(case)}"
    )


def _template_reason(case: SwitchCase) -> str:
    """Why the launch template suffices; "" if it does not."""
    template = case.template
    if template is None or template.image is None or not case.stateless:
        return ""
    if template.names_spot and case.lifecycle is Lifecycle.ON_DEMAND:
        return ""
    if volumes_lost_with_template(case) or differences_of(template, case.facts):
        return ""
    return (
        f"Workload {case.applied.workload.name} is stateless and the instance was launched from "
        f"{template.template_id}, version {template.version}: no image is needed."
    )


def volumes_lost_with_template(case: SwitchCase) -> tuple[str, ...]:
    """Ids of data volumes that a launch from the template could not carry over.

    A volume cannot leave its zone, and not be attached where the template makes a new one.
    """
    devices = case.template.devices if case.template else ()
    return tuple(
        volume.volume_id
        for volume in case.facts.data_volumes
        if not case.same_zone or volume.device in devices
    )


def _no_template(case: SwitchCase) -> str:
    if case.template is None:
        return "no launch template of the instance is known."
    if case.template.image is None:
        return f"launch template {case.template.template_id} names no image."
    if case.template.names_spot and case.lifecycle is Lifecycle.ON_DEMAND:
        return "its launch template can only launch spot instances."
    if not case.stateless:
        return "a launch from its template would lose what is on the root volume."
    if volumes_lost_with_template(case):
        return "a launch from its template would lose data volumes."
    return "its launch template has another image, profile or user data than the instance."
