"""Operations on AWS accounts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spotlab.api import etags
from spotlab.api.etags import IfMatch
from spotlab.api.operation import AWS_REFUSED, Operation, cacheable
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import ServicesDep
from spotlab.api.views.accounts import (
    AccessName,
    AccountChangeRequest,
    AccountRequest,
    AccountView,
    CheckView,
    PermissionView,
    ValidationView,
)
from spotlab.domain.ports import Account, Topic
from spotlab.services import Services
from spotlab.services.onboarding import access_of
from spotlab.telemetry.invisible_characters import LABEL

router = APIRouter(route_class=Operation, tags=["accounts"])

Name = Annotated[
    str,
    Path(
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$",
        description="Name of the account.",
        examples=["acme"],
    ),
]


def view(account: Account) -> AccountView:
    """The response for an account; it shows whether there is an external id, not its value."""
    return AccountView(
        name=account.name,
        aws_account_id=account.aws_account_id,
        role_arn=account.role_arn,
        external_id_set=bool(account.external_id),
        rotation_pending=bool(account.pending_external_id),
        regions=list(account.regions),
        emulated=account.emulated,
        active=account.active,
    )


def tag_of(account: Account) -> str:
    """The ETag of an account, the same for every operation that returns it."""
    return etags.tag_of_view(view(account), account.external_id + account.pending_external_id)


def _tagged(response: Response, account: Account) -> AccountView:
    response.headers["ETag"] = tag_of(account)
    return view(account)


@router.get(
    "/accounts",
    summary="List accounts",
    openapi_extra=cacheable(Topic.FLEET),
)
def list_accounts(
    services: ServicesDep,
    page: PageDep,
    active: Annotated[
        bool | None, Query(description="true: only managed accounts; false: only others.")
    ] = None,
) -> Page[AccountView]:
    """Accounts that you may see, sorted by name."""
    accounts = [a for a in services.accounts.list() if active is None or a.active is active]
    return page.from_list(accounts, lambda account: [account.name], view, Page[AccountView])


@router.post(
    "/accounts",
    summary="Add an account",
    status_code=201,
)
def create_account(services: ServicesDep, response: Response, body: AccountRequest) -> AccountView:
    """Its instances appear after the next fleet sync. Validate the account to check access."""
    account = Account(
        name=body.name,
        aws_account_id=body.aws_account_id,
        role_arn=body.role_arn,
        external_id=body.external_id,
        regions=tuple(dict.fromkeys(body.regions)),
        active=body.active,
    )
    created = services.accounts.add(account, body.reason)
    response.headers["Location"] = f"/api/v1/accounts/{created.name}"
    return view(created)


@router.get(
    "/accounts/{name}",
    summary="Get an account",
    openapi_extra=cacheable(Topic.FLEET),
)
def get_account(services: ServicesDep, response: Response, name: Name) -> AccountView:
    """Use the ETag of the response as If-Match to change the account."""
    return _tagged(response, services.accounts.get(name))


@router.patch(
    "/accounts/{name}",
    summary="Change an account, or stop managing it",
)
def change_account(
    services: ServicesDep,
    response: Response,
    name: Name,
    body: AccountChangeRequest,
    if_match: IfMatch = None,
) -> AccountView:
    """Omitted fields keep their value. Only `active` of an account from the settings can change."""
    changed = etags.apply_change(
        if_match,
        lambda: services.accounts.get(name),
        tag_of,
        f"account {name}",
        lambda current: _change(services, current, body),
    )
    return _tagged(response, changed)


@router.delete("/accounts/{name}", summary="Remove an account")
def remove_account(
    services: ServicesDep,
    name: Name,
    reason: Annotated[
        str, Query(max_length=500, pattern=LABEL, description="Reason for the change.")
    ] = "",
) -> AccountView:
    """The account and its external ids are forgotten; its decisions and switches stay recorded. An
    account with an unfinished switch, or from the settings, cannot be removed. Returns the account
    as it was."""
    return view(services.onboarding.remove(name, reason))


def _change(services: Services, current: Account, body: AccountChangeRequest) -> Account:
    active = current.active if body.active is None else body.active
    account_fields = (body.aws_account_id, body.role_arn, body.external_id, body.regions)
    if all(each is None for each in account_fields):
        return services.accounts.set_active(current.name, active, body.reason, current)
    return services.accounts.save(
        current.name,
        current.aws_account_id if body.aws_account_id is None else body.aws_account_id,
        current.regions if body.regions is None else body.regions,
        role_arn=current.role_arn if body.role_arn is None else body.role_arn,
        external_id=body.external_id,
        active=active,
        reason=body.reason,
        expected=current,
    )


@router.post(
    "/accounts/{name}/validation",
    summary="Validate access to an account",
    responses=AWS_REFUSED,
)
def validate_account(
    services: ServicesDep,
    name: Name,
    access: Annotated[
        AccessName | None,
        Query(description="Permissions to try one by one; omitted: none."),
    ] = None,
) -> ValidationView:
    """Assumes its role, lists instances in each region and tries each permission by a dry run;
    changes nothing. Failed checks are part of the response, not errors."""
    validation = services.accounts.validate(name, access_of(access) if access else None)
    return ValidationView(
        account=validation.account,
        ok=validation.ok,
        checks=[CheckView.model_validate(check) for check in validation.checks],
        permissions=[
            PermissionView(
                permission=each.permission,
                feature=each.feature,
                purpose=each.purpose,
                region=each.region,
                state=each.state.value,
                reason=each.reason,
            )
            for each in validation.permissions
        ],
        checked_at=validation.checked_at,
    )
