"""Whether an account can be managed: its role, its number, its regions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spotlab.aws.failures import translated
from spotlab.aws.session import Sessions
from spotlab.domain.ports import Account
from spotlab.errors import AwsError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried.

    Args:
        name: what was tried.
        ok: it went well.
        reason: in words.
    """

    name: str
    ok: bool
    reason: str


def check_account(sessions: Sessions, account: Account) -> list[Check]:
    """Sign in to an account and look at each of its regions; changes nothing.

    Returns:
        What was tried, in order; without the first, the rest is not tried.
    """
    first = _identity(sessions, account)
    return [first, *(_regions(sessions, account) if first.ok else ())]


def _identity(sessions: Sessions, account: Account) -> Check:
    name = "assume the role" if account.role_arn else "sign in"
    region = account.regions[0] if account.regions else "us-east-1"
    try:
        if account.role_arn:
            sessions.assume(account)  # anew: a client may still hold credentials of before
        sts = sessions.client("sts", account, region)
        with translated(f"Asking who account {account.name!r} is", account.external_id):
            found = sts.get_caller_identity()["Account"]
    except AwsError as exc:
        return Check(name, False, str(exc))
    if found != account.aws_account_id:
        return Check(name, False, f"Answers as {found}, not as {account.aws_account_id}.")
    return Check(name, True, f"Answers as {found}.")


def _regions(sessions: Sessions, account: Account) -> Iterator[Check]:
    for region in account.regions:
        name = f"list instances in {region}"
        try:
            ec2 = sessions.client("ec2", account, region)
            with translated(f"Listing instances in {region}", account.external_id):
                ec2.describe_instances(MaxResults=5)
        except AwsError as exc:
            yield Check(name, False, str(exc))
        else:
            yield Check(name, True, "May be listed.")
