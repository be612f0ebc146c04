"""Whether the instance's software starts on the target type, and what the type lacks.

Source: Amazon EC2 User Guide, "Compatibility for changing the instance type", "Amazon EBS volumes
and NVMe" and "Instance type boot mode".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import Image
from spotlab.domain.switch_plan import Finding, Strategy
from spotlab.domain.target_facts import TypeFacts
from spotlab.domain.unknown import Unknown
from spotlab.switching.preflight.case import SwitchCase

_REQUIRED: Final = "required"


def hardware_findings(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    """What forbids the target type, or needs a person's word."""
    yield from _worse_hardware(case)
    source, target = case.source_type, case.target_type
    for name, fact in (
        (case.facts.pool.instance_type, source),
        (case.target.instance_type, target),
    ):
        if isinstance(fact, Unknown):
            yield Finding(
                "unknown-type",
                f"The facts of instance type {name} are not known: {fact.reason}",
                f"Grant {fact.permission} to SpotLab's role."
                if fact.permission
                else "Check that the region offers the type, and try again.",
            )
    if isinstance(target, Unknown):
        return
    image = _image(case, strategy)
    yield from _processor(case, target, image, strategy)
    yield from _boot_mode(case, target, image)
    if not isinstance(source, Unknown):
        yield from _drivers(case, source, target, image)
    yield from _features(case, target, image)


def _worse_hardware(case: SwitchCase) -> Iterator[Finding]:
    """A question about a type that a person named, and that no decision would choose."""
    if case.shortfall:
        own, other = case.facts.pool.instance_type, case.target.instance_type
        yield Finding(
            "worse-hardware",
            f"{other} is no like-for-like replacement of {own}: {case.shortfall}.",
            "Name another type, or confirm that it is enough for the work.",
            question=True,
        )


def _image(case: SwitchCase, strategy: Strategy) -> Image:
    """The image that the replacement starts from, or that its image inherits from."""
    template = case.template
    if strategy is Strategy.FROM_TEMPLATE and template is not None and template.image is not None:
        return template.image
    return case.facts.image


def _processor(
    case: SwitchCase, target: TypeFacts, image: Image, strategy: Strategy
) -> Iterator[Finding]:
    architecture: str | Unknown = case.facts.architecture
    if strategy is Strategy.FROM_TEMPLATE:
        architecture = image.architecture
    if isinstance(architecture, Unknown) or architecture in target.architectures:
        return
    supported = " or ".join(target.architectures) or "another architecture"
    yield Finding(
        "architecture",
        f"The software is for {architecture}, and {target.instance_type} runs {supported}.",
        f"Choose a type that runs {architecture}, or launch from an image for {supported}.",
    )


def _boot_mode(case: SwitchCase, target: TypeFacts, image: Image) -> Iterator[Finding]:
    mode = image.boot_mode
    if mode is None or isinstance(mode, Unknown):
        mode = case.facts.boot_mode
    if mode is None or mode == "uefi-preferred" or not target.boot_modes:
        return
    if mode not in target.boot_modes:
        yield Finding(
            "boot-mode",
            f"The image boots with {mode}, and {target.instance_type} supports "
            f"{', '.join(target.boot_modes)}.",
            "Choose a type that supports the boot mode, or register an image with another.",
        )


def _drivers(
    case: SwitchCase, source: TypeFacts, target: TypeFacts, image: Image
) -> Iterator[Finding]:
    """ENA and NVMe: a type that needs them proves that the running system has the drivers."""
    same_image = image.image_id == case.facts.image.image_id
    runs_ena = same_image and (case.facts.ena or source.ena == _REQUIRED)
    if target.ena == _REQUIRED and not runs_ena and image.ena is not True:
        reason = f" ({image.ena.reason})" if isinstance(image.ena, Unknown) else ""
        yield Finding(
            "image-without-ena",
            f"{target.instance_type} needs ENA, and {image.image_id} is not marked as supporting "
            f"it{reason}.",
            f"Grant {image.ena.permission} to SpotLab's role."
            if isinstance(image.ena, Unknown) and image.ena.permission
            else "Install the ENA driver, stop the instance, run aws ec2 modify-instance-attribute "
            f"--instance-id {case.facts.instance_id} --ena-support, and start it.",
        )
    runs_nvme = same_image and source.ebs_nvme == _REQUIRED
    if target.ebs_nvme == _REQUIRED and not runs_nvme:
        yield Finding(
            "image-without-nvme",
            f"{target.instance_type} shows volumes as NVMe devices, and nothing proves that "
            f"{image.image_id} has the driver: {source.instance_type} does not need it.",
            "Check with modinfo nvme on the instance, and that /etc/fstab names volumes by UUID "
            "or label; then confirm.",
            question=True,
        )


def _features(case: SwitchCase, target: TypeFacts, image: Image) -> Iterator[Finding]:
    name = target.instance_type
    if not isinstance(image.virtualization, Unknown) and (
        target.virtualization and image.virtualization not in target.virtualization
    ):
        yield Finding(
            "virtualization",
            f"{image.image_id} is {image.virtualization}, and {name} supports "
            f"{', '.join(target.virtualization)}.",
            "Migrate to an HVM image.",
        )
    usage = "spot" if case.lifecycle is Lifecycle.SPOT else "on-demand"
    if usage not in target.usage_classes:
        yield Finding(
            "usage-class", f"EC2 does not offer {name} as {usage}.", "Choose another type."
        )
    if image.tpm is True and not target.tpm:
        yield Finding(
            "nitro-tpm",
            f"{image.image_id} needs NitroTPM, which {name} lacks.",
            "Choose a type with NitroTPM.",
        )
    source = case.source_type
    cores = case.facts.cpu_options
    if (
        cores is not None
        and not isinstance(source, Unknown)
        and source.default_cores is not None
        and cores != (source.default_cores, source.threads_per_core)
    ):
        yield Finding(
            "cpu-options",
            f"The instance uses {cores[0]} cores with {cores[1]} threads, not all of its type's; "
            f"{name} starts with all of its own.",
            "Confirm that licences and software allow that.",
            question=True,
        )
