"""AWS accounts."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from spotlab.api.views.base import ChangeRequest, PlainName, View, field
from spotlab.telemetry.text import LABEL


class AccountView(View):
    """An AWS account that SpotLab looks after."""

    name: str = field("A person's name for it.", "acme")
    aws_account_id: str = field("AWS's number.", "123456789012")
    role_arn: str = field("Role that is assumed; empty: none.", "")
    external_id_set: bool = field("An external id is sent when the role is assumed.", False)
    regions: list[str] = field("Regions managed.", ["us-east-1"])
    emulated: bool = field("Lives in the emulated AWS.", True)
    active: bool = field("Looked after.", True)


class AccountRequest(ChangeRequest):
    """An account to look after."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        description="Lower case letters, digits and dashes.",
        examples=["staging"],
    )
    aws_account_id: str = Field(
        pattern=r"^[0-9]{12}$", description="12 digits.", examples=["210987654321"]
    )
    role_arn: str = Field(
        default="",
        max_length=200,
        pattern=r"^(arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+)?$",
        description="Role to assume; empty: the server's own credentials.",
        examples=["arn:aws:iam::210987654321:role/spotlab"],
    )
    external_id: str = Field(
        default="",
        max_length=200,
        pattern=LABEL,
        description="Sent when the role is assumed; never told again.",
        examples=["an-external-id"],
    )
    regions: list[PlainName] = Field(
        min_length=1, max_length=40, description="AWS regions.", examples=[["us-east-1"]]
    )


class AccountChangeRequest(ChangeRequest):
    """What is changed of an account; what is not given stays."""

    aws_account_id: str | None = Field(
        default=None, pattern=r"^[0-9]{12}$", description="12 digits."
    )
    role_arn: str | None = Field(
        default=None,
        max_length=200,
        pattern=LABEL,
        description="Role to assume; empty: the server's own credentials.",
    )
    external_id: str | None = Field(
        default=None,
        max_length=200,
        pattern=LABEL,
        description="Sent when the role is assumed; empty: none.",
    )
    regions: list[PlainName] | None = Field(
        default=None, min_length=1, max_length=40, description="AWS regions."
    )
    active: bool | None = Field(default=None, description="Look after it.", examples=[True])


class CheckView(View):
    """One thing that was tried."""

    name: str = field("What was tried.", "assume the role")
    ok: bool = field("It went well.", True)
    reason: str = field("In words.", "Answers as 123456789012.")


class ValidationView(View):
    """Whether an account can be managed."""

    account: str = field("Its name.", "acme")
    ok: bool = field("Everything that was tried went well.", True)
    checks: list[CheckView] = Field(description="In the order they were tried.")
    checked_at: datetime = field("When.", "2026-11-03T09:30:00Z")
