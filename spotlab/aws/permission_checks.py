"""Whether a role has each permission, found without changing anything.

Every call to EC2 is a dry run, also those that only read. Other services have no dry runs: only
their reads are called, and a permission to change is reported as unknown.

Source: Amazon EC2 API Reference, "Common query parameters" (DryRun).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from spotlab.aws.failures import translated
from spotlab.aws.permission_samples import Samples, Unavailable, find_samples, parameters
from spotlab.aws.permissions import Access, Permission, permissions_of
from spotlab.aws.policy_statements import ALLOWED_INSTANCES, EVENT_QUEUE
from spotlab.aws.region_access import UNCLEAR, explained
from spotlab.aws.region_calls import in_each_region
from spotlab.aws.regions import price_list_region, sts_region
from spotlab.aws.session import Sessions
from spotlab.domain.ports import Account
from spotlab.domain.switch_tags import ALLOW_TAG
from spotlab.errors import AccessDenied, AwsError, NoSuchThing, RegionNotEnabled

ALL_REGIONS: Final = "all regions"
"""In place of a region, for services that have one endpoint for all."""
LIMIT_S: Final = 120.0
_GLOBAL: Final = ("iam:GetRole", "pricing:GetProducts")
_WOULD_DO_IT: Final = "DryRunOperation"
_ABSENT: Final = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchEntity",
        "QueueDoesNotExist",
        "com.amazonaws.sqs#QueueDoesNotExist",
    }
)


class State(StrEnum):
    """Whether a permission was found."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PermissionCheck:
    """Whether the role has a permission in a region.

    Args:
        permission: IAM action, such as "ec2:DescribeInstances".
        feature: what it is for.
        purpose: what SpotLab does with it, in a few words.
        region: such as "us-east-1", or ALL_REGIONS.
        state: the result.
        reason: one sentence.
    """

    permission: str
    feature: str
    purpose: str
    region: str
    state: State
    reason: str


def check_permissions(
    sessions: Sessions, account: Account, access: Access, queue: str = EVENT_QUEUE
) -> list[PermissionCheck]:
    """Try each permission in each region of an account; changes nothing.

    Args:
        sessions: clients by account and region.
        account: whose role is tried.
        access: which permissions it should have.
        queue: name of the queue of events.
    Returns:
        By permission in the order of the table, then by region in the account's order. A region
        that does not answer has unknown permissions, with the reason.
    """
    granted = permissions_of(access)
    regional = [each for each in granted if each.action not in _GLOBAL]
    once = [each for each in granted if each.action in _GLOBAL]
    answers = in_each_region(
        {
            ALL_REGIONS: partial(_try_once, sessions, account, once),
            **{
                region: partial(_try_region, sessions, account, region, regional, access, queue)
                for region in account.regions
            },
        },
        f"Validating the permissions of account {account.name!r}",
        LIMIT_S,
    )
    checks: dict[tuple[str, str], PermissionCheck] = {}
    for region, answer in answers.items():
        for index, permission in enumerate(once if region == ALL_REGIONS else regional):
            check = (
                _unknown(permission, region, answer.message)
                if isinstance(answer, Exception)
                else answer[index]
            )
            checks[permission.action, region] = check
    return [
        checks[permission.action, region]
        for permission in granted
        for region in (ALL_REGIONS, *account.regions)
        if (permission.action, region) in checks
    ]


def _try_once(
    sessions: Sessions, account: Account, permissions: Sequence[Permission]
) -> list[PermissionCheck]:
    region = sts_region(account.regions)
    checks = []
    for each in permissions:
        home = price_list_region(region) if each.action == "pricing:GetProducts" else region
        checks.append(
            _try(sessions, account, each, Samples(home), ALL_REGIONS)
            if home is not None
            else _unknown(each, ALL_REGIONS, "The Price List API has no endpoint in AWS GovCloud.")
        )
    return checks


