"""What a switch must keep of an instance, discovered on the emulated AWS."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from spotlab.aws.discovery import Ec2Discovery
from spotlab.aws.session import Sessions
from spotlab.aws.target_region import TargetRegion
from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.demo.world import Clock
from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import InstanceFacts, OwnerKind, UserData
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.target_facts import TypeFacts
from spotlab.domain.unknown import Unknown
from spotlab.errors import AccessDenied, NoSuchThing
from tests.demo.conftest import Seconds
from tests.support.emulated import client, instances

REGION = "us-east-1"
SECRET = "#!/bin/sh\nexport DB_PASSWORD=hunter2-correct-horse\n"
SPOT = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}


class WallClock:
    """The real time: the emulated STS's credentials expire by it."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture(scope="module")
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture(scope="module")
def served(seconds: Seconds) -> Iterator[RunningServer]:
    with serve_in_thread(7, clock=Clock(None, seconds)) as running:
        yield running


@pytest.fixture(scope="module")
def account(served: RunningServer) -> Account:
    first = served.world.accounts[0]
    return Account(
        first.name, first.account_id, first.role_arn, first.external_id, first.regions, True
    )


@pytest.fixture(scope="module")
def sessions(served: RunningServer) -> Sessions:
    return Sessions(
        clock=WallClock(),
        endpoint_url=served.endpoint_url,
        access_key_id=BASE_KEY,
        secret_access_key=BASE_SECRET,
    )


@pytest.fixture(scope="module")
def aws(served: RunningServer, seconds: Seconds) -> Any:
    """Clients of the account, to make what is discovered, and the emulated AWS's clock."""
    owner = served.world.accounts[0]
    return SimpleNamespace(
        seconds=seconds,
        **{name: client(served, name, REGION, owner) for name in ("ec2", "elbv2", "kms", "iam")},
    )


@pytest.fixture(scope="module")
def image_id(aws: Any) -> str:
    return str(instances(aws.ec2)[0]["ImageId"])


@pytest.fixture(scope="module")
def launched(aws: Any, image_id: str, seconds: Seconds) -> str:
    """A spot instance with everything that a switch must keep; its id."""
    ec2 = aws.ec2
    subnet = ec2.describe_subnets(
        Filters=[{"Name": "availability-zone", "Values": ["us-east-1b"]}]
    )["Subnets"][0]
    ec2.create_key_pair(KeyName="ops")
    template = ec2.create_launch_template(
        LaunchTemplateName="web",
        LaunchTemplateData={"ImageId": image_id, "UserData": "c2VjcmV0"},
    )["LaunchTemplate"]
    instance_id = ec2.run_instances(
        ImageId=image_id,
        InstanceType="m6i.large",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet["SubnetId"],
        KeyName="ops",
        UserData=SECRET,
        InstanceMarketOptions=SPOT,
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        Monitoring={"Enabled": True},
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [
                    {"Key": "Name", "Value": "web-7"},
                    {"Key": "aws:ec2launchtemplate:id", "Value": template["LaunchTemplateId"]},
                    {"Key": "aws:ec2launchtemplate:version", "Value": "1"},
                ],
            }
        ],
    )["Instances"][0]["InstanceId"]
    seconds.value += 60.0
    key = aws.kms.create_key()["KeyMetadata"]["Arn"]
    volume = ec2.create_volume(
        AvailabilityZone="us-east-1b", Size=100, VolumeType="gp3", Encrypted=True, KmsKeyId=key
    )["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=instance_id, Device="/dev/sdf")
    allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.associate_address(AllocationId=allocation, InstanceId=instance_id)
    group = aws.elbv2.create_target_group(
        Name="web", Protocol="HTTP", Port=80, VpcId=subnet["VpcId"], TargetType="instance"
    )["TargetGroups"][0]["TargetGroupArn"]
    aws.elbv2.modify_target_group_attributes(
        TargetGroupArn=group,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "45"}],
    )
    aws.elbv2.register_targets(TargetGroupArn=group, Targets=[{"Id": instance_id, "Port": 8080}])
    other = aws.elbv2.create_target_group(
        Name="other", Protocol="HTTP", Port=80, VpcId=subnet["VpcId"], TargetType="instance"
    )["TargetGroups"][0]["TargetGroupArn"]
    assert other != group
    return str(instance_id)


