"""AWS accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from spotlab.api.views.base import ChangeRequest, PlainName, View, field
from spotlab.telemetry.invisible_characters import LABEL

AccessName = Literal["read-only", "switching"]


class AccountView(View):
    """An AWS account."""

    name: str = field("Name of the account in SpotLab.", "acme")
    aws_account_id: str = field("AWS account id.", "123456789012")
    role_arn: str = field("Role to assume; empty if none.", "")
    external_id_set: bool = field("Whether an external id is sent when the role is assumed.", False)
    rotation_pending: bool = field("Whether a new external id waits to be confirmed.", False)
    regions: list[str] = field("Managed regions.", ["us-east-1"])
    emulated: bool = field("Whether the account is in the emulated AWS.", True)
    active: bool = field("Whether SpotLab manages the account.", True)


class AccountRequest(ChangeRequest):
    """An account to add."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        description="Name of the account: lower-case letters, digits and dashes.",
        examples=["staging"],
    )
    aws_account_id: str = Field(
        pattern=r"^[0-9]{12}$", description="AWS account id, 12 digits.", examples=["210987654321"]
    )
    role_arn: str = Field(
        default="",
        max_length=200,
        pattern=r"^(arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+)?$",
        description="Role to assume; empty to use the server's own credentials.",
        examples=["arn:aws:iam::210987654321:role/spotlab"],
    )
    external_id: str = Field(
        default="",
        max_length=200,
        pattern=LABEL,
        description="Sent when the role is assumed; never returned by the API.",
        examples=["an-external-id"],
    )
    regions: list[PlainName] = Field(
        min_length=1, max_length=40, description="AWS regions to manage.", examples=[["us-east-1"]]
    )
    active: bool = Field(
        default=True,
        description="Whether SpotLab manages the account; false until its role exists.",
        examples=[True],
    )


class AccountChangeRequest(ChangeRequest):
    """Changes of an account; omitted fields keep their value."""

    aws_account_id: str | None = Field(
        default=None, pattern=r"^[0-9]{12}$", description="AWS account id, 12 digits."
    )
    role_arn: str | None = Field(
        default=None,
        max_length=200,
        pattern=LABEL,
        description="Role to assume; empty to use the server's own credentials.",
    )
    external_id: str | None = Field(
        default=None,
        max_length=200,
        pattern=LABEL,
        description="Sent when the role is assumed; empty to remove it.",
    )
    regions: list[PlainName] | None = Field(
        default=None, min_length=1, max_length=40, description="AWS regions to manage."
    )
    active: bool | None = Field(
        default=None, description="Whether SpotLab manages the account.", examples=[True]
    )


class CheckView(View):
    """One check of an account."""

    name: str = field("Name of the check.", "assume the role")
    ok: bool = field("Whether the check succeeded.", True)
    reason: str = field("Result in a sentence.", "The role belongs to account 123456789012.")


class PermissionView(View):
    """One permission of an account's role in a region."""

    permission: str = field("IAM action.", "ec2:DescribeInstances")
    feature: str = field("What SpotLab needs it for.", "read")
    purpose: str = field("What SpotLab does with it.", "lists instances")
    region: str = field('AWS region, or "all regions".', "us-east-1")
    state: Literal["allowed", "denied", "unknown"] = field("Result of the dry run.", "allowed")
    reason: str = field("Result in a sentence.", "AWS would do it.")


class ValidationView(View):
    """Whether an account can be managed."""

    account: str = field("Name of the account.", "acme")
    ok: bool = field("Whether all checks succeeded and no permission is denied.", True)
    checks: list[CheckView] = Field(description="Checks in the order of execution.")
    permissions: list[PermissionView] = Field(
        description="Permissions by region; empty if they were not tried."
    )
    checked_at: datetime = field("When the account was checked.", "2026-11-03T09:30:00Z")


class RegionListingView(View):
    """The last listing of an account's instances in one region."""

    region: str = field("AWS region.", "us-east-1")
    listed_at: datetime | None = field(
        "When it was last listed; null: never.", "2026-11-03T09:30:00Z"
    )
    error: str = field("Why the last attempt failed; empty if it succeeded.", "")
    code: str = field("AWS's error code of the last attempt; empty if there is none.", "")


class ListingView(View):
    """The last listing of an account's instances."""

    listed_at: datetime | None = field(
        "When at least one region was last listed; null: never.", "2026-11-03T09:30:00Z"
    )
    error: str = field("Why the last attempt failed, or failed in some regions.", "")
    regions: list[RegionListingView] = Field(description="By region, sorted by name.")


class RoleView(View):
    """The role that an account must create for SpotLab."""

    role_arn: str = field("ARN that the role will have.", "arn:aws:iam::123456789012:role/SpotLab")
    access: AccessName = field("What SpotLab may do.", "read-only")
    policy: dict[str, Any] = field("IAM policy of the role.", {"Version": "2012-10-17"})
    trust_policy: dict[str, Any] = field(
        "Trust policy; EXTERNAL_ID stands for the external id.", {"Version": "2012-10-17"}
    )
    own_policy: dict[str, Any] = field(
        "Policy that the server's own identity needs.", {"Version": "2012-10-17"}
    )
    explanation: list[str] = field(
        "What each statement of the policy allows.", ["Read: Reads descriptions."]
    )
    cloudformation: str = field("CloudFormation template, YAML.", "AWSTemplateFormatVersion: …")
    terraform: str = field("Terraform resources, HCL.", "resource …")


class RotationRequest(ChangeRequest):
    """A step of the rotation of an external id."""


class ExternalIdView(View):
    """A new external id, returned only once."""

    external_id: str = field("The new external id, 43 characters.", "an-external-id")
    account: AccountView = Field(description="The account.")