def _try_region(
    sessions: Sessions,
    account: Account,
    region: str,
    permissions: Sequence[Permission],
    access: Access,
    queue: str,
) -> list[PermissionCheck]:
    switching = access is Access.SWITCHING
    try:
        samples = find_samples(sessions, account, region, queue, switching=switching)
    except AwsError as exc:
        error = explained(sessions, account, region, exc)
        if not isinstance(exc, AccessDenied) or exc.code in UNCLEAR or _not_enabled(error):
            return [_unknown(each, region, error.message) for each in permissions]
        samples = Samples(region, queue)
    checks = {each.action: _try(sessions, account, each, samples, region) for each in permissions}
    for each in permissions:
        if each.implied and checks[each.action].state is State.DENIED:
            call = next(other for other in permissions if other.calls == each.calls)
            if checks[call.action].state is not State.ALLOWED:
                reason = f"It can only be tried together with {call.action}, which is denied."
                checks[each.action] = _unknown(each, region, reason)
    return list(checks.values())


def _not_enabled(error: AwsError) -> bool:
    return isinstance(error, RegionNotEnabled)


def _try(
    sessions: Sessions, account: Account, permission: Permission, samples: Samples, region: str
) -> PermissionCheck:
    """Try one permission with the call that needs it."""
    try:
        arguments = dict(parameters(permission.action, samples))
    except Unavailable as exc:
        return _unknown(permission, region, str(exc))
    service, operation = permission.calls[0].split(".")
    if service == "ec2":
        arguments["DryRun"] = True
    elif not _only_reads(permission.action):
        return _unknown(permission, region, "It is not tried, because it would change something.")
    client: Any = sessions.client(service, account, samples.region)  # type: ignore[call-overload]
    doing = f"{'A dry run of ' if service == 'ec2' else ''}{permission.action}"
    try:
        with translated(doing, account.external_id, account.pending_external_id):
            getattr(client, operation)(**arguments)
    except AwsError as exc:
        return _judged(permission, region, samples, exc)
    if service == "ec2" and not _only_reads(permission.action):
        return _unknown(permission, region, "AWS did not treat the call as a dry run.")
    return _allowed(permission, region, "AWS answered.")


def _only_reads(action: str) -> bool:
    return action.partition(":")[2].startswith(("Describe", "Get", "List", "Lookup"))


def _judged(
    permission: Permission, region: str, samples: Samples, error: AwsError
) -> PermissionCheck:
    """What an error of the call says about the permission."""
    limited_by_tag = ALLOWED_INSTANCES in permission.statements and not samples.tagged
    if error.code == _WOULD_DO_IT:
        wide = "; also without the tag, so the role may do more than SpotLab's policy allows"
        return _allowed(permission, region, f"AWS would do it{wide if limited_by_tag else ''}.")
    if error.code in _ABSENT:
        return _allowed(permission, region, f"AWS answered with {error.code}.")
    if not isinstance(error, AccessDenied) or isinstance(error, RegionNotEnabled):
        absent = isinstance(error, NoSuchThing) and _only_reads(permission.action)
        if absent:
            return _allowed(permission, region, f"AWS answered with {error.code}.")
        return _unknown(permission, region, error.message)
    if limited_by_tag:
        return _unknown(
            permission,
            region,
            f"{samples.instance_id} lacks the tag {ALLOW_TAG}=true, without which it is denied. "
            "Tag an instance and validate again.",
        )
    return _check(permission, region, State.DENIED, error.message)


def _allowed(permission: Permission, region: str, reason: str) -> PermissionCheck:
    return _check(permission, region, State.ALLOWED, reason)


def _unknown(permission: Permission, region: str, reason: str) -> PermissionCheck:
    return _check(permission, region, State.UNKNOWN, reason)


def _check(permission: Permission, region: str, state: State, reason: str) -> PermissionCheck:
    return PermissionCheck(
        permission.action, permission.feature, permission.purpose, region, state, reason
    )