def discovered(sessions: Sessions, account: Account, instance_id: str) -> InstanceFacts:
    return Ec2Discovery(sessions, WallClock()).facts(account, REGION, instance_id)


Refuse = Callable[..., None]


@pytest.fixture
def refuse(sessions: Sessions, account: Account) -> Iterator[Refuse]:
    """Lets a service refuse operations until the test ends; by default as for a missing right."""
    registered: list[tuple[Any, str, Any]] = []

    def refuse(
        service: Any, operation: str, code: str = "UnauthorizedOperation", containing: str = ""
    ) -> None:
        def answer(params: dict[str, Any], **_: Any) -> Any:
            if containing and containing not in str(params["body"]):
                return None
            error = {"Error": {"Code": code, "Message": "You are not authorized."}}
            return SimpleNamespace(status_code=403), error

        prefix = "elastic-load-balancing-v2" if service == "elbv2" else service
        events = sessions.client(service, account, REGION).meta.events
        name = f"before-call.{prefix}.{operation}"
        events.register(name, answer)
        registered.append((events, name, answer))

    yield refuse
    for events, name, answer in registered:
        events.unregister(name, answer)


def test_everything_that_a_switch_must_keep(
    sessions: Sessions, account: Account, launched: str, image_id: str
) -> None:
    facts = discovered(sessions, account, launched)
    assert facts.unknown() == {}
    assert facts.pool == Pool(REGION, "us-east-1b", "m6i.large")
    assert facts.lifecycle is Lifecycle.SPOT
    assert facts.key_pair == "ops"
    assert facts.image.image_id == image_id
    assert facts.detailed_monitoring
    assert facts.tags["Name"] == "web-7"
    assert facts.owners == ()
    assert not facts.termination_protection
    assert facts.instance_store_gb == 0.0
    assert facts.spot_request is not None
    assert not facts.spot_request.persistent

    root, data = facts.volumes
    assert root.root
    assert (data.device, data.size_gb, data.volume_type) == ("/dev/sdf", 100, "gp3")
    assert data.encrypted
    assert data.kms_key_aws_managed is False
    assert data.attached_to == (launched,)

    (elastic,) = facts.elastic_addresses
    assert str(elastic.allocation_id).startswith("eipalloc-")
    assert str(elastic.association_id).startswith("eipassoc-")
    assert facts.public_address is None, "the Elastic IP is not an address of its own"
    (interface,) = facts.interfaces
    assert elastic.private_address in ("", interface.primary_private_address)

    (registered,) = facts.targets if not isinstance(facts.targets, Unknown) else ()
    assert (registered.group_name, registered.port) == ("web", 8080)
    assert registered.deregistration_delay_s == 45

    template = facts.launch_template
    assert template is not None
    assert not isinstance(template, Unknown)
    assert (template.name, template.version) == ("web", "1")
    assert template.has_user_data
    assert template.image == facts.image


def test_user_data_is_a_digest_and_never_text(
    sessions: Sessions, account: Account, launched: str
) -> None:
    facts = discovered(sessions, account, launched)
    assert facts.user_data == UserData(hashlib.sha256(SECRET.encode()).hexdigest())
    assert "hunter2" not in repr(facts)


