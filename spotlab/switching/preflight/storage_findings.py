"""Volumes, instance store and keys: what a switch would lose, or may not use.

Source: Amazon EC2 User Guide, "Amazon EBS Multi-Attach", "Instance store" and "Service-linked role
for Spot Instance requests"; Amazon EBS User Guide, "Permissions for EBS encryption".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from spotlab.domain.attachments import customer_keys
from spotlab.domain.decision import Lifecycle
from spotlab.domain.switch_plan import Finding, Snippet, Strategy
from spotlab.domain.target_facts import SPOT_ROLE
from spotlab.domain.unknown import Unknown, known
from spotlab.switching.preflight.case import SwitchCase
from spotlab.switching.preflight.strategies import volumes_lost_with_template

GRANT_OPERATIONS: Final = (
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "CreateGrant",
    "DescribeKey",
    "ReEncryptFrom",
    "ReEncryptTo",
)
"""What AWS documents for the spot role."""

MADE_KEY: Final = "kms-key-without-grant"
MOVED_KEY: Final = "kms-key-of-moved-volume"
KEY_CODES: Final = (MADE_KEY, MOVED_KEY)
"""Codes of keys that may not be used: by a launch, or to attach a volume again."""


def storage_findings(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    """What forbids the switch because of storage, or needs a person's word."""
    yield from _instance_store(case)
    if strategy.in_place:
        yield Finding(
            "stop",
            "The instance is away while it stops and starts, and stays stopped if EC2 has no "
            "capacity for the new type; then it is started with its old type.",
            "Confirm the interruption.",
            question=True,
        )
        return
    if case.facts.root_device_type != "ebs" and strategy.makes_image:
        yield Finding(
            "instance-store-root",
            "The root device is an instance store, of which EC2 cannot make an image.",
            "Move to an image with an EBS root volume.",
        )
    for volume in case.facts.volumes:
        shared = volume.attached_to
        several = not isinstance(shared, Unknown) and len(shared) > 1
        if volume.multi_attach is True or several:
            others = "" if isinstance(shared, Unknown) else f", to {', '.join(shared)}"
            yield Finding(
                "multi-attach",
                f"Volume {volume.volume_id} can be attached to several instances{others}.",
                "Detach it first, and attach it to the new instance when its cluster is ready.",
            )
    yield from _data_volumes(case, strategy)
    yield from _root(case, strategy)
    if case.same_region:
        yield from _keys(case)


def _instance_store(case: SwitchCase) -> Iterator[Finding]:
    size = case.facts.instance_store_gb
    if isinstance(size, Unknown) or size == 0.0:
        return
    name, workload = case.facts.pool.instance_type, case.applied.workload
    text = f"{name} has an instance store of {size:,.0f} GB, and a switch loses what is on it"
    if workload.hardware.uses_local_storage:
        yield Finding(
            "instance-store-data",
            f"{text}; workload {workload.name} says that it is used.",
            "Copy the data to EBS or S3, then turn off uses_local_storage in the workload.",
        )
    elif case.stateless:
        text = f"{text}; workload {workload.name} is stateless."
        yield Finding("instance-store-data", text, blocks=False)
    else:
        yield Finding(
            "instance-store-data",
            f"{text}; nothing says whether it is used.",
            "Check with lsblk on the instance; confirm if nothing on it is needed.",
            question=True,
        )


