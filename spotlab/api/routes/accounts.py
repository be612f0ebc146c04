"""AWS accounts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spotlab.api import etags
from spotlab.api.etags import IfMatch
from spotlab.api.operation import AWS_REFUSED, Operation, cacheable
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import DeskDep
from spotlab.api.views.accounts import (
    AccountChangeRequest,
    AccountRequest,
    AccountView,
    CheckView,
    ValidationView,
)
from spotlab.domain.ports import Account, Topic
from spotlab.services import Desk

router = APIRouter(route_class=Operation, tags=["accounts"])

Name = Annotated[
    str,
    Path(
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$",
        description="The account's name.",
        examples=["acme"],
    ),
]


def view(account: Account) -> AccountView:
    """An account as it is answered: whether there is an external id, not which."""
    return AccountView(
        name=account.name,
        aws_account_id=account.aws_account_id,
        role_arn=account.role_arn,
        external_id_set=bool(account.external_id),
        regions=list(account.regions),
        emulated=account.emulated,
        active=account.active,
    )


def tag_of(account: Account) -> str:
    """Its entity tag, the same under every operation that answers it."""
    return etags.tag_of_view(view(account), account.external_id)


@router.get(
    "/accounts",
    operation_id="list_accounts",
    summary="The accounts that you see",
    response_model=Page[AccountView],
    openapi_extra=cacheable(Topic.FLEET),
)
def list_accounts(
    desk: DeskDep,
    page: PageDep,
    active: Annotated[
        bool | None, Query(description="Only those that are managed, or not.")
    ] = None,
) -> Page[AccountView]:
    """By name."""
    found = [a for a in desk.accounts.list() if active is None or a.active is active]
    return page.from_list(found, lambda account: [account.name], view, Page[AccountView])


@router.post(
    "/accounts",
    operation_id="create_account",
    summary="Look after one more account",
    response_model=AccountView,
    status_code=201,
)
def create_account(desk: DeskDep, response: Response, asked: AccountRequest) -> AccountView:
    """Its instances are listed from the next listing on; validate it to know that they can be."""
    account = Account(
        name=asked.name,
        aws_account_id=asked.aws_account_id,
        role_arn=asked.role_arn,
        external_id=asked.external_id,
        regions=tuple(dict.fromkeys(asked.regions)),
    )
    made = desk.accounts.add(account, asked.reason)
    response.headers["Location"] = f"/api/v1/accounts/{made.name}"
    return view(made)


@router.get(
    "/accounts/{name}",
    operation_id="get_account",
    summary="One account",
    response_model=AccountView,
    openapi_extra=cacheable(Topic.FLEET),
)
def get_account(desk: DeskDep, response: Response, name: Name) -> AccountView:
    """One account that you see; its ETag is what a change is made from."""
    account = desk.accounts.get(name)
    response.headers["ETag"] = tag_of(account)
    return view(account)


@router.patch(
    "/accounts/{name}",
    operation_id="change_account",
    summary="Change an account, or look after it no more",
    response_model=AccountView,
)
def change_account(
    desk: DeskDep,
    response: Response,
    name: Name,
    asked: AccountChangeRequest,
    if_match: IfMatch = None,
) -> AccountView:
    """What is not given stays as it is. Of one that comes from the settings, only `active`."""
    changed = etags.apply_change(
        if_match,
        lambda: desk.accounts.get(name),
        tag_of,
        f"account {name}",
        lambda now: _change(desk, now, asked),
    )
    response.headers["ETag"] = tag_of(changed)
    return view(changed)


def _change(desk: Desk, now: Account, asked: AccountChangeRequest) -> Account:
    active = now.active if asked.active is None else asked.active
    given = (asked.aws_account_id, asked.role_arn, asked.external_id, asked.regions)
    if all(each is None for each in given):
        return desk.accounts.set_active(now.name, active, asked.reason, now)
    return desk.accounts.save(
        now.name,
        now.aws_account_id if asked.aws_account_id is None else asked.aws_account_id,
        now.regions if asked.regions is None else asked.regions,
        role_arn=now.role_arn if asked.role_arn is None else asked.role_arn,
        external_id=asked.external_id,
        active=active,
        reason=asked.reason,
        expected=now,
    )


@router.post(
    "/accounts/{name}/validation",
    operation_id="validate_account",
    summary="Try whether an account can be managed",
    response_model=ValidationView,
    responses=AWS_REFUSED,
)
def validate_account(desk: DeskDep, name: Name) -> ValidationView:
    """Assumes its role and lists instances in each region; changes nothing. What went wrong is in
    the answer, not an error."""
    done = desk.accounts.validate(name)
    return ValidationView(
        account=done.account,
        ok=done.ok,
        checks=[CheckView.model_validate(check) for check in done.checks],
        checked_at=done.checked_at,
    )