DENIALS = {
    "DescribeVolumes": ("ec2", "ec2:DescribeVolumes", "volumes[0].encrypted"),
    "DescribeAddresses": ("ec2", "ec2:DescribeAddresses", "elastic_addresses[0].allocation_id"),
    "DescribeImages": ("ec2", "ec2:DescribeImages", "image.exists"),
    "DescribeInstanceTypes": ("ec2", "ec2:DescribeInstanceTypes", "instance_store_gb"),
    "DescribeInstanceAttribute": ("ec2", "ec2:DescribeInstanceAttribute", "user_data"),
    "DescribeLaunchTemplateVersions": (
        "ec2",
        "ec2:DescribeLaunchTemplateVersions",
        "launch_template",
    ),
    "DescribeSpotInstanceRequests": (
        "ec2",
        "ec2:DescribeSpotInstanceRequests",
        "spot_request.persistent",
    ),
    "DescribeTargetGroups": ("elbv2", "elasticloadbalancing:DescribeTargetGroups", "targets"),
    "DescribeTargetHealth": ("elbv2", "elasticloadbalancing:DescribeTargetHealth", "targets"),
    "DescribeTargetGroupAttributes": (
        "elbv2",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "targets[web].deregistration_delay_s",
    ),
    "DescribeKey": ("kms", "kms:DescribeKey", "volumes[1].kms_key_aws_managed"),
}


@pytest.mark.parametrize("operation", DENIALS)
def test_a_missing_right_makes_its_facts_unknown_and_is_named(
    sessions: Sessions, account: Account, refuse: Refuse, launched: str, operation: str
) -> None:
    service, permission, path = DENIALS[operation]
    refuse(service, operation)
    unknown = discovered(sessions, account, launched).unknown()
    volumes = [each.volume_id for each in discovered(sessions, account, launched).volumes]
    for index, volume_id in enumerate(volumes):
        path = path.replace(f"volumes[{index}]", f"volumes[{volume_id}]")
    found = {_stable(name): why for name, why in unknown.items()}
    assert found[_stable(path)].permission == permission
    assert {why.permission for why in unknown.values()} == {permission}, "the others are known"


def _stable(path: str) -> str:
    """A path in which an address, which EC2 chooses, is its index."""
    head, bracket, rest = path.partition("[")
    return f"{head}[0]{rest.partition(']')[2]}" if head == "elastic_addresses" and bracket else path


def test_without_the_right_to_list_volumes_they_are_still_counted(
    sessions: Sessions, account: Account, refuse: Refuse, launched: str
) -> None:
    refuse("ec2", "DescribeVolumes")
    root, data = discovered(sessions, account, launched).volumes
    assert (root.root, data.root, data.device) == (True, False, "/dev/sdf")
    assert isinstance(data.size_gb, Unknown)


def test_without_the_instance_itself_nothing_is_discovered(
    sessions: Sessions, account: Account, refuse: Refuse, launched: str
) -> None:
    with pytest.raises(NoSuchThing):
        discovered(sessions, account, "i-0000000000000dead")
    refuse("ec2", "DescribeInstances")
    with pytest.raises(AccessDenied):
        discovered(sessions, account, launched)


def test_protection_is_read(sessions: Sessions, account: Account, aws: Any, image_id: str) -> None:
    instance_id = _run(aws, image_id, DisableApiTermination=True)
    assert discovered(sessions, account, instance_id).termination_protection is True
    aws.ec2.modify_instance_attribute(
        InstanceId=instance_id, DisableApiTermination={"Value": False}
    )
    assert discovered(sessions, account, instance_id).termination_protection is False


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("aws:autoscaling:groupName", OwnerKind.AUTO_SCALING_GROUP),
        ("aws:ec2:fleet-id", OwnerKind.EC2_FLEET),
        ("aws:ec2spot:fleet-request-id", OwnerKind.SPOT_FLEET),
        ("eks:cluster-name", OwnerKind.EKS),
        ("aws:eks:cluster-name", OwnerKind.EKS),
        ("kubernetes.io/cluster/prod", OwnerKind.KUBERNETES),
        ("karpenter.sh/nodepool", OwnerKind.KARPENTER),
        ("karpenter.sh/anything", OwnerKind.KARPENTER),
        ("aws:elasticmapreduce:job-flow-id", OwnerKind.EMR),
    ],
)
def test_owners_are_known_by_their_tags(
    sessions: Sessions, account: Account, aws: Any, image_id: str, tag: str, kind: OwnerKind
) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": tag, "Value": "x"}]}]
    facts = discovered(sessions, account, _run(aws, image_id, TagSpecifications=tags))
    assert [owner.kind for owner in facts.owners] == [kind]


