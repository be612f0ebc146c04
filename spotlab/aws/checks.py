"""Checks whether an account can be managed: its role, account id and regions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from spotlab.aws.failures import translated
from spotlab.aws.region_access import explained
from spotlab.aws.regions import sts_region
from spotlab.aws.session import Sessions
from spotlab.domain.ports import Account
from spotlab.errors import AccessDenied, AwsError


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check.

    Args:
        name: what was checked.
        ok: whether it succeeded.
        reason: the details, as a sentence.
    """

    name: str
    ok: bool
    reason: str


def check_account(sessions: Sessions, account: Account) -> list[Check]:
    """Sign in to an account, see whether others could, and list instances in each of its regions.

    Changes nothing.

    Returns:
        The checks in order; if the first fails, the others are skipped.
    """
    identity = _identity(sessions, account)
    if not identity.ok:
        return [identity]
    return [identity, *_external_id(sessions, account), *_regions(sessions, account)]


def _external_id(sessions: Sessions, account: Account) -> Iterator[Check]:
    """Whether the role requires the external id: without it, AWS must refuse."""
    if not account.role_arn or not account.external_id:
        return
    name = "require the external id"
    try:
        sessions.assume(replace(account, external_id="", pending_external_id=""))
    except AccessDenied:
        yield Check(name, True, "AWS refuses to give the role without it.")
    except AwsError as exc:
        yield Check(name, False, str(exc))
    else:
        yield Check(
            name,
            False,
            "AWS gives the role also without it. Add the condition sts:ExternalId to the role's "
            "trust policy.",
        )


def _identity(sessions: Sessions, account: Account) -> Check:
    name = "assume the role" if account.role_arn else "sign in"
    region = sts_region(account.regions)
    try:
        if account.role_arn:
            sessions.assume(account)  # a client may still hold older credentials
        sts = sessions.client("sts", account, region)
        with translated(f"Reading the identity of account {account.name!r}", account.external_id):
            account_id = sts.get_caller_identity()["Account"]
    except AwsError as exc:
        return Check(name, False, str(exc))
    if account_id != account.aws_account_id:
        return Check(name, False, f"The account id is {account_id}, not {account.aws_account_id}.")
    return Check(name, True, f"The account id is {account_id}.")


def _regions(sessions: Sessions, account: Account) -> Iterator[Check]:
    for region in account.regions:
        name = f"list instances in {region}"
        try:
            ec2 = sessions.client("ec2", account, region)
            with translated(f"Listing instances in {region}", account.external_id):
                ec2.describe_instances(MaxResults=5)
        except AwsError as exc:
            yield Check(name, False, str(explained(sessions, account, region, exc)))
        else:
            yield Check(name, True, "Instances can be listed.")
