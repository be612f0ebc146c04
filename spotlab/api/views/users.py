"""Users and API tokens."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from spotlab.api.views.base import AccountName, ChangeRequest, RequestBody, View, field
from spotlab.domain.access import Right, Role
from spotlab.telemetry.invisible_characters import LABEL

USER = r"^[a-z0-9][a-z0-9._@+-]{0,63}$"


class UserView(View):
    """A user."""

    name: str = field("User name.", "ana")
    role: Role = field("Role of the user.", "operator")
    accounts: list[str] | None = field("Accounts that the user may see; null for all.", None)
    email: str = field("E-mail address; empty if unknown.", "")
    active: bool = field("Whether the user may sign in.", True)
    must_change: bool = field("Whether the user must choose a new password first.", False)
    locked_until: datetime | None = field("End of the lock; null if not locked.", None)
    created_at: datetime = field("When the user was added.", "2026-11-01T09:30:00Z")
    last_sign_in_at: datetime | None = field("Last sign-in; null if never.", None)


class UserRequest(ChangeRequest):
    """A user to add."""

    name: str = Field(pattern=USER, description="User name: lower case, unique.", examples=["cleo"])
    role: Role = Field(description="Role of the user.", examples=["viewer"])
    accounts: list[AccountName] | None = Field(
        default=None,
        max_length=100,
        description="Accounts that the user may see; null for all.",
        examples=[["acme"]],
    )
    email: str = Field(
        default="",
        max_length=200,
        pattern=LABEL,
        description="E-mail address, for an identity provider.",
        examples=[""],
    )


class UserChangeRequest(ChangeRequest):
    """Changes of a user; omitted fields keep their value."""

    role: Role | None = Field(default=None, description="New role.", examples=["viewer"])
    accounts: list[AccountName] | None = Field(
        default=None,
        max_length=100,
        description="Accounts that the user may see; null for all.",
        examples=[["acme"]],
    )
    active: bool | None = Field(
        default=None, description="Whether the user may sign in.", examples=[True]
    )


class UserAddedView(View):
    """The added user."""

    user: UserView
    password_link: str = field(
        "One-time link to choose a password; empty with an identity provider.", ""
    )


class TokenView(View):
    """An API token, without its secret."""

    token_id: str = field("Id: the public part of the token.", "0f1e2d3c4b5a")
    user: str = field("Owner; the token has at most the rights of this user.", "ana")
    name: str = field("Name of the token.", "ci")
    scopes: list[Right] = field("Rights of the token.", ["read"])
    created_at: datetime = field("When the token was created.", "2026-11-01T09:30:00Z")
    expires_at: datetime = field("When the token expires.", "2026-12-01T09:30:00Z")
    last_used_at: datetime | None = field("Last use; null if never.", None)
    revoked_at: datetime | None = field("When the token was revoked; null if it was not.", None)


class TokenRequest(RequestBody):
    """An API token to create."""

    user: str = Field(pattern=USER, description="Owner of the token.", examples=["ana"])
    name: str = Field(
        min_length=1,
        max_length=60,
        pattern=LABEL,
        description="Name of the token.",
        examples=["ci"],
    )
    scopes: list[Right] = Field(min_length=1, description="Rights to grant.", examples=[["read"]])
    valid_days: float = Field(
        default=30.0, gt=0, le=365, description="Days until the token expires.", examples=[30]
    )


class TokenCreatedView(View):
    """The created token. It is returned only once."""

    token: str = field("The token, including its secret.", "spl_0f1e2d3c4b5a_…")
    about: TokenView


class MeView(View):
    """The signed-in user and their rights."""

    name: str = field("User name.", "ana")
    role: Role = field("Role of the user.", "operator")
    accounts: list[str] | None = field("Accounts that the user may see; null for all.", None)
    rights: list[Right] = field("Rights of the user or token.", ["read", "evaluate"])
    via: str = field("How the user is signed in.", "token ci")