def _data_volumes(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    volumes = case.facts.data_volumes
    if not volumes:
        return
    names = ", ".join(volume.volume_id for volume in volumes)
    if not case.same_region:
        return  # refused as a whole: other-region
    if strategy is Strategy.FROM_TEMPLATE:
        if lost := volumes_lost_with_template(case):
            yield Finding(
                "data-volumes-lost",
                f"A launch from the template leaves {', '.join(lost)} behind.",
                "Launch from an image, choose a pool in the same zone, or confirm that they are "
                "not needed.",
                question=True,
            )
    elif not case.same_zone:
        tolerated = case.stateless or case.restarts_from_checkpoint
        yield Finding(
            "data-volumes-other-zone",
            f"{names} cannot leave {case.facts.pool.availability_zone}: the image copies them, and "
            "what is written after the image is lost.",
            ""
            if tolerated
            else "Stop writing before the switch and confirm, or choose a pool in the same zone.",
            blocks=not tolerated,
            question=not tolerated,
        )
    if case.same_zone and (strategy.makes_image or strategy is Strategy.FROM_TEMPLATE):
        moved = [v for v in volumes if v.volume_id not in volumes_lost_with_template(case)]
        if strategy.makes_image:
            moved = [*volumes]
        if moved:
            yield Finding(
                "data-volumes-moved",
                f"{', '.join(volume.volume_id for volume in moved)} cannot be attached to both: "
                "the old instance loses them before it ends, and the new one starts without them.",
                "Mount them with nofail in /etc/fstab, and start what uses them when they appear.",
                blocks=False,
            )


def _root(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    if strategy is Strategy.FROM_IMAGE_REBOOT:
        yield Finding(
            "reboot",
            "The instance reboots while its image is made, so that its file systems are "
            "consistent: it is away for a minute or more.",
            "Confirm the reboot, or request an image without one if a file system as after a "
            "power failure is acceptable.",
            question=True,
        )
    elif strategy is Strategy.FROM_IMAGE:
        tolerated = case.stateless or case.restarts_from_checkpoint
        yield Finding(
            "inconsistent-file-system",
            "The image is made while the instance runs: its file system is as after a power "
            "failure.",
            ""
            if tolerated
            else "Confirm that this is acceptable, or request an image with a reboot.",
            blocks=not tolerated,
            question=not tolerated,
        )
    elif strategy is Strategy.FROM_TEMPLATE and not case.stateless:
        yield Finding(
            "root-volume-lost",
            "A launch from the template starts with its image: what was written to the root "
            f"volume is lost, and workload {case.applied.workload.name} does not say that it is "
            "stateless.",
            "Launch from an image of the instance, or confirm that nothing on it is needed.",
            question=True,
        )


def _keys(case: SwitchCase) -> Iterator[Finding]:
    """Customer keys: of volumes that a launch makes, and of volumes that are attached again."""
    facts, region = case.facts, case.region
    moved = facts.data_volumes if case.same_zone else ()
    made = [volume for volume in facts.volumes if volume not in moved]
    spot = case.lifecycle is Lifecycle.SPOT
    grantee = known(region.spot_role) if spot else None
    for key in sorted(customer_keys(made)):
        yield from _key(
            key,
            f"The role {SPOT_ROLE}" if spot else "SpotLab's role",
            region.key_grants.get(key, _NOT_READ),
            MADE_KEY,
            "the launch would end with Client.InternalError",
            grantee or "",
        )
    for key in sorted(customer_keys(moved)):
        yield from _key(
            key,
            "SpotLab's role",
            region.attach_grants.get(key, _NOT_READ),
            MOVED_KEY,
            "its volume could not be attached to the new instance",
            "",
        )


_NOT_READ: Final = Unknown("It was not read.")


def _key(
    key: str, who: str, allowed: bool | Unknown, code: str, consequence: str, grantee: str
) -> Iterator[Finding]:
    if isinstance(allowed, Unknown):
        yield Finding(
            "unknown-kms-grant",
            f"Whether {who} may use the key {key} is not known: {allowed.reason}",
            f"Grant {allowed.permission} to SpotLab's role."
            if allowed.permission
            else "Try again.",
        )
    elif not allowed:
        yield Finding(
            code,
            f"{who} may not use the key {key} of an encrypted volume: {consequence}.",
            "Create a grant on the key; only an administrator of the key can.",
            snippets=(_grant(key, grantee),),
        )


def _grant(key: str, grantee: str) -> Snippet:
    account = key.split(":")[4] if key.count(":") >= 5 else "ACCOUNT-ID"
    principal = grantee or f"arn:aws:iam::{account}:role/YOUR-ROLE"
    return Snippet(
        "Create the grant",
        "sh",
        f"aws kms create-grant --key-id {json.dumps(key)} \\\n"
        f"  --grantee-principal {json.dumps(principal)} \\\n"
        f"  --operations {' '.join(GRANT_OPERATIONS)}",
    )
