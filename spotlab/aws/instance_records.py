"""EC2's records of instances, volumes, images and types, as facts.

Source: Amazon EC2 API Reference, Instance, Volume, Image and InstanceTypeInfo; tags of owners:
Amazon EC2 Auto Scaling, EC2 Fleet, Amazon EKS and Karpenter user guides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from spotlab.domain.attachments import ElasticAddress, Interface, Volume
from spotlab.domain.instance_facts import (
    Image,
    LaunchTemplate,
    MetadataOptions,
    Owner,
    OwnerKind,
)
from spotlab.domain.target_facts import TypeFacts
from spotlab.domain.unknown import Unknown

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        AddressTypeDef,
        ImageTypeDef,
        InstanceNetworkInterfaceTypeDef,
        InstanceTypeDef,
        InstanceTypeInfoTypeDef,
        LaunchTemplateVersionTypeDef,
        VolumeTypeDef,
    )

TEMPLATE_TAG: Final = "aws:ec2launchtemplate:id"
TEMPLATE_VERSION_TAG: Final = "aws:ec2launchtemplate:version"
_OWNER_TAGS: Final[Mapping[str, OwnerKind]] = {
    "aws:autoscaling:groupName": OwnerKind.AUTO_SCALING_GROUP,
    "aws:ec2:fleet-id": OwnerKind.EC2_FLEET,
    "aws:ec2spot:fleet-request-id": OwnerKind.SPOT_FLEET,
    "aws:eks:cluster-name": OwnerKind.EKS,
    "eks:cluster-name": OwnerKind.EKS,
    "eks:eks-cluster-name": OwnerKind.EKS,
    "eks:nodegroup-name": OwnerKind.EKS,
    "karpenter.sh/nodepool": OwnerKind.KARPENTER,
    "karpenter.sh/provisioner-name": OwnerKind.KARPENTER,
    "karpenter.sh/nodeclaim": OwnerKind.KARPENTER,
    "aws:elasticmapreduce:job-flow-id": OwnerKind.EMR,
    "aws:elasticmapreduce:instance-group-role": OwnerKind.EMR,
}
_CLUSTER_TAG: Final = "kubernetes.io/cluster/"
_TAG_PREFIXES: Final = {"karpenter.sh/": OwnerKind.KARPENTER, "eks:": OwnerKind.EKS}
"""Any other tag of these is one of a node too; it names no group."""
_ROOT_DEVICES: Final = ("/dev/xvda", "/dev/sda1", "/dev/sda", "xvda")


def owners_of(tags: Mapping[str, str]) -> tuple[Owner, ...]:
    """The groups that launched an instance, by its tags; each kind once.

    >>> owners_of({"aws:autoscaling:groupName": "web"})[0].kind.value
    'Auto Scaling group'
    """
    found: dict[OwnerKind, Owner] = {}
    for tag, kind in _OWNER_TAGS.items():
        if tag in tags:
            found.setdefault(kind, Owner(kind, tags[tag], tag))
    for tag in sorted(tags):
        if tag.startswith(_CLUSTER_TAG):
            cluster = tag.removeprefix(_CLUSTER_TAG)
            owner = Owner(OwnerKind.KUBERNETES, cluster, tag)
            found.setdefault(OwnerKind.KUBERNETES, owner)
        for prefix, kind in _TAG_PREFIXES.items():
            if tag.startswith(prefix):
                found.setdefault(kind, Owner(kind, tags[tag], tag))
    return tuple(found.values())


def template_of(
    record: LaunchTemplateVersionTypeDef, images: Callable[[str], Image]
) -> LaunchTemplate:
    """A version of a launch template; of its user data only whether there is some.

    Args:
        record: EC2's record of the version.
        images: reads the facts of an image by its id.
    """
    data = record.get("LaunchTemplateData", {})
    interfaces = data.get("NetworkInterfaces", [])
    profile = data.get("IamInstanceProfile", {})
    groups = data.get("SecurityGroupIds") or [
        group for each in interfaces[:1] for group in each.get("Groups", [])
    ]
    return LaunchTemplate(
        template_id=record["LaunchTemplateId"],
        version=str(record["VersionNumber"]),
        name=record.get("LaunchTemplateName", ""),
        image=images(data["ImageId"]) if data.get("ImageId") else None,
        devices=tuple(each.get("DeviceName", "") for each in data.get("BlockDeviceMappings", [])),
        subnet_ids=tuple(each["SubnetId"] for each in interfaces if each.get("SubnetId")),
        has_user_data=bool(data.get("UserData")),
        instance_profile=profile.get("Arn") or profile.get("Name") or None,
        security_group_ids=tuple(groups),
        interface_count=len(interfaces),
        names_spot=data.get("InstanceMarketOptions", {}).get("MarketType") == "spot",
    )


def volumes_of(
    instance: InstanceTypeDef,
    records: Sequence[VolumeTypeDef] | Unknown,
    aws_managed: Mapping[str, bool | Unknown],
) -> tuple[Volume, ...]:
    """The attached EBS volumes of an instance, the root first.

    Args:
        instance: EC2's record.
        records: of its volumes, or why they could not be read.
        aws_managed: by ARN of a key, whether AWS manages it.
    """
    by_id = {} if isinstance(records, Unknown) else {each["VolumeId"]: each for each in records}
    mappings = [each for each in instance.get("BlockDeviceMappings", []) if "Ebs" in each]
    devices = [each["DeviceName"] for each in mappings]
    root_device = _root_device(instance.get("RootDeviceName", ""), devices)
    found = []
    for mapping in mappings:
        ebs, device = mapping["Ebs"], mapping["DeviceName"]
        deleted = ebs.get("DeleteOnTermination", False)
        volume_id = ebs["VolumeId"]
        if volume_id in by_id:
            record = by_id[volume_id]
            key = record.get("KmsKeyId") or None
            volume = Volume(
                volume_id=volume_id,
                device=device,
                root=device == root_device,
                delete_on_termination=deleted,
                size_gb=record["Size"],
                volume_type=record["VolumeType"],
                iops=record.get("Iops"),
                throughput_mb_per_s=record.get("Throughput"),
                encrypted=record["Encrypted"],
                kms_key=key,
                kms_key_aws_managed=aws_managed.get(key) if key else None,
                attached_to=tuple(
                    sorted(each["InstanceId"] for each in record.get("Attachments", []))
                ),
                multi_attach=record.get("MultiAttachEnabled", False),
            )
        else:
            why = records if isinstance(records, Unknown) else _NOT_LISTED
            volume = Volume(
                volume_id,
                device,
                device == root_device,
                deleted,
                *[why] * 9,
            )
        found.append(volume)
    return tuple(sorted(found, key=lambda volume: (not volume.root, volume.device)))


_NOT_LISTED: Final = Unknown("EC2 does not list the volume.")


def _root_device(name: str, devices: Sequence[str]) -> str | None:
    """The device of the root volume: the one EC2 names, else the usual one, else the only one."""
    if name in devices:
        return name
    usual = [device for device in devices if device in _ROOT_DEVICES]
    if usual or len(devices) == 1:
        return usual[0] if usual else devices[0]
    return None


def interfaces_of(instance: InstanceTypeDef) -> tuple[Interface, ...]:
    """The network interfaces of an instance, by device index."""
    found = [_interface(each) for each in instance.get("NetworkInterfaces", [])]
    return tuple(sorted(found, key=lambda each: each.device_index))


def _interface(record: InstanceNetworkInterfaceTypeDef) -> Interface:
    attachment = record.get("Attachment", {})
    addresses = record.get("PrivateIpAddresses", [])
    return Interface(
        interface_id=record["NetworkInterfaceId"],
        device_index=attachment.get("DeviceIndex", 0),
        subnet_id=record.get("SubnetId", ""),
        security_group_ids=tuple(group["GroupId"] for group in record.get("Groups", [])),
        primary_private_address=record.get("PrivateIpAddress", ""),
        secondary_private_addresses=tuple(
            each["PrivateIpAddress"] for each in addresses if not each.get("Primary", False)
        ),
        ipv6_addresses=tuple(each["Ipv6Address"] for each in record.get("Ipv6Addresses", [])),
        delete_on_termination=attachment.get("DeleteOnTermination", False),
        kind=record.get("InterfaceType", "interface"),
        source_dest_check=record.get("SourceDestCheck", True),
        prefixes=(
            *(each["Ipv4Prefix"] for each in record.get("Ipv4Prefixes", [])),
            *(each["Ipv6Prefix"] for each in record.get("Ipv6Prefixes", [])),
        ),
    )


def addresses_of(
    instance: InstanceTypeDef, records: Sequence[AddressTypeDef] | Unknown
) -> tuple[str | None, tuple[ElasticAddress, ...]]:
    """The public IPv4 address that is no Elastic IP, and the Elastic IPs.

    Where the Elastic IPs could not be read, an address that does not belong to Amazon is one, with
    unknown ids.

    Args:
        instance: EC2's record.
        records: the Elastic IPs that are associated with it.
    """
    public = instance.get("PublicIpAddress") or None
    if not isinstance(records, Unknown):
        elastic = tuple(
            ElasticAddress(
                public_address=each["PublicIp"],
                allocation_id=each.get("AllocationId") or _NO_ALLOCATION,
                association_id=each.get("AssociationId") or _NO_ALLOCATION,
                interface_id=each.get("NetworkInterfaceId", ""),
                private_address=each.get("PrivateIpAddress", ""),
            )
            for each in sorted(records, key=lambda address: address["PublicIp"])
        )
    else:
        elastic = tuple(
            ElasticAddress(
                public_address=association["PublicIp"],
                allocation_id=records,
                association_id=records,
                interface_id=interface["NetworkInterfaceId"],
                private_address=address["PrivateIpAddress"],
            )
            for interface in instance.get("NetworkInterfaces", [])
            for address in interface.get("PrivateIpAddresses", [])
            if (association := address.get("Association", {})).get("PublicIp")
            and association.get("IpOwnerId", "") != "amazon"
        )
    if any(address.public_address == public for address in elastic):
        public = None
    return public, elastic


_NO_ALLOCATION: Final = Unknown("EC2 does not name it.")


def metadata_options_of(instance: InstanceTypeDef) -> MetadataOptions | Unknown:
    """How the metadata service of an instance may be used."""
    options = instance.get("MetadataOptions")
    if not options:
        return Unknown("EC2 does not list the metadata options.")
    return MetadataOptions(
        tokens=options.get("HttpTokens", "optional"),
        hop_limit=options.get("HttpPutResponseHopLimit", 1),
        endpoint=options.get("HttpEndpoint", "enabled"),
        instance_tags=options.get("InstanceMetadataTags", "disabled"),
        ipv6=options.get("HttpProtocolIpv6", "disabled"),
    )


def image_of(image_id: str, records: Sequence[ImageTypeDef] | Unknown) -> Image:
    """The image of an instance; its facts are unknown if it is gone or could not be read."""
    if isinstance(records, Unknown) or not records:
        why = records if isinstance(records, Unknown) else Unknown("The image does not exist now.")
        exists = why if isinstance(records, Unknown) else False
        return Image(image_id, exists, why, why, why, why, why, why)
    record = records[0]
    return Image(
        image_id=image_id,
        exists=True,
        ena=record.get("EnaSupport", False),
        architecture=record.get("Architecture", "x86_64"),
        boot_mode=record.get("BootMode"),
        virtualization=record.get("VirtualizationType", "hvm"),
        root_device_type=record.get("RootDeviceType", "ebs"),
        tpm=bool(record.get("TpmSupport")),
    )


def type_facts_of(record: InstanceTypeInfoTypeDef) -> TypeFacts:
    """The facts of an instance type; local storage only as EC2 reports it."""
    network, processor = record.get("NetworkInfo", {}), record.get("ProcessorInfo", {})
    storage = record.get("InstanceStorageInfo", {})
    has_storage = record.get("InstanceStorageSupported", bool(storage))
    cpu = record.get("VCpuInfo", {})
    return TypeFacts(
        instance_type=record["InstanceType"],
        architectures=tuple(processor.get("SupportedArchitectures", [])),
        instance_store_gb=float(storage.get("TotalSizeInGB", 0)) if has_storage else 0.0,
        ena=network.get("EnaSupport", "unsupported"),
        ebs_nvme=record.get("EbsInfo", {}).get("NvmeSupport", "unsupported"),
        nitro=record.get("Hypervisor") == "nitro" or record.get("BareMetal", False),
        boot_modes=tuple(record.get("SupportedBootModes", [])),
        usage_classes=tuple(record.get("SupportedUsageClasses", [])),
        virtualization=tuple(record.get("SupportedVirtualizationTypes", [])),
        root_device_types=tuple(record.get("SupportedRootDeviceTypes", [])),
        max_interfaces=network.get("MaximumNetworkInterfaces"),
        addresses_per_interface=network.get("Ipv4AddressesPerInterface"),
        efa=network.get("EfaSupported", False),
        burstable=record.get("BurstablePerformanceSupported", False),
        hibernation=record.get("HibernationSupported", False),
        tpm=record.get("NitroTpmSupport") == "supported",
        enclaves=record.get("NitroEnclavesSupport") == "supported",
        default_cores=cpu.get("DefaultCores"),
        threads_per_core=cpu.get("DefaultThreadsPerCore"),
    )
