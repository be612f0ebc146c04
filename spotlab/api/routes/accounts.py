"""AWS accounts. Screens floor."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from spotlab.api.operation import Operation, about
from spotlab.api.paging import Cursor, Limit, Page, cut, link
from spotlab.api.service import AskedDesk
from spotlab.api.views.rest import AccountAsked, AccountView, CheckView, ValidationView
from spotlab.domain.ports import Account, Topic

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


@router.get(
    "/accounts",
    operation_id="list_accounts",
    summary="The accounts that you see",
    response_model=Page[AccountView],
    openapi_extra=about(Topic.FLEET),
)
def list_accounts(
    request: Request,
    response: Response,
    desk: AskedDesk,
    limit: Limit = 50,
    cursor: Cursor = None,
    active: Annotated[
        bool | None, Query(description="Only those that are looked after, or not.")
    ] = None,
) -> Page[AccountView]:
    """By name."""
    found = [a for a in desk.accounts.list() if active is None or a.active is active]
    page, following = cut(found, lambda account: [account.name], limit, cursor)
    link(request, response, following)
    return Page[AccountView](items=[view(a) for a in page], total=len(found), next=following)


@router.post(
    "/accounts",
    operation_id="create_account",
    summary="Look after one more account",
    response_model=AccountView,
    status_code=201,
)
def create_account(desk: AskedDesk, response: Response, asked: AccountAsked) -> AccountView:
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
    openapi_extra=about(Topic.FLEET),
)
def get_account(desk: AskedDesk, name: Name) -> AccountView:
    """One account that you see."""
    return view(desk.accounts.get(name))


@router.post(
    "/accounts/{name}/validation",
    operation_id="validate_account",
    summary="Try whether an account can be looked after",
    response_model=ValidationView,
)
def validate_account(desk: AskedDesk, name: Name) -> ValidationView:
    """Assumes its role and lists instances in each region; changes nothing. What went wrong is in
    the answer, not an error."""
    done = desk.accounts.validate(name)
    return ValidationView(
        account=done.account,
        ok=done.ok,
        checks=[CheckView.model_validate(check) for check in done.checks],
        checked_at=done.checked_at,
    )
