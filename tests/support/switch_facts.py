"""Facts of instances and target regions, as AWS would report them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from spotlab.domain.attachments import ElasticAddress, Interface, Target, Volume
from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import (
    Image,
    InstanceFacts,
    LaunchTemplate,
    MetadataOptions,
    Placement,
    SpotRequest,
)
from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.market import Pool
from spotlab.domain.target_facts import RegionFacts, Subnet, TypeFacts
from spotlab.domain.workload import AppliedWorkload, AssignmentScope, Workload

INSTANCE = "i-0a1b2c3d4e5f60718"
SOURCE = Pool("us-east-1", "us-east-1a", "m5.large")
SAME_ZONE = Pool("us-east-1", "us-east-1a", "m6i.large")
OTHER_ZONE = Pool("us-east-1", "us-east-1b", "m6i.large")
OTHER_REGION = Pool("eu-west-1", "eu-west-1a", "m6i.large")
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SPOT_ROLE_ARN = (
    "arn:aws:iam::123456789012:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
)
ACTIONS = (
    "ec2:RunInstances",
    "ec2:CreateTags",
    "ec2:TerminateInstances",
    "ec2:CreateImage",
    "ec2:DetachVolume",
    "ec2:AttachVolume",
    "ec2:StopInstances",
    "ec2:StartInstances",
    "ec2:ModifyInstanceAttribute",
    "ec2:AssociateAddress",
    "iam:PassRole",
)


def volume(volume_id: str = "vol-root", device: str = "/dev/xvda", **changes: Any) -> Volume:
    """An unencrypted gp3 volume; the root, unless its device is another."""
    found = Volume(
        volume_id=volume_id,
        device=device,
        root=device == "/dev/xvda",
        delete_on_termination=device == "/dev/xvda",
        size_gb=30,
        volume_type="gp3",
        iops=3000,
        throughput_mb_per_s=125,
        encrypted=False,
        kms_key=None,
        kms_key_aws_managed=None,
        attached_to=(INSTANCE,),
        multi_attach=False,
    )
    return replace(found, **changes)


def data_volume(**changes: Any) -> Volume:
    """A data volume of 200 GiB."""
    return volume("vol-data", "/dev/sdf", **({"size_gb": 200} | changes))


def interface(index: int = 0, **changes: Any) -> Interface:
    """A network interface with one private address."""
    found = Interface(
        interface_id=f"eni-{index}",
        device_index=index,
        subnet_id="subnet-a",
        security_group_ids=("sg-web",),
        primary_private_address=f"10.0.0.{10 + index}",
    )
    return replace(found, **changes)


def elastic(**changes: Any) -> ElasticAddress:
    """An Elastic IP on the primary private address."""
    found = ElasticAddress("203.0.113.7", "eipalloc-1", "eipassoc-1", "eni-0", "10.0.0.10")
    return replace(found, **changes)


def target(**changes: Any) -> Target:
    """A registration by instance id."""
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/50dc6c495c0c9188"
    return replace(Target(arn, "web", "instance", INSTANCE, 80, "healthy", 120), **changes)


def image(**changes: Any) -> Image:
    """An HVM image with ENA."""
    found = Image("ami-0web", True, True, "x86_64", None, "hvm", "ebs", False)
    return replace(found, **changes)


def template(**changes: Any) -> LaunchTemplate:
    """A launch template that names the instance's image."""
    found = LaunchTemplate("lt-0web", "3", "web", image(), ("/dev/xvda",))
    return replace(found, **changes)


def facts(**changes: Any) -> InstanceFacts:
    """A running spot m5.large in us-east-1a that nothing forbids to replace."""
    values: dict[str, Any] = {
        "instance_id": INSTANCE,
        "account": "shop",
        "pool": SOURCE,
        "lifecycle": Lifecycle.SPOT,
        "state": "running",
        "read_at": datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        "launched_at": datetime(2026, 11, 1, 9, 30, tzinfo=UTC),
        "owners": (),
        "launch_template": None,
        "volumes": (volume(),),
        "instance_store_gb": 0.0,
        "interfaces": (interface(),),
        "vpc_id": "vpc-1",
        "public_address": None,
        "elastic_addresses": (),
        "targets": (),
        "instance_profile": None,
        "user_data": None,
        "tags": {"Name": "web-1", "team": "shop"},
        "metadata_options": MetadataOptions("required", 1, "enabled"),
        "termination_protection": False,
        "stop_protection": False,
        "shutdown_behavior": "terminate",
        "key_pair": "ops",
        "placement": Placement(),
        "image": image(),
        "ena": True,
        "architecture": "x86_64",
        "boot_mode": None,
        "root_device_type": "ebs",
        "spot_request": SpotRequest("sir-1", False, "terminate", True),
        "detailed_monitoring": False,
        "credit_specification": None,
        "hibernation": False,
    }
    return InstanceFacts(**(values | changes))


def on_demand(**changes: Any) -> InstanceFacts:
    """The same, on-demand."""
    return facts(**({"lifecycle": Lifecycle.ON_DEMAND, "spot_request": None} | changes))


def type_facts(instance_type: str = "m6i.large", **changes: Any) -> TypeFacts:
    """A Nitro type without an instance store."""
    found = TypeFacts(
        instance_type=instance_type,
        architectures=("x86_64",),
        instance_store_gb=0.0,
        ena="required",
        ebs_nvme="required",
        nitro=True,
        boot_modes=("legacy-bios", "uefi"),
        usage_classes=("on-demand", "spot"),
        max_interfaces=3,
        addresses_per_interface=10,
        tpm=True,
        default_cores=1,
        threads_per_core=2,
    )
    return replace(found, **changes)


def xen_type(instance_type: str = "m4.large", **changes: Any) -> TypeFacts:
    """A type before Nitro: neither ENA nor NVMe is needed."""
    old = {"ena": "unsupported", "ebs_nvme": "unsupported", "nitro": False, "tpm": False}
    return type_facts(instance_type, **(old | {"boot_modes": ("legacy-bios",)} | changes))


def subnet(subnet_id: str = "subnet-a", zone: str = "us-east-1a", **changes: Any) -> Subnet:
    """A subnet with the VPC's main route table."""
    return replace(Subnet(subnet_id, zone, 200, False, "rtb-main"), **changes)


def region(**changes: Any) -> RegionFacts:
    """A region where the role may do everything, with subnets in two zones."""
    found = RegionFacts(
        region="us-east-1",
        subnets=(subnet(), subnet("subnet-b", "us-east-1b")),
        spot_role=SPOT_ROLE_ARN,
        rights=dict.fromkeys(ACTIONS, True),
    )
    return replace(found, **changes)


def applied(**changes: Any) -> AppliedWorkload:
    """A workload that loses half an hour of work, assigned to the instance."""
    values: dict[str, Any] = {
        "name": "reports",
        "version": 2,
        "description": "",
        "work_lost_h": 0.5,
        "recovery_h": 0.1,
    }
    return AppliedWorkload(Workload(**(values | changes)), AssignmentScope.INSTANCE, INSTANCE)


STATELESS = applied(name="web", work_lost_h=0.0)
CHECKPOINTED = applied(name="training", work_lost_h=0.5, checkpoint_interval_h=1.0)
STATEFUL = applied(name="db", hardware=HardwareRule(uses_local_storage=True))
