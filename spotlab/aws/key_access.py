"""Who may use a customer managed key: by its grants, or by its policy.

A policy's conditions, and IAM policies where the key's policy relies on them, are taken as met:
only the launch can tell.

Source: AWS KMS API Reference, ListGrants and GetKeyPolicy; AWS KMS Developer Guide, "Key policies";
Amazon EC2 User Guide, "Service-linked role for Spot Instance requests" (customer managed keys).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from spotlab.aws.reading import Reading
from spotlab.domain.target_facts import SPOT_ROLE
from spotlab.domain.unknown import Unknown

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

SPOT_ROLE_END: Final = f"/{SPOT_ROLE}"
"""How the ARN of the service-linked role of EC2 Spot ends."""
_NEEDED: Final = frozenset(
    {"CreateGrant", "Decrypt", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"}
)
"""What EC2 needs of a key to make an encrypted volume from a snapshot."""
_GRANTING_ACTIONS: Final = frozenset({"*", "kms:*", "kms:Create*", "kms:CreateGrant"})


class KeyAccess:
    """Whether principals may use keys; each key's grants and policy are read once.

    Args:
        kms: client.
        reading: for unknown facts.
    """

    def __init__(self, kms: KMSClient, reading: Reading) -> None:
        self._kms = kms
        self._reading = reading
        self._grants: dict[str, Sequence[Mapping[str, Any]] | Unknown] = {}
        self._policies: dict[str, str | Unknown] = {}

    def may_use(self, key: str, role: str) -> bool | Unknown:
        """Whether a role may use a key.

        Args:
            key: ARN.
            role: its ARN; a service-linked role, to which IAM policies do not apply: the end of
                it; "": the identity of this process, of which only the account is known.
        """
        if key not in self._grants:
            self._grants[key] = self._read_grants(key)
        grants = self._grants[key]
        if not isinstance(grants, Unknown) and _granted(grants, role):
            return True
        if key not in self._policies:
            self._policies[key] = self._read_policy(key)
        policy = self._policies[key]
        if isinstance(policy, Unknown):
            return policy
        if _allowed(policy, role):
            return True
        return grants if isinstance(grants, Unknown) else False

    def _read_grants(self, key: str) -> Sequence[Mapping[str, Any]] | Unknown:
        pages = self._kms.get_paginator("list_grants")
        return self._reading.read(
            "kms:ListGrants",
            f"Reading the grants of {key}",
            lambda: [grant for page in pages.paginate(KeyId=key) for grant in page["Grants"]],
        )

    def _read_policy(self, key: str) -> str | Unknown:
        return self._reading.read(
            "kms:GetKeyPolicy",
            f"Reading the policy of {key}",
            lambda: self._kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
        )


def _granted(grants: Iterable[Mapping[str, Any]], role: str) -> bool:
    return bool(role) and any(
        grant.get("GranteePrincipal", "").endswith(role)
        and set(grant.get("Operations", [])) >= _NEEDED
        for grant in grants
    )


def _allowed(policy: str, role: str) -> bool:
    """Whether a key policy lets a role create grants, itself or through the account's IAM."""
    try:
        statements = _several(json.loads(policy).get("Statement", []))
    except (ValueError, AttributeError):
        return False
    through_iam = not role.startswith("/")
    for statement in statements:
        if statement.get("Effect") != "Allow":
            continue
        if not _GRANTING_ACTIONS & set(_several(statement.get("Action", []))):
            continue
        principal = statement.get("Principal", {})
        names = _several(principal.get("AWS", []) if isinstance(principal, dict) else principal)
        if any(_matches(str(name), role, through_iam=through_iam) for name in names):
            return True
    return False


def _matches(name: str, role: str, *, through_iam: bool) -> bool:
    account = name.isdigit() or name.endswith(":root")
    return name == "*" or (bool(role) and name.endswith(role)) or (through_iam and account)


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
