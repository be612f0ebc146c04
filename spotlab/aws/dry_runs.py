"""Which rights a switch would need and the role has, found by dry runs: nothing is changed.

EC2 checks the rights of a dry run as those of a real call, and answers DryRunOperation instead of
doing it.

Source: Amazon EC2 API Reference, "Common query parameters" (DryRun); User Guide, "Grant permission
to tag resources during creation".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from spotlab.aws.reading import Reading
from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import InstanceFacts
from spotlab.domain.market import Pool
from spotlab.domain.switch_tags import SWITCH_TAG
from spotlab.domain.target_facts import IMAGE_RIGHT, ROLE_RIGHT, RUN_RIGHT, TAG_RIGHT
from spotlab.domain.unknown import Unknown, known
from spotlab.errors import AccessDenied, AwsError, RegionNotEnabled

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_ALLOWED: Final = "DryRunOperation"
_NO_IMAGE: Final = "InvalidAMIID"
"""The image that the instance was launched from may be gone; a switch makes another."""
_TAGS: Final = [{"Key": SWITCH_TAG, "Value": "preflight"}]


class DryRuns:
    """Dry runs of the calls of a switch.

    Args:
        ec2: client of the target region.
        reading: translates errors.
    """

    def __init__(self, ec2: EC2Client, reading: Reading) -> None:
        self._ec2 = ec2
        self._reading = reading

    def launch(
        self, facts: InstanceFacts, target: Pool, lifecycle: Lifecycle, subnet_id: str | None
    ) -> tuple[dict[str, bool | Unknown], str]:
        """Whether the role may launch, tag at the launch and pass the profile's role.

        A denied launch is asked again without tags and without the profile, to tell which right
        is missing.

        Args:
            facts: of the instance.
            target: pool to launch in, in the same region.
            lifecycle: of the replacement.
            subnet_id: to launch into; None: AWS's choice.
        Returns:
            By IAM action, whether the role has the right; and why EC2 would refuse the launch for
            another reason, "" if it would not.
        """
        request = launch_request(facts, target, lifecycle, subnet_id)
        asked = [RUN_RIGHT, TAG_RIGHT, *([ROLE_RIGHT] if facts.instance_profile else [])]
        full = self._launch(request)
        if full is not False:
            refusal = full.reason if isinstance(full, Unknown) else ""
            return dict.fromkeys(asked, full), "" if _NO_IMAGE in refusal else refusal
        # without a profile, the roles' right is not among those that can be missing
        missing_of = {
            ("IamInstanceProfile",): [ROLE_RIGHT],
            ("TagSpecifications",): [TAG_RIGHT],
            ("IamInstanceProfile", "TagSpecifications"): [ROLE_RIGHT, TAG_RIGHT],
        }
        for without, missing in missing_of.items():
            if set(without) <= request.keys() and self._launch(request, without) is True:
                return {action: action not in missing for action in asked}, ""
        rights: dict[str, bool | Unknown] = dict.fromkeys(asked, Unknown(_FIRST))
        return rights | {RUN_RIGHT: False}, ""

    def others(self, facts: InstanceFacts) -> dict[str, bool | Unknown]:
        """By IAM action, whether the role may do what else a switch does to the instance.

        Args:
            facts: of the instance.
        """
        ec2, instance_id = self._ec2, facts.instance_id
        ids = {"InstanceIds": [instance_id]}
        found = self._image(instance_id)
        found["ec2:TerminateInstances"] = self._ask(ec2.terminate_instances, **ids)
        for volume in facts.data_volumes[:1]:
            found["ec2:DetachVolume"] = self._ask(ec2.detach_volume, VolumeId=volume.volume_id)
            found["ec2:AttachVolume"] = self._ask(
                ec2.attach_volume,
                VolumeId=volume.volume_id,
                InstanceId=instance_id,
                Device=volume.device,
            )
        moves = [
            self._ask(ec2.associate_address, AllocationId=allocation, InstanceId=instance_id)
            for address in facts.elastic_addresses
            if (allocation := known(address.allocation_id)) is not None
        ]
        if moves:
            # a role may have the right for some of the addresses only
            found["ec2:AssociateAddress"] = min(moves, key=lambda each: each is not False)
        if facts.lifecycle is Lifecycle.ON_DEMAND:
            found["ec2:StopInstances"] = self._ask(ec2.stop_instances, **ids)
            found["ec2:StartInstances"] = self._ask(ec2.start_instances, **ids)
            found["ec2:ModifyInstanceAttribute"] = self._ask(
                ec2.modify_instance_attribute,
                InstanceId=instance_id,
                InstanceType={"Value": facts.pool.instance_type},
            )
        return found

    def _image(self, instance_id: str) -> dict[str, bool | Unknown]:
        """The rights to make an image and to tag it with its snapshots."""
        request = {"InstanceId": instance_id, "Name": f"spotlab-preflight-{instance_id}"}
        tags = [{"ResourceType": kind, "Tags": _TAGS} for kind in ("image", "snapshot")]
        made = self._ask(self._ec2.create_image, **request, TagSpecifications=tags)
        if made is False and self._ask(self._ec2.create_image, **request) is True:
            return {IMAGE_RIGHT: True, TAG_RIGHT: False}
        return {IMAGE_RIGHT: made}

    def _launch(self, request: Mapping[str, Any], without: Sequence[str] = ()) -> bool | Unknown:
        parameters = {name: value for name, value in request.items() if name not in without}
        return self._ask(self._ec2.run_instances, **parameters)

    def _ask(self, call: Callable[..., Any], **parameters: Any) -> bool | Unknown:
        """Whether EC2 would do it. It does nothing: DryRun is always set."""
        try:
            self._reading.require("A dry run", lambda: call(**parameters, DryRun=True))
        except AwsError as exc:
            if exc.code == _ALLOWED:
                return True
            denied = isinstance(exc, AccessDenied) and not isinstance(exc, RegionNotEnabled)
            return False if denied else Unknown(exc.message)
        return Unknown("AWS did not treat the call as a dry run.")


_FIRST: Final = "The right to launch instances is missing; this one could not be tested."


def launch_request(
    facts: InstanceFacts, target: Pool, lifecycle: Lifecycle, subnet_id: str | None
) -> Mapping[str, Any]:
    """A RunInstances request like that of a switch, for a dry run: without user data."""
    primary = facts.primary_interface
    kinds = ["instance", "volume", "network-interface"]
    request: dict[str, Any] = {
        "ImageId": facts.image.image_id,
        "InstanceType": target.instance_type,
        "MinCount": 1,
        "MaxCount": 1,
    }
    if lifecycle is Lifecycle.SPOT:
        kinds.append("spot-instances-request")
        request["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {"SpotInstanceType": "one-time"},
        }
    if subnet_id:
        request["SubnetId"] = subnet_id
    if primary is not None and primary.security_group_ids:
        request["SecurityGroupIds"] = [*primary.security_group_ids]
    if facts.instance_profile:
        request["IamInstanceProfile"] = {"Arn": facts.instance_profile}
    if facts.key_pair:
        request["KeyName"] = facts.key_pair
    request["TagSpecifications"] = [{"ResourceType": kind, "Tags": _TAGS} for kind in kinds]
    return request
