"""API responses about AWS accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Account(msgspec.Struct, frozen=True):
    """An AWS account."""

    name: str
    aws_account_id: str
    role_arn: str
    external_id_set: bool
    regions: tuple[str, ...]
    emulated: bool
    active: bool
    rotation_pending: bool = False


class Check(msgspec.Struct, frozen=True):
    """One check of an account."""

    name: str
    ok: bool
    reason: str


class PermissionCheck(msgspec.Struct, frozen=True):
    """One permission of an account's role in a region: allowed, denied or unknown."""

    permission: str
    feature: str
    purpose: str
    region: str
    state: str
    reason: str


class Validation(msgspec.Struct, frozen=True):
    """Result of checking access to an account."""

    account: str
    ok: bool
    checks: tuple[Check, ...]
    checked_at: datetime
    permissions: tuple[PermissionCheck, ...] = ()


class RegionListing(msgspec.Struct, frozen=True):
    """The last listing of an account's instances in one region."""

    region: str
    listed_at: datetime | None
    error: str
    code: str


class AccountListing(msgspec.Struct, frozen=True):
    """The last listing of an account's instances."""

    listed_at: datetime | None
    error: str
    regions: tuple[RegionListing, ...]


class AccountRole(msgspec.Struct, frozen=True):
    """The role that an account must create for SpotLab."""

    role_arn: str
    access: str
    policy: dict[str, Any]
    trust_policy: dict[str, Any]
    own_policy: dict[str, Any]
    explanation: tuple[str, ...]
    cloudformation: str
    terraform: str
