"""Some instances of the fleet have what a switch must keep, as seen through boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spotlab.demo.fleet_details import (
    AUTO_SCALING_GROUP,
    DATA_DEVICE,
    EKS_CLUSTER,
    LAUNCH_TEMPLATE,
    TARGET_GROUP,
)
from spotlab.demo.server import RunningServer, serve_in_thread
from tests.demo.conftest import AT
from tests.support.emulated import client, instances


@pytest.fixture
def fleet(served: RunningServer) -> dict[str, Any]:
    found = {}
    for account in served.world.accounts:
        for region in account.regions:
            ec2 = client(served, "ec2", region, account)
            for each in instances(ec2):
                tags = {tag["Key"]: tag["Value"] for tag in each["Tags"]}
                if "Name" in tags:
                    found[tags["Name"]] = {**each, "TagsByKey": tags, "Region": region}
    return found


def of_account(served: RunningServer, service: str, instance: Any, number: int = 0) -> Any:
    return client(served, service, instance["Region"], served.world.accounts[number])


def test_every_instance_has_its_root_volume_and_spot_request(
    served: RunningServer, fleet: dict[str, Any]
) -> None:
    assert len(fleet) == 24
    for each in fleet.values():
        devices = {device["DeviceName"] for device in each["BlockDeviceMappings"]}
        assert each["RootDeviceName"] in devices
        assert each["EnaSupport"]
        assert ("SpotInstanceRequestId" in each) == ("InstanceLifecycle" in each)
    ec2 = of_account(served, "ec2", fleet["checkout-api-1"])
    (request,) = ec2.describe_spot_instance_requests(
        SpotInstanceRequestIds=[fleet["checkout-api-1"]["SpotInstanceRequestId"]]
    )["SpotInstanceRequests"]
    assert (request["State"], request["Type"]) == ("active", "one-time")
    assert request["InstanceId"] == fleet["checkout-api-1"]["InstanceId"]


def test_the_checkout_has_an_address_and_a_target_group(
    served: RunningServer, fleet: dict[str, Any]
) -> None:
    instance = fleet["checkout-api-1"]
    (address,) = of_account(served, "ec2", instance).describe_addresses()["Addresses"]
    assert address["InstanceId"] == instance["InstanceId"]
    assert address["PublicIp"] == instance["PublicIpAddress"]
    elb = of_account(served, "elbv2", instance)
    (group,) = elb.describe_target_groups(Names=[TARGET_GROUP])["TargetGroups"]
    health = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
    assert {
        (each["Target"]["Id"], each["TargetHealth"]["State"])
        for each in health["TargetHealthDescriptions"]
    } == {(fleet[f"checkout-api-{number}"]["InstanceId"], "healthy") for number in (1, 2)}


def test_one_comes_from_a_launch_template(served: RunningServer, fleet: dict[str, Any]) -> None:
    instance = fleet["fraud-scoring-1"]
    ec2 = of_account(served, "ec2", instance)
    (template,) = ec2.describe_launch_templates()["LaunchTemplates"]
    assert template["LaunchTemplateName"] == LAUNCH_TEMPLATE
    template_id = template["LaunchTemplateId"]
    assert instance["TagsByKey"]["aws:ec2launchtemplate:id"] == template_id
    (copy,) = ec2.run_instances(
        MinCount=1, MaxCount=1, LaunchTemplate={"LaunchTemplateId": template_id}
    )["Instances"]
    assert copy["InstanceType"] == instance["InstanceType"]
    ec2.terminate_instances(InstanceIds=[copy["InstanceId"]])


def test_some_have_data_volumes_and_keys(served: RunningServer, fleet: dict[str, Any]) -> None:
    keys = {}
    for name, number in (
        ("settlement-batch-1", 0),
        ("ledger-writer-1", 0),
        ("order-index-1", 0),
        ("features-etl-1", 1),
    ):
        instance = fleet[name]
        devices = {each["DeviceName"]: each["Ebs"] for each in instance["BlockDeviceMappings"]}
        assert devices[DATA_DEVICE]["DeleteOnTermination"] is False
        ec2 = of_account(served, "ec2", instance, number)
        (volume,) = ec2.describe_volumes(VolumeIds=[devices[DATA_DEVICE]["VolumeId"]])["Volumes"]
        keys[name] = volume.get("KmsKeyId")
    assert [name for name, key in keys.items() if key] == ["order-index-1", "features-etl-1"]
    for name, number, grants in (("order-index-1", 0, 0), ("features-etl-1", 1, 1)):
        kms = of_account(served, "kms", fleet[name], number)
        assert len(kms.list_grants(KeyId=keys[name])["Grants"]) == grants


def test_some_belong_to_a_group_or_are_protected(
    served: RunningServer, fleet: dict[str, Any]
) -> None:
    assert fleet["webhooks-1"]["TagsByKey"]["aws:autoscaling:groupName"] == AUTO_SCALING_GROUP
    assert fleet["simulation-1"]["TagsByKey"]["eks:cluster-name"] == EKS_CLUSTER
    protected = fleet["ledger-writer-1"]
    attribute = of_account(served, "ec2", protected).describe_instance_attribute(
        InstanceId=protected["InstanceId"], Attribute="disableApiTermination"
    )
    assert attribute["DisableApiTermination"]["Value"] is True
    assert len(fleet["session-cache-eu-1"]["NetworkInterfaces"]) == 2
    assert fleet["reporting-eu-1"]["MetadataOptions"]["HttpTokens"] == "required"
    assert "IamInstanceProfile" in fleet["reporting-eu-1"]


def test_gpu_instances_have_an_instance_store(served: RunningServer, fleet: dict[str, Any]) -> None:
    ec2 = of_account(served, "ec2", fleet["train-vision-1"], 1)
    (described,) = ec2.describe_instance_types(
        InstanceTypes=[fleet["train-vision-1"]["InstanceType"]]
    )["InstanceTypes"]
    assert described["InstanceStorageSupported"]


def test_the_history_of_interruptions_is_the_same_after_a_restart() -> None:
    histories = []
    for _ in range(2):
        with serve_in_thread(7, AT) as served:
            found = set()
            for account in served.world.accounts:
                for region in account.regions:
                    trail = client(served, "cloudtrail", region, account)
                    pages = trail.get_paginator("lookup_events").paginate()
                    for page in pages:
                        for event in page["Events"]:
                            record = json.loads(event["CloudTrailEvent"])
                            found.add((event["EventName"], event["EventId"], record["eventTime"]))
            histories.append(found)
    assert histories[0] == histories[1]
    names = [name for name, _, _ in histories[0]]
    assert names.count("BidEvictedEvent") >= 10
    assert set(names) == {"BidEvictedEvent", "RunInstances"}
