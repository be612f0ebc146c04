"""What a switch must keep of an instance, read from EC2, Elastic Load Balancing and KMS.

A call that AWS does not answer makes its facts unknown, with the reason and, if the role lacks a
right, its name; only the instance itself must be readable.

Source: Amazon EC2 API Reference, DescribeInstances, DescribeInstanceAttribute, DescribeVolumes,
DescribeAddresses, DescribeImages, DescribeLaunchTemplateVersions, DescribeSpotInstanceRequests;
AWS KMS API Reference, DescribeKey.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from spotlab.aws.instance_attributes import InstanceAttributes
from spotlab.aws.instance_records import (
    TEMPLATE_TAG,
    TEMPLATE_VERSION_TAG,
    addresses_of,
    interfaces_of,
    metadata_options_of,
    owners_of,
    type_facts_of,
    volumes_of,
)
from spotlab.aws.launch_sources import read_image, read_template
from spotlab.aws.reading import Reading
from spotlab.aws.session import Sessions
from spotlab.aws.target_groups import registrations
from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import (
    InstanceFacts,
    Placement,
    SpotRequest,
)
from spotlab.domain.market import LINUX, Pool
from spotlab.domain.ports import Account, Clock
from spotlab.domain.target_facts import TypeFacts
from spotlab.domain.unknown import Unknown, known
from spotlab.errors import NoSuchThing

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef, VolumeTypeDef
    from mypy_boto3_kms import KMSClient

_LIVE_REQUESTS: Final = ("open", "active")


class Ec2Discovery:
    """The facts of one instance and of instance types; it only reads.

    Args:
        sessions: clients by account and region.
        clock: for the time of the facts.
    """

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def facts(self, account: Account, region: str, instance_id: str) -> InstanceFacts:
        """What a switch must keep of an instance.

        Args:
            account: that it belongs to.
            region: where it runs, such as "us-east-1".
            instance_id: such as "i-0abc…".
        Returns:
            Its facts; those that could not be read are `Unknown`.
        Raises:
            NoSuchThing: EC2 has no such instance.
            AwsError: the instance itself could not be read.
        """
        return _Discovery(self._sessions, self._clock, account, region).facts(instance_id)

    def types(
        self, account: Account, region: str, names: Iterable[str]
    ) -> dict[str, TypeFacts | Unknown]:
        """The facts of instance types, from one DescribeInstanceTypes for each 100 types.

        Args:
            account: with which to ask.
            region: such as "us-east-1".
            names: such as ["m6i.large"].
        Returns:
            By name; unknown if EC2 did not answer, or the region has no such type.
        """
        ec2 = self._sessions.client("ec2", account, region)
        return read_types(ec2, Reading(account), region, names)


def read_types(
    ec2: EC2Client, reading: Reading, region: str, names: Iterable[str]
) -> dict[str, TypeFacts | Unknown]:
    """As `Ec2Discovery.types`, with a client."""
    wanted = sorted(set(names))
    found: dict[str, TypeFacts | Unknown] = {}
    for start in range(0, len(wanted), 100):
        batch = wanted[start : start + 100]
        answer = reading.read(
            "ec2:DescribeInstanceTypes",
            f"Reading the instance types {', '.join(batch)} in {region}",
            lambda batch=batch: [  # type: ignore[misc]
                record
                for page in ec2.get_paginator("describe_instance_types").paginate(
                    Filters=[{"Name": "instance-type", "Values": batch}]
                )
                for record in page["InstanceTypes"]
            ],
        )
        if isinstance(answer, Unknown):
            found |= dict.fromkeys(batch, answer)
            continue
        found |= {record["InstanceType"]: type_facts_of(record) for record in answer}
    missing = Unknown(f"EC2 does not list it in {region}.")
    return {name: found.get(name, missing) for name in wanted}


class _Discovery:
    """One reading of one instance."""

    def __init__(self, sessions: Sessions, clock: Clock, account: Account, region: str) -> None:
        self._sessions = sessions
        self._clock = clock
        self._account = account
        self._region = region
        self._reading = Reading(account)
        self._ec2 = sessions.client("ec2", account, region)

    def facts(self, instance_id: str) -> InstanceFacts:
        instance = self._instance(instance_id)
        tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
        interfaces = interfaces_of(instance)
        volume_records = self._volumes(instance)
        public, elastic = addresses_of(instance, self._addresses(instance_id))
        types = read_types(self._ec2, self._reading, self._region, [instance["InstanceType"]])
        type_facts = types[instance["InstanceType"]]
        windows = instance.get("Platform", "").lower() == "windows"
        spot = instance.get("InstanceLifecycle") == "spot"
        attributes = InstanceAttributes(self._ec2, self._reading, instance_id)
        cpu = instance.get("CpuOptions", {})
        profile = instance.get("IamInstanceProfile", {})
        return InstanceFacts(
            instance_id=instance_id,
            account=self._account.name,
            pool=Pool(
                self._region,
                instance["Placement"]["AvailabilityZone"],
                instance["InstanceType"],
                "Windows" if windows else LINUX,
            ),
            lifecycle=Lifecycle.SPOT if spot else Lifecycle.ON_DEMAND,
            state=instance["State"]["Name"],
            read_at=self._clock.now(),
            launched_at=instance["LaunchTime"].astimezone(UTC),
            owners=owners_of(tags),
            launch_template=read_template(
                self._ec2, self._reading, tags[TEMPLATE_TAG], tags[TEMPLATE_VERSION_TAG]
            )
            if TEMPLATE_TAG in tags and TEMPLATE_VERSION_TAG in tags
            else None,
            volumes=volumes_of(instance, volume_records, self._managers_of(volume_records)),
            instance_store_gb=type_facts
            if isinstance(type_facts, Unknown)
            else type_facts.instance_store_gb,
            interfaces=interfaces,
            vpc_id=instance.get("VpcId", ""),
            public_address=public,
            elastic_addresses=elastic,
            targets=registrations(
                self._sessions.client("elbv2", self._account, self._region),
                self._reading,
                instance_id,
                [
                    address
                    for each in interfaces
                    for address in (
                        each.primary_private_address,
                        *each.secondary_private_addresses,
                        *each.ipv6_addresses,
                    )
                ],
                instance.get("VpcId", ""),
            ),
            instance_profile=profile.get("Arn"),
            user_data=attributes.user_data(),
            tags=tags,
            metadata_options=metadata_options_of(instance),
            termination_protection=attributes.flag("disableApiTermination"),
            stop_protection=attributes.flag("disableApiStop"),
            shutdown_behavior=attributes.shutdown_behavior(),
            key_pair=instance.get("KeyName") or None,
            placement=self._placement(instance),
            image=read_image(self._ec2, self._reading, instance["ImageId"]),
            ena=instance.get("EnaSupport", False),
            architecture=instance.get("Architecture", ""),
            boot_mode=instance.get("CurrentInstanceBootMode") or instance.get("BootMode"),
            root_device_type=instance.get("RootDeviceType", "ebs"),
            spot_request=self._spot_request(instance),
            detailed_monitoring=instance.get("Monitoring", {}).get("State") == "enabled",
            credit_specification=self._credits(instance_id, type_facts),
            hibernation=instance.get("HibernationOptions", {}).get("Configured", False),
            enclave=instance.get("EnclaveOptions", {}).get("Enabled", False),
            cpu_options=(cpu["CoreCount"], cpu["ThreadsPerCore"])
            if "CoreCount" in cpu and "ThreadsPerCore" in cpu
            else None,
            ebs_optimized=instance.get("EbsOptimized", False),
        )

    def _instance(self, instance_id: str) -> InstanceTypeDef:
        found = self._reading.require(
            f"Reading instance {instance_id!r} in {self._region}",
            lambda: [
                record
                for reservation in self._ec2.describe_instances(InstanceIds=[instance_id])[
                    "Reservations"
                ]
                for record in reservation["Instances"]
            ],
        )
        if not found:
            raise NoSuchThing(
                f"EC2 does not list instance {instance_id!r} in {self._region}.",
                remedy="Check the id and the region; a terminated instance is listed for an hour.",
            )
        return found[0]

    def _volumes(self, instance: InstanceTypeDef) -> list[VolumeTypeDef] | Unknown:
        ids = [
            each["Ebs"]["VolumeId"]
            for each in instance.get("BlockDeviceMappings", [])
            if "Ebs" in each
        ]
        if not ids:
            return []
        return self._reading.read(
            "ec2:DescribeVolumes",
            "Reading its volumes",
            lambda: self._ec2.describe_volumes(VolumeIds=ids)["Volumes"],
        )

    def _managers_of(
        self, records: Sequence[VolumeTypeDef] | Unknown
    ) -> Mapping[str, bool | Unknown]:
        """By ARN of each key of the volumes, whether AWS manages it."""
        if isinstance(records, Unknown):
            return {}
        keys = sorted({each["KmsKeyId"] for each in records if each.get("KmsKeyId")})
        if not keys:
            return {}
        kms = self._sessions.client("kms", self._account, self._region)
        return {key: self._aws_managed(kms, key) for key in keys}

    def _aws_managed(self, kms: KMSClient, key: str) -> bool | Unknown:
        return self._reading.read(
            "kms:DescribeKey",
            f"Reading the key {key}",
            lambda: kms.describe_key(KeyId=key)["KeyMetadata"].get("KeyManager") == "AWS",
        )

    def _addresses(self, instance_id: str) -> Any:
        return self._reading.read(
            "ec2:DescribeAddresses",
            "Reading its Elastic IP addresses",
            lambda: self._ec2.describe_addresses(
                Filters=[{"Name": "instance-id", "Values": [instance_id]}]
            )["Addresses"],
        )

    def _placement(self, instance: InstanceTypeDef) -> Placement:
        placement = instance["Placement"]
        group = placement.get("GroupName") or None
        wanted = instance.get("CapacityReservationSpecification", {})
        return Placement(
            tenancy=placement.get("Tenancy", "default"),
            host_id=placement.get("HostId"),
            group_name=group,
            group_strategy=self._group_strategy(group) if group else None,
            partition=placement.get("PartitionNumber"),
            capacity_reservation_id=instance.get("CapacityReservationId"),
            capacity_reservation_targeted="CapacityReservationTarget" in wanted,
        )

    def _group_strategy(self, name: str) -> str | Unknown:
        found = self._reading.read(
            "ec2:DescribePlacementGroups",
            f"Reading placement group {name}",
            lambda: self._ec2.describe_placement_groups(GroupNames=[name])["PlacementGroups"],
        )
        if isinstance(found, Unknown):
            return found
        return str(found[0].get("Strategy", "")) if found else Unknown(f"EC2 has no {name}.")

    def _spot_request(self, instance: InstanceTypeDef) -> SpotRequest | None:
        if instance.get("InstanceLifecycle") != "spot":
            return None
        request_id = instance.get("SpotInstanceRequestId", "")
        if not request_id:
            why = Unknown("EC2 does not name its spot request.")
            return SpotRequest("", why, why, why)
        found = self._reading.read(
            "ec2:DescribeSpotInstanceRequests",
            f"Reading spot request {request_id}",
            lambda: self._ec2.describe_spot_instance_requests(
                Filters=[{"Name": "spot-instance-request-id", "Values": [request_id]}]
            )["SpotInstanceRequests"],
        )
        if isinstance(found, Unknown):
            return SpotRequest(request_id, found, found, found)
        if not found:
            # EC2 forgets a request some time after it ended; an ended one launches nothing
            return SpotRequest(request_id, False, "terminate", False)
        record = found[0]
        return SpotRequest(
            request_id,
            record.get("Type", "one-time") == "persistent",
            record.get("InstanceInterruptionBehavior", "terminate"),
            record.get("State", "active") in _LIVE_REQUESTS,
        )

    def _credits(self, instance_id: str, type_facts: TypeFacts | Unknown) -> str | Unknown | None:
        facts = known(type_facts)
        if facts is not None and not facts.burstable:
            return None
        answer = self._reading.read(
            "ec2:DescribeInstanceCreditSpecifications",
            f"Reading the credit specification of {instance_id}",
            lambda: self._ec2.describe_instance_credit_specifications(InstanceIds=[instance_id])[
                "InstanceCreditSpecifications"
            ],
        )
        if isinstance(answer, Unknown):
            return answer
        return answer[0].get("CpuCredits") if answer else None
