"""AWS accounts."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from spotlab.api.views.base import ChangeRequest, PlainName, View, field
from spotlab.telemetry.invisible_characters import LABEL


class AccountView(View):
    """An AWS account."""

    name: str = field("Name of the account in SpotLab.", "acme")
    aws_account_id: str = field("AWS account id.", "123456789012")
    role_arn: str = field("Role to assume; empty if none.", "")
    external_id_set: bool = field("Whether an external id is sent when the role is assumed.", False)
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


class ValidationView(View):
    """Whether an account can be managed."""

    account: str = field("Name of the account.", "acme")
    ok: bool = field("Whether all checks succeeded.", True)
    checks: list[CheckView] = Field(description="Checks in the order of execution.")
    checked_at: datetime = field("When the account was checked.", "2026-11-03T09:30:00Z")
