"""Which rights a switch would need and the role has, found by dry runs: nothing is changed.

EC2 checks the rights of a dry run as those of a real call, and answers DryRunOperation instead of
doing it.

Source: Amazon EC2 API Reference, "Common query parameters" (DryRun); User Guide, "Grant permission
to tag resources during creation".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from spotlab.aws.reading import Reading
from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import InstanceFacts
from spotlab.domain.market import Pool
from spotlab.domain.target_facts import ROLE_RIGHT, RUN_RIGHT, SWITCH_TAG, TAG_RIGHT
from spotlab.domain.unknown import Unknown
from spotlab.errors import AccessDenied, AwsError, RegionNotEnabled

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_ALLOWED: Final = "DryRunOperation"
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

    def rights(
        self, facts: InstanceFacts, target: Pool, lifecycle: Lifecycle, subnet_id: str | None
    ) -> dict[str, bool | Unknown]:
        """By IAM action, whether the role has the right.

        Args:
            facts: of the instance.
            target: pool to launch in, in the same region.
            lifecycle: of the replacement.
            subnet_id: to launch into; None: AWS's choice.
        """
        ec2, instance_id = self._ec2, facts.instance_id
        found = self._launch_rights(facts, target, lifecycle, subnet_id)
        tagging = self._ask(ec2.create_tags, Resources=[instance_id], Tags=_TAGS)
        if found[TAG_RIGHT] is True or tagging is not True:
            found[TAG_RIGHT] = tagging
        found["ec2:TerminateInstances"] = self._ask(
            ec2.terminate_instances, InstanceIds=[instance_id]
        )
        found["ec2:CreateImage"] = self._ask(
            ec2.create_image, InstanceId=instance_id, Name=f"spotlab-preflight-{instance_id}"
        )
        if facts.data_volumes:
            volume = facts.data_volumes[0]
            found["ec2:DetachVolume"] = self._ask(ec2.detach_volume, VolumeId=volume.volume_id)
            found["ec2:AttachVolume"] = self._ask(
                ec2.attach_volume,
                VolumeId=volume.volume_id,
                InstanceId=instance_id,
                Device=volume.device,
            )
        if lifecycle is facts.lifecycle is Lifecycle.ON_DEMAND:
            found["ec2:StopInstances"] = self._ask(ec2.stop_instances, InstanceIds=[instance_id])
            found["ec2:StartInstances"] = self._ask(ec2.start_instances, InstanceIds=[instance_id])
        return found

    def _launch_rights(
        self, facts: InstanceFacts, target: Pool, lifecycle: Lifecycle, subnet_id: str | None
    ) -> dict[str, bool | Unknown]:
        """The rights to launch, to tag at launch and to pass the profile's role.

        A refused launch is asked again without tags and without the profile, to tell which right
        is missing.
        """
        request = launch_request(facts, target, lifecycle, subnet_id)
        full = self._ask(self._ec2.run_instances, **request)
        if full is not False:
            rights: dict[str, bool | Unknown] = {RUN_RIGHT: full, TAG_RIGHT: full}
            return rights | ({ROLE_RIGHT: full} if facts.instance_profile else {})
        without_tags = {k: v for k, v in request.items() if k != "TagSpecifications"}
        without_profile = {k: v for k, v in request.items() if k != "IamInstanceProfile"}
        bare = {k: v for k, v in without_tags.items() if k != "IamInstanceProfile"}
        if self._ask(self._ec2.run_instances, **bare) is not True:
            return {RUN_RIGHT: False, TAG_RIGHT: Unknown(_FIRST), ROLE_RIGHT: Unknown(_FIRST)}
        rights = {RUN_RIGHT: True, TAG_RIGHT: self._ask(self._ec2.run_instances, **without_profile)}
        if facts.instance_profile:
            rights[ROLE_RIGHT] = self._ask(self._ec2.run_instances, **without_tags)
        return rights

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
