"""What a launch template would launch differently from an instance that was launched from it."""

from __future__ import annotations

from spotlab.domain.instance_facts import InstanceFacts, LaunchTemplate
from spotlab.domain.unknown import Unknown


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
