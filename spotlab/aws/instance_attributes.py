"""Attributes of an instance that EC2 returns one a call: protection, shutdown, user data.

Of user data, only its SHA-256 leaves this module.

Source: Amazon EC2 API Reference, DescribeInstanceAttribute.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any, Literal

from spotlab.aws.reading import Reading
from spotlab.domain.instance_facts import UserData
from spotlab.domain.unknown import Unknown

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_Flag = Literal["disableApiStop", "disableApiTermination"]
_Attribute = _Flag | Literal["instanceInitiatedShutdownBehavior", "userData"]


class InstanceAttributes:
    """Attributes of one instance.

    Args:
        ec2: client.
        reading: for unknown facts.
        instance_id: of the instance.
    """

    def __init__(self, ec2: EC2Client, reading: Reading, instance_id: str) -> None:
        self._ec2 = ec2
        self._reading = reading
        self._instance_id = instance_id

    def flag(self, name: _Flag) -> bool | Unknown:
        """Whether the API refuses to terminate or stop it."""
        value = self._value(name)
        if isinstance(value, (bool, Unknown)):
            return value
        return Unknown(f"EC2 does not say {name}.")

    def shutdown_behavior(self) -> str | Unknown:
        """What a shutdown from within does: "stop" or "terminate"."""
        value = self._value("instanceInitiatedShutdownBehavior")
        if isinstance(value, (str, Unknown)):
            return value
        return Unknown("EC2 does not say the shutdown behaviour.")

    def user_data(self) -> UserData | Unknown | None:
        """That it has user data, with its digest; None: it has none."""
        text = self._value("userData")
        if isinstance(text, Unknown):
            return text
        return UserData(hashlib.sha256(_decoded(text)).hexdigest()) if text else None

    def _value(self, name: _Attribute) -> Any:
        answer = self._reading.read(
            "ec2:DescribeInstanceAttribute",
            f"Reading the attribute {name} of {self._instance_id}",
            lambda: self._ec2.describe_instance_attribute(
                InstanceId=self._instance_id, Attribute=name
            ),
        )
        if isinstance(answer, Unknown):
            return answer
        values: dict[str, Any] = dict(answer)
        return (values.get(name[0].upper() + name[1:]) or {}).get("Value")


def _decoded(text: str) -> bytes:
    """User data, as the instance sees it."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()