def test_an_image_that_is_gone_is_no_error(
    sessions: Sessions, account: Account, aws: Any, image_id: str
) -> None:
    copy = aws.ec2.create_image(InstanceId=_run(aws, image_id), Name="short-lived")["ImageId"]
    aws.seconds.value += 60.0
    instance_id = _run(aws, copy)
    aws.ec2.deregister_image(ImageId=copy)
    facts = discovered(sessions, account, instance_id)
    assert facts.image.exists is False
    assert isinstance(facts.image.ena, Unknown)


def _run(aws: Any, image_id: str, **more: Any) -> str:
    """An on-demand m6i.large; its id."""
    request = {"ImageId": image_id, "InstanceType": "m6i.large", "MinCount": 1, "MaxCount": 1}
    answer = aws.ec2.run_instances(**(request | more))
    aws.seconds.value += 60.0
    return str(answer["Instances"][0]["InstanceId"])


def test_types_are_read_together_and_an_unknown_one_spoils_no_other(
    sessions: Sessions, account: Account
) -> None:
    names = ["m6i.large", "m6g.large", "x9.nope"]
    found = Ec2Discovery(sessions, WallClock()).types(account, REGION, names)
    intel, arm, none = (found[name] for name in names)
    assert isinstance(intel, TypeFacts)
    assert isinstance(arm, TypeFacts)
    assert isinstance(none, Unknown)
    assert (intel.ena, intel.ebs_nvme, intel.nitro) == ("required", "required", True)
    assert arm.architectures == ("arm64",)


# -- the target region ----------------------------------------------------------------------------

TARGET = Pool(REGION, "us-east-1c", "m6i.xlarge")


def test_a_region_where_everything_is_allowed(
    sessions: Sessions, account: Account, launched: str
) -> None:
    facts = discovered(sessions, account, launched)
    region = TargetRegion(sessions).read(account, facts, TARGET, Lifecycle.SPOT)
    subnets = region.subnets
    assert not isinstance(subnets, Unknown)
    assert {subnet.zone for subnet in subnets} >= {"us-east-1b", "us-east-1c"}
    assert all(isinstance(subnet.route_table_id, str) for subnet in subnets)
    assert str(region.spot_role).endswith("/AWSServiceRoleForEC2Spot")
    assert set(region.rights.values()) == {True}
    assert {"ec2:RunInstances", "ec2:CreateTags", "ec2:DetachVolume"} <= set(region.rights)


def test_a_missing_spot_role_is_told_from_a_missing_right(
    sessions: Sessions, account: Account, refuse: Refuse, launched: str
) -> None:
    facts = discovered(sessions, account, launched)
    refuse("iam", "GetRole", code="NoSuchEntity")
    reader = TargetRegion(sessions)
    assert reader.read(account, facts, TARGET, Lifecycle.SPOT).spot_role == ""
    assert reader.read(account, facts, TARGET, Lifecycle.ON_DEMAND).spot_role is None


def test_a_denied_spot_role_is_unknown(
    sessions: Sessions, account: Account, refuse: Refuse, launched: str
) -> None:
    facts = discovered(sessions, account, launched)
    refuse("iam", "GetRole", code="AccessDenied")
    role = TargetRegion(sessions).read(account, facts, TARGET, Lifecycle.SPOT).spot_role
    assert isinstance(role, Unknown)
    assert role.permission == "iam:GetRole"


