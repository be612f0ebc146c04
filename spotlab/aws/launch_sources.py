"""Images and launch templates that instances are launched from, read from EC2.

Source: Amazon EC2 API Reference, DescribeImages and DescribeLaunchTemplateVersions.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from spotlab.aws.instance_records import image_of, template_of
from spotlab.aws.reading import Reading
from spotlab.domain.instance_facts import Image, LaunchTemplate
from spotlab.domain.unknown import Unknown
from spotlab.errors import AwsError, NoSuchThing

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import ImageTypeDef

_TEMPLATE_RIGHT = "ec2:DescribeLaunchTemplateVersions"


def read_image(ec2: EC2Client, reading: Reading, image_id: str) -> Image:
    """The facts of an image by its id, read from EC2."""
    doing = f"Reading the image {image_id}"
    if not image_id.startswith("ami-"):
        why = Unknown(f"The launch template names its image indirectly, by {image_id}.")
        return image_of(image_id, why)

    def read() -> list[ImageTypeDef]:
        try:
            return reading.require(
                doing, lambda: ec2.describe_images(ImageIds=[image_id])["Images"]
            )
        except NoSuchThing:
            return []

    return image_of(image_id, reading.read("ec2:DescribeImages", doing, read))


def read_template(
    ec2: EC2Client, reading: Reading, template_id: str, version: str
) -> LaunchTemplate | Unknown:
    """A version of a launch template, with the facts of its image."""
    found = reading.read(
        _TEMPLATE_RIGHT,
        f"Reading launch template {template_id}",
        lambda: ec2.describe_launch_template_versions(
            LaunchTemplateId=template_id, Versions=[version]
        )["LaunchTemplateVersions"],
    )
    if isinstance(found, Unknown):
        return found
    if not found:
        return Unknown(f"Version {version} of launch template {template_id} does not exist.")
    return template_of(found[0], partial(read_image, ec2, reading))


def read_named_template(
    ec2: EC2Client, reading: Reading, name: str
) -> tuple[LaunchTemplate, ...] | Unknown:
    """The default version of the launch template with a name; empty: there is none."""
    doing = f"Reading launch template {name!r}"

    def read() -> tuple[LaunchTemplate, ...]:
        try:
            records = reading.require(
                doing,
                lambda: ec2.describe_launch_template_versions(
                    LaunchTemplateName=name, Versions=["$Default"]
                )["LaunchTemplateVersions"],
            )
        except AwsError as exc:
            if exc.code.startswith("InvalidLaunchTemplateName"):
                return ()
            raise
        return tuple(template_of(each, partial(read_image, ec2, reading)) for each in records)

    return reading.read(_TEMPLATE_RIGHT, doing, read)
