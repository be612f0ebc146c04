"""The place a switch would launch into: subnets, spot role, key grants, templates and rights.

Source: Amazon EC2 API Reference, DescribeSubnets and DescribeRouteTables; IAM API Reference,
GetRole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from spotlab.aws.dry_runs import DryRuns
from spotlab.aws.key_access import SPOT_ROLE_END, KeyAccess
from spotlab.aws.launch_sources import read_named_template
from spotlab.aws.reading import Reading
from spotlab.aws.session import Sessions
from spotlab.domain.attachments import customer_keys
from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import InstanceFacts, LaunchTemplate
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.target_facts import SPOT_ROLE, TAG_RIGHT, RegionFacts, Subnet, choose_subnet
from spotlab.domain.unknown import Unknown, known
from spotlab.errors import AwsError


class TargetRegion:
    """Reads what a launch in a pool needs; nothing is changed.

    Args:
        sessions: clients by account and region.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def read(
        self, account: Account, facts: InstanceFacts, target: Pool, lifecycle: Lifecycle
    ) -> RegionFacts:
        """The facts of the target's region for this instance and launch.

        Args:
            account: of the instance.
            facts: of the instance.
            target: pool to launch in.
            lifecycle: of the replacement.
        Returns:
            Facts that could not be read are `Unknown`.
        """
        shared = self.shared(account, facts, target.region, lifecycle)
        return self.with_launch(account, facts, target, lifecycle, shared)

    def shared(
        self, account: Account, facts: InstanceFacts, region: str, lifecycle: Lifecycle
    ) -> RegionFacts:
        """What is the same for every pool of a region.

        Args:
            account: of the instance.
            facts: of the instance.
            region: of the targets.
            lifecycle: of the replacement.
        """
        reading = Reading(account)
        ec2 = self._sessions.client("ec2", account, region)
        spot_role = self._spot_role(reading, account, region, lifecycle)
        if region != facts.pool.region:
            templates = self._templates(reading, ec2, facts)
            return RegionFacts(region, (), spot_role, templates=templates)
        access = KeyAccess(self._sessions.client("kms", account, region), reading)
        launcher = SPOT_ROLE_END if lifecycle is Lifecycle.SPOT else account.role_arn
        return RegionFacts(
            region=region,
            subnets=self._subnets(reading, ec2, facts.vpc_id),
            spot_role=spot_role,
            key_grants={key: access.may_use(key, launcher) for key in customer_keys(facts.volumes)},
            attach_grants={
                key: access.may_use(key, account.role_arn)
                for key in customer_keys(facts.data_volumes)
            },
            rights=DryRuns(ec2, reading).others(facts),
        )

    def with_launch(
        self,
        account: Account,
        facts: InstanceFacts,
        target: Pool,
        lifecycle: Lifecycle,
        shared: RegionFacts,
    ) -> RegionFacts:
        """The same facts, with a dry run of the launch in one pool.

        Args:
            account: of the instance.
            facts: of the instance.
            target: pool to launch in.
            lifecycle: of the replacement.
            shared: facts of the target's region.
        """
        if target.region != facts.pool.region:
            return shared
        subnet = choose_subnet(facts, target, known(shared.subnets) or ())
        if subnet is None:
            return shared
        runs = DryRuns(self._sessions.client("ec2", account, target.region), Reading(account))
        rights, refusal = runs.launch(facts, target, lifecycle, subnet.subnet_id)
        if refusal:
            # which rights the role has to launch is then not known
            return replace(shared, launch_refusal=refusal)
        if rights[TAG_RIGHT] is True:
            # tagging at the launch and tagging an image may be granted separately
            rights[TAG_RIGHT] = shared.rights.get(TAG_RIGHT, True)
        return replace(shared, rights={**shared.rights, **rights}, launch_refusal=refusal)

    def _subnets(self, reading: Reading, ec2: Any, vpc_id: str) -> tuple[Subnet, ...] | Unknown:
        if not vpc_id:
            return ()
        of_vpc = [{"Name": "vpc-id", "Values": [vpc_id]}]
        records = reading.read(
            "ec2:DescribeSubnets",
            f"Reading the subnets of {vpc_id}",
            lambda: [
                record
                for page in ec2.get_paginator("describe_subnets").paginate(Filters=of_vpc)
                for record in page["Subnets"]
            ],
        )
        if isinstance(records, Unknown):
            return records
        tables = reading.read(
            "ec2:DescribeRouteTables",
            f"Reading the route tables of {vpc_id}",
            lambda: [
                record
                for page in ec2.get_paginator("describe_route_tables").paginate(Filters=of_vpc)
                for record in page["RouteTables"]
            ],
        )
        table_of = {} if isinstance(tables, Unknown) else _table_of_subnet(tables)
        main = tables if isinstance(tables, Unknown) else table_of.get("", _NO_TABLE)
        return tuple(
            Subnet(
                subnet_id=record["SubnetId"],
                zone=record["AvailabilityZone"],
                free_addresses=record["AvailableIpAddressCount"],
                public_addresses=record.get("MapPublicIpOnLaunch", False),
                route_table_id=table_of.get(record["SubnetId"], main),
            )
            for record in sorted(records, key=lambda each: str(each["SubnetId"]))
            if record.get("State", "available") == "available"
        )

    def _spot_role(
        self, reading: Reading, account: Account, region: str, lifecycle: Lifecycle
    ) -> str | Unknown | None:
        """ARN of the service-linked role; "": it does not exist; None: not needed."""
        if lifecycle is not Lifecycle.SPOT:
            return None
        iam = self._sessions.client("iam", account, region)

        def read() -> str:
            try:
                return reading.require(
                    f"Reading the role {SPOT_ROLE}",
                    lambda: iam.get_role(RoleName=SPOT_ROLE)["Role"]["Arn"],
                )
            except AwsError as exc:
                if exc.code == "NoSuchEntity":
                    return ""
                raise

        return reading.read("iam:GetRole", f"Reading the role {SPOT_ROLE}", read)

    def _templates(
        self, reading: Reading, ec2: Any, facts: InstanceFacts
    ) -> tuple[LaunchTemplate, ...] | Unknown:
        """The launch template with the same name in another region."""
        template = known(facts.launch_template)
        if template is None or not template.name:
            return ()
        return read_named_template(ec2, reading, template.name)


_NO_TABLE: Final = Unknown("EC2 lists no route table for it.")


def _table_of_subnet(tables: Iterable[Any]) -> dict[str, str | Unknown]:
    """Route table by subnet; that of "" is the VPC's main one."""
    return {
        "" if association.get("Main") else association.get("SubnetId", ""): table["RouteTableId"]
        for table in tables
        for association in table.get("Associations", [])
        if association.get("Main") or association.get("SubnetId")
    }
