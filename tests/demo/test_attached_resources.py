"""Volumes, images, addresses and targets take time and have AWS's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from spotlab.demo.delays import FAST
from spotlab.demo.fleet import IMAGES
from spotlab.demo.server import RunningServer
from tests.demo.conftest import Seconds
from tests.support.emulated import client, instances

ZONE = "us-east-1c"


@pytest.fixture
def ec2(served: RunningServer) -> Any:
    return client(served, "ec2", "us-east-1", served.world.accounts[0])


@pytest.fixture
def elb(served: RunningServer) -> Any:
    return client(served, "elbv2", "us-east-1", served.world.accounts[0])


@pytest.fixture
def running(ec2: Any, seconds: Seconds) -> Callable[..., str]:
    """Launches an instance and lets it run."""

    def launch(**more: Any) -> str:
        (instance,) = ec2.run_instances(
            MinCount=1,
            MaxCount=1,
            ImageId=IMAGES["x86_64"],
            InstanceType="m5.large",
            Placement={"AvailabilityZone": ZONE},
            **more,
        )["Instances"]
        seconds.value += FAST.boot_s
        ec2.describe_instances()
        seconds.value += FAST.checks_s
        return str(instance["InstanceId"])

    return launch


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return str(refused.value.response["Error"]["Code"])


def volume(ec2: Any, volume_id: str) -> Any:
    return ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]


def checks(ec2: Any, instance_id: str) -> str:
    (status,) = ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
    return str(status["InstanceStatus"]["Status"])


def test_a_volume_stays_busy_for_a_while(
    ec2: Any, seconds: Seconds, running: Callable[..., str]
) -> None:
    first, second = running(), running()
    volume_id = ec2.create_volume(Size=5, AvailabilityZone=ZONE)["VolumeId"]
    ec2.attach_volume(VolumeId=volume_id, InstanceId=first, Device="/dev/sdf")
    assert volume(ec2, volume_id)["Attachments"][0]["State"] == "attaching"
    seconds.value += FAST.attach_s
    assert volume(ec2, volume_id)["Attachments"][0]["State"] == "attached"
    move = {"VolumeId": volume_id, "InstanceId": second, "Device": "/dev/sdf"}
    assert refusal(ec2.attach_volume, **move) == "VolumeInUse"
    ec2.detach_volume(VolumeId=volume_id)
    busy = volume(ec2, volume_id)
    assert (busy["State"], busy["Attachments"][0]["State"]) == ("in-use", "detaching")
    assert refusal(ec2.attach_volume, **move) == "VolumeInUse"
    seconds.value += FAST.volume_busy_s
    assert volume(ec2, volume_id)["State"] == "available"
    assert refusal(ec2.detach_volume, VolumeId=volume_id) == "IncorrectState"
    ec2.attach_volume(**move)
    assert volume(ec2, volume_id)["Attachments"][0]["InstanceId"] == second


def test_a_volume_goes_to_its_zone_and_to_a_free_device_only(
    ec2: Any, running: Callable[..., str]
) -> None:
    instance_id = running()
    elsewhere = ec2.create_volume(Size=5, AvailabilityZone="us-east-1d")["VolumeId"]
    here = ec2.create_volume(Size=5, AvailabilityZone=ZONE)["VolumeId"]
    attach = {"InstanceId": instance_id, "Device": "/dev/sdf"}
    zone = refusal(ec2.attach_volume, VolumeId=elsewhere, **attach)
    assert zone == "InvalidVolume.ZoneMismatch"
    ec2.attach_volume(VolumeId=here, **attach)
    third = ec2.create_volume(Size=5, AvailabilityZone=ZONE)["VolumeId"]
    assert refusal(ec2.attach_volume, VolumeId=third, **attach) == "InvalidParameterValue"
    (instance,) = instances(ec2, InstanceIds=[instance_id])
    root = next(
        each["Ebs"]["VolumeId"]
        for each in instance["BlockDeviceMappings"]
        if each["DeviceName"] == instance["RootDeviceName"]
    )
    assert refusal(ec2.detach_volume, VolumeId=root) == "OperationNotPermitted"


def test_volumes_end_with_their_instance_only_if_they_should(
    ec2: Any, seconds: Seconds, running: Callable[..., str]
) -> None:
    devices = [
        {"DeviceName": f"/dev/sd{letter}", "Ebs": {"VolumeSize": 3, "DeleteOnTermination": delete}}
        for letter, delete in (("f", True), ("g", False))
    ]
    instance_id = running(BlockDeviceMappings=devices)
    (instance,) = instances(ec2, InstanceIds=[instance_id])
    ids = {each["DeviceName"]: each["Ebs"]["VolumeId"] for each in instance["BlockDeviceMappings"]}
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert volume(ec2, ids["/dev/sdg"])["State"] == "in-use"
    seconds.value += FAST.shutting_down_s
    assert volume(ec2, ids["/dev/sdg"])["State"] == "available"
    for device in ("/dev/sdf", instance["RootDeviceName"]):
        assert refusal(volume, ec2=ec2, volume_id=ids[device]) == "InvalidVolume.NotFound"


def test_an_image_has_a_snapshot_of_each_volume_and_reboots(
    ec2: Any, seconds: Seconds, running: Callable[..., str]
) -> None:
    device = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3, "VolumeType": "gp3"}}
    instance_id = running(BlockDeviceMappings=[device])
    tags = [{"Key": "made-by", "Value": "spotlab"}]
    image_id = ec2.create_image(
        InstanceId=instance_id,
        Name="with-reboot",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
    )["ImageId"]
    assert checks(ec2, instance_id) == "impaired"
    seconds.value += FAST.reboot_s
    assert checks(ec2, instance_id) == "ok"
    filters = [{"Name": "tag:made-by", "Values": ["spotlab"]}]
    snapshots = ec2.describe_snapshots(Filters=filters)["Snapshots"]
    assert {each["State"] for each in snapshots} == {"pending"}
    seconds.value += FAST.image_s
    image = ec2.describe_images(ImageIds=[image_id])["Images"][0]
    devices = {each["DeviceName"]: each["Ebs"] for each in image["BlockDeviceMappings"]}
    assert {each["SnapshotId"] for each in snapshots} == {
        each["SnapshotId"] for each in devices.values()
    }
    assert devices["/dev/sdf"]["VolumeSize"] == 3
    assert len(devices) == 2
    same_name = refusal(ec2.create_image, InstanceId=instance_id, Name="with-reboot")
    assert same_name == "InvalidAMIName.Duplicate"
    snapshot_id = devices["/dev/sdf"]["SnapshotId"]
    assert refusal(ec2.delete_snapshot, SnapshotId=snapshot_id) == "InvalidSnapshot.InUse"
    ec2.deregister_image(ImageId=image_id)
    assert len(ec2.describe_snapshots(Filters=filters)["Snapshots"]) == 2
    for each in snapshots:
        ec2.delete_snapshot(SnapshotId=each["SnapshotId"])
    assert ec2.describe_snapshots(Filters=filters)["Snapshots"] == []


def test_an_instance_of_an_image_has_its_volumes_and_keys(
    ec2: Any, served: RunningServer, seconds: Seconds, running: Callable[..., str]
) -> None:
    kms = client(served, "kms", "us-east-1", served.world.accounts[0])
    key = kms.create_key()["KeyMetadata"]["Arn"]
    ebs = {"VolumeSize": 3, "Encrypted": True, "KmsKeyId": key}
    source = running(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": ebs}])
    image_id = ec2.create_image(InstanceId=source, Name="encrypted", NoReboot=True)["ImageId"]
    assert checks(ec2, source) == "ok"
    seconds.value += FAST.image_s
    (copy,) = ec2.run_instances(MinCount=1, MaxCount=1, ImageId=image_id, InstanceType="m5.large")[
        "Instances"
    ]
    (described,) = instances(ec2, InstanceIds=[copy["InstanceId"]])
    devices = {each["DeviceName"]: each for each in described["BlockDeviceMappings"]}
    data = volume(ec2, devices["/dev/sdf"]["Ebs"]["VolumeId"])
    assert (data["Size"], data["Encrypted"], data["KmsKeyId"]) == (3, True, key)


def test_an_address_goes_to_a_running_instance_and_leaves_the_last_one(
    ec2: Any, seconds: Seconds, running: Callable[..., str]
) -> None:
    first = running()
    address = ec2.allocate_address(Domain="vpc")
    allocation = {"AllocationId": address["AllocationId"]}
    ec2.associate_address(InstanceId=first, **allocation)
    (pending,) = ec2.run_instances(
        MinCount=1, MaxCount=1, ImageId=IMAGES["x86_64"], InstanceType="m5.large"
    )["Instances"]
    second = pending["InstanceId"]
    early = refusal(ec2.associate_address, InstanceId=second, **allocation)
    assert early == "InvalidInstanceID"
    seconds.value += FAST.boot_s
    taken = refusal(
        ec2.associate_address, InstanceId=second, AllowReassociation=False, **allocation
    )
    assert taken == "Resource.AlreadyAssociated"
    ec2.associate_address(InstanceId=second, AllowReassociation=True, **allocation)
    (old,), (new,) = (instances(ec2, InstanceIds=[each]) for each in (first, second))
    assert new["PublicIpAddress"] == address["PublicIp"] != old.get("PublicIpAddress")
    ec2.terminate_instances(InstanceIds=[second])
    seconds.value += FAST.shutting_down_s
    (described,) = ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"]
    assert not described.get("AssociationId")


def test_a_target_becomes_healthy_and_drains(
    ec2: Any, elb: Any, seconds: Seconds, running: Callable[..., str]
) -> None:
    instance_id = running()
    vpc_id = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    arn = elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc_id)[
        "TargetGroups"
    ][0]["TargetGroupArn"]
    elb.modify_target_group_attributes(
        TargetGroupArn=arn,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "100"}],
    )
    target = {"TargetGroupArn": arn, "Targets": [{"Id": instance_id}]}

    def health() -> list[str]:
        answer = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return [each["TargetHealth"]["State"] for each in answer]

    elb.register_targets(**target)
    assert health() == ["initial"]
    elb.register_targets(**target)
    seconds.value += FAST.target_healthy_s
    assert health() == ["healthy"]
    elb.deregister_targets(**target)
    elb.deregister_targets(**target)
    assert health() == ["draining"]
    seconds.value += 100 * FAST.deregistration_share
    assert health() == []
    asked = elb.describe_target_health(**target)["TargetHealthDescriptions"]
    assert [each["TargetHealth"]["State"] for each in asked] == ["unused"]