def test_dry_runs_change_nothing(
    sessions: Sessions, account: Account, aws: Any, launched: str
) -> None:
    def everything() -> tuple[Any, ...]:
        found = discovered(sessions, account, launched)
        ids = {each["InstanceId"]: each["State"]["Name"] for each in instances(aws.ec2)}
        images = aws.ec2.describe_images(Owners=["self"])["Images"]
        return replace(found, read_at=found.launched_at or found.read_at), ids, images

    before = everything()
    for lifecycle in Lifecycle:
        TargetRegion(sessions).read(account, before[0], TARGET, lifecycle)
    assert everything() == before


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("RunInstances", "ec2:RunInstances"),
        ("AssociateAddress", "ec2:AssociateAddress"),
        ("DetachVolume", "ec2:DetachVolume"),
        ("TerminateInstances", "ec2:TerminateInstances"),
        ("CreateImage", "ec2:CreateImage"),
    ],
)
def test_a_missing_right_is_found_by_a_dry_run(
    sessions: Sessions, account: Account, refuse: Refuse, launched: str, operation: str, action: str
) -> None:
    facts = discovered(sessions, account, launched)
    refuse("ec2", operation)
    region = TargetRegion(sessions).read(account, facts, TARGET, Lifecycle.SPOT)
    assert region.rights[action] is False


def test_the_right_to_tag_spot_requests_is_told_from_that_to_launch(
    sessions: Sessions, account: Account, refuse: Refuse, launched: str
) -> None:
    facts = discovered(sessions, account, launched)
    refuse("ec2", "RunInstances", containing="spot-instances-request")
    spot = TargetRegion(sessions).read(account, facts, TARGET, Lifecycle.SPOT)
    assert (spot.rights["ec2:RunInstances"], spot.rights["ec2:CreateTags"]) == (True, False)
    on_demand = TargetRegion(sessions).read(account, facts, TARGET, Lifecycle.ON_DEMAND)
    assert on_demand.rights["ec2:CreateTags"] is True


def test_a_spot_launch_needs_a_grant_on_a_customer_key(
    sessions: Sessions, account: Account, aws: Any, launched: str
) -> None:
    facts = discovered(sessions, account, launched)
    key = str(facts.volumes[1].kms_key)

    def granted(lifecycle: Lifecycle) -> Any:
        return TargetRegion(sessions).read(account, facts, TARGET, lifecycle).key_grants[key]

    assert granted(Lifecycle.SPOT) is False, "IAM policies do not apply to the spot role"
    assert granted(Lifecycle.ON_DEMAND) is True, "the key's policy lets IAM decide"
    role = f"arn:aws:iam::{account.aws_account_id}:role/aws-service-role/spot.amazonaws.com/"
    aws.kms.create_grant(
        KeyId=key,
        GranteePrincipal=f"{role}AWSServiceRoleForEC2Spot",
        Operations=[
            "CreateGrant",
            "Decrypt",
            "GenerateDataKeyWithoutPlaintext",
            "ReEncryptFrom",
            "ReEncryptTo",
        ],
    )
    assert granted(Lifecycle.SPOT) is True


def test_a_key_policy_may_name_the_spot_role(
    sessions: Sessions, account: Account, aws: Any, launched: str
) -> None:
    facts = discovered(sessions, account, launched)
    role = f"arn:aws:iam::{account.aws_account_id}:role/x/AWSServiceRoleForEC2Spot"
    statement = {"Effect": "Allow", "Principal": {"AWS": [role]}, "Action": "kms:*"}
    key = aws.kms.create_key(Policy=json.dumps({"Statement": statement}))["KeyMetadata"]["Arn"]
    volumes = tuple(replace(each, kms_key=key) for each in facts.data_volumes)
    region = TargetRegion(sessions).read(
        account, replace(facts, volumes=volumes), TARGET, Lifecycle.SPOT
    )
    assert region.key_grants == {key: True}


def test_another_region_has_the_launch_template_with_the_same_name_or_none(
    sessions: Sessions, account: Account, served: RunningServer, launched: str
) -> None:
    facts = discovered(sessions, account, launched)
    target = Pool("eu-west-1", "eu-west-1a", "m6i.large")
    reader = TargetRegion(sessions)
    assert reader.read(account, facts, target, Lifecycle.SPOT).templates == ()
    there = client(served, "ec2", "eu-west-1", served.world.accounts[0])
    there.create_launch_template(
        LaunchTemplateName="web", LaunchTemplateData={"InstanceType": "m6i.large"}
    )
    (template,) = reader.read(account, facts, target, Lifecycle.SPOT).templates  # type: ignore[misc]
    assert template.name == "web"
