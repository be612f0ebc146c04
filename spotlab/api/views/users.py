"""Users and API tokens."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from spotlab.api.views.base import AccountName, ChangeRequest, RequestBody, View, field
from spotlab.domain.access import Right, Role
from spotlab.telemetry.text import LABEL

USER = r"^[a-z0-9][a-z0-9._@+-]{0,63}$"


class UserView(View):
    """Somebody who may sign in."""

    name: str = field("What they sign in with.", "ana")
    role: Role = field("What they are trusted with.", "operator")
    accounts: list[str] | None = field("Accounts they see; null: all.", None)
    email: str = field("Empty where unknown.", "")
    active: bool = field("They may sign in.", True)
    must_change: bool = field("They have to choose a new password first.", False)
    locked_until: datetime | None = field("Null: not locked.", None)
    created_at: datetime = field("When they were added.", "2026-11-01T09:30:00Z")
    last_sign_in_at: datetime | None = field("Null: never.", None)


class UserRequest(ChangeRequest):
    """Somebody to let in."""

    name: str = Field(pattern=USER, description="Lower case, unique.", examples=["cleo"])
    role: Role = Field(description="What they are trusted with.", examples=["viewer"])
    accounts: list[AccountName] | None = Field(
        default=None, max_length=100, description="null: all.", examples=[["acme"]]
    )
    email: str = Field(
        default="", max_length=200, pattern=LABEL, description="For a provider.", examples=[""]
    )


class UserChangeRequest(ChangeRequest):
    """What is changed of a user; what is not given stays."""

    role: Role | None = Field(default=None, description="Their new role.", examples=["viewer"])
    accounts: list[AccountName] | None = Field(
        default=None, max_length=100, description="null: all.", examples=[["acme"]]
    )
    active: bool | None = Field(default=None, description="They may sign in.", examples=[True])


class UserAddedView(View):
    """A user who was added."""

    user: UserView
    password_link: str = field(
        "Where they choose a password, once; empty where a provider vouches.", ""
    )


class TokenView(View):
    """An API token, without itself."""

    token_id: str = field("Its public part.", "0f1e2d3c4b5a")
    user: str = field("Whose rights it has at most.", "ana")
    name: str = field("What it is for.", "ci")
    scopes: list[Right] = field("What it may do.", ["read"])
    created_at: datetime = field("When it was made.", "2026-11-01T09:30:00Z")
    expires_at: datetime = field("When it ends.", "2026-12-01T09:30:00Z")
    last_used_at: datetime | None = field("Null: never.", None)
    revoked_at: datetime | None = field("Null: not revoked.", None)


class TokenRequest(RequestBody):
    """A token to make."""

    user: str = Field(pattern=USER, description="Whose.", examples=["ana"])
    name: str = Field(
        min_length=1, max_length=60, pattern=LABEL, description="For what.", examples=["ci"]
    )
    scopes: list[Right] = Field(min_length=1, description="Rights.", examples=[["read"]])
    valid_days: float = Field(
        default=30.0, gt=0, le=365, description="Until it expires.", examples=[30]
    )


class TokenCreatedView(View):
    """A token that was made; it is told this once."""

    token: str = field("The token itself.", "spl_0f1e2d3c4b5a_…")
    about: TokenView


class MeView(View):
    """Who asks, and what they may do."""

    name: str = field("The user.", "ana")
    role: Role = field("What they are trusted with.", "operator")
    accounts: list[str] | None = field("Accounts they see; null: all.", None)
    rights: list[Right] = field("What they may do.", ["read", "evaluate"])
    via: str = field("How they came.", "token ci")
