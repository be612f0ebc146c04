"""Whether the launch template can be used, and what it would launch differently.

Source: Amazon EC2 API Reference, RunInstances (LaunchTemplate).
"""

from __future__ import annotations

from collections.abc import Iterator

from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import InstanceFacts, LaunchTemplate
from spotlab.domain.switch_plan import Finding, Strategy
from spotlab.domain.unknown import Unknown
from spotlab.switching.preflight.case import SwitchCase


def template_findings(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    """What forbids a launch from the template, or what would differ from the instance."""
    if strategy is not Strategy.FROM_TEMPLATE:
        return
    template = case.template
    if template is None or template.image is None:
        if case.same_region:
            yield Finding(
                "no-launch-template",
                "No launch template of the instance that names an image is known.",
                "Launch from an image of the instance.",
            )
        return
    name = f"Launch template {template.template_id}, version {template.version},"
    if template.names_spot and case.lifecycle is Lifecycle.ON_DEMAND:
        yield Finding(
            "template-names-spot",
            f"{name} has spot options, which a launch cannot take away: the replacement would not "
            "be on-demand.",
            "Launch from an image, or make a version without spot options.",
        )
    image = template.image
    if isinstance(image.exists, Unknown):
        yield Finding(
            "unknown-template-image",
            f"The image of {name.removesuffix(',')} is not known: {image.exists.reason}",
            f"Grant {image.exists.permission} to SpotLab's role."
            if image.exists.permission
            else "Check its architecture, boot mode and drivers for the target type; then confirm.",
            question=not image.exists.permission,
        )
    elif not image.exists:
        yield Finding(
            "template-image-missing",
            f"{name} names image {image.image_id}, which does not exist now.",
            "Launch from an image of the instance, or make a version with an image that exists.",
        )
    if case.same_region:
        yield from _interfaces(template, name)
        yield from _differences(case, template)


def _interfaces(template: LaunchTemplate, name: str) -> Iterator[Finding]:
    if template.interface_count > 1:
        yield Finding(
            "template-interfaces",
            f"{name} describes {template.interface_count} network interfaces.",
            "Make a version with one interface.",
        )


def _differences(case: SwitchCase, template: LaunchTemplate) -> Iterator[Finding]:
    if differences := differences_of(template, case.facts):
        yield Finding(
            "template-differs",
            f"Launch template {template.template_id}, version {template.version}, would launch "
            f"with {'; '.join(differences)}.",
            "Make a version that fits, launch from an image, or confirm that this is wanted.",
            question=True,
        )


def differences_of(template: LaunchTemplate, facts: InstanceFacts) -> tuple[str, ...]:
    """What was changed since the launch or overridden at it, each in a few words.

    Args:
        template: the version that the instance was launched from.
        facts: of the instance; what is unknown counts as equal.
    """
    found = []
    image = template.image
    if image is not None and image.image_id != facts.image.image_id:
        found.append(f"image {image.image_id} instead of {facts.image.image_id}")
    wanted, present = _name(template.instance_profile), _name(facts.instance_profile)
    if wanted != present:
        found.append(f"{wanted or 'no instance profile'} instead of {present or 'none'}")
    if not isinstance(facts.user_data, Unknown) and (
        template.has_user_data != (facts.user_data is not None)
    ):
        has = "user data" if template.has_user_data else "no user data"
        found.append(f"{has}, unlike the instance")
    return tuple(found)


def _name(profile: str | None) -> str:
    """The name of an instance profile that a name or an ARN stands for."""
    return (profile or "").rpartition("/")[2]
