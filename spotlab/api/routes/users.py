"""Users and API tokens, for administrators."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spotlab.api.operation import NOT_FOUND, SECRET, Operation
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import DeskDep
from spotlab.api.views.users import (
    USER,
    TokenCreatedView,
    TokenRequest,
    TokenView,
    UserAddedView,
    UserChangeRequest,
    UserRequest,
    UserView,
)

router = APIRouter(route_class=Operation)

Name = Annotated[str, Path(pattern=USER, description="What they sign in with.", examples=["ana"])]
TokenId = Annotated[
    str,
    Path(pattern="^[0-9a-f]{12}$", description="A token's public part.", examples=["0f1e2d3c4b5a"]),
]


@router.get(
    "/users",
    operation_id="list_users",
    summary="Who may sign in",
    tags=["users"],
    response_model=Page[UserView],
)
def list_users(
    desk: DeskDep,
    page: PageDep,
) -> Page[UserView]:
    """By name."""
    found = sorted(desk.users.list(), key=lambda each: each.name)
    return page.from_list(found, lambda each: [each.name], UserView.model_validate, Page[UserView])


@router.post(
    "/users",
    operation_id="create_user",
    summary="Let somebody sign in",
    tags=["users"],
    response_model=UserAddedView,
    status_code=201,
    openapi_extra=SECRET,
)
def create_user(desk: DeskDep, response: Response, asked: UserRequest) -> UserAddedView:
    """They choose their password by the link that is answered, once."""
    user, path = desk.users.add(
        asked.name,
        asked.role,
        accounts=asked.accounts,
        email=asked.email,
        reason=asked.reason,
    )
    response.headers["Location"] = f"/api/v1/users/{user.name}"
    return UserAddedView(user=UserView.model_validate(user), password_link=path)


@router.get(
    "/users/{name}",
    operation_id="get_user",
    summary="One user",
    tags=["users"],
    response_model=UserView,
)
def get_user(desk: DeskDep, name: Name) -> UserView:
    """Somebody who may sign in."""
    return UserView.model_validate(desk.users.get(name))


@router.patch(
    "/users/{name}",
    operation_id="change_user",
    summary="Change a user's role, accounts, or whether they may sign in",
    tags=["users"],
    response_model=UserView,
)
def change_user(desk: DeskDep, name: Name, asked: UserChangeRequest) -> UserView:
    """What is not given stays as it is. Who may not sign in any more is signed out."""
    given = asked.model_fields_set
    changed = desk.users.set(
        name,
        role=asked.role,
        accounts=asked.accounts if "accounts" in given else ...,
        active=asked.active,
        reason=asked.reason,
    )
    return UserView.model_validate(changed)


@router.get(
    "/tokens",
    operation_id="list_tokens",
    summary="Everybody's API tokens",
    tags=["tokens"],
    response_model=Page[TokenView],
)
def list_tokens(
    desk: DeskDep,
    page: PageDep,
    user: Annotated[str | None, Query(pattern=USER, description="Of this user.")] = None,
) -> Page[TokenView]:
    """Those that ended too, by their public part."""
    found = sorted(desk.tokens.list(user), key=lambda each: each.token_id)
    return page.from_list(
        found, lambda each: [each.token_id], TokenView.model_validate, Page[TokenView]
    )


@router.post(
    "/tokens",
    operation_id="create_token",
    summary="Make an API token for a user",
    tags=["tokens"],
    response_model=TokenCreatedView,
    status_code=201,
    responses=NOT_FOUND,
    openapi_extra=SECRET,
)
def create_token(desk: DeskDep, asked: TokenRequest) -> TokenCreatedView:
    """The token is told this once."""
    made, token = desk.tokens.create(
        asked.user, asked.name, asked.scopes, timedelta(days=asked.valid_days)
    )
    return TokenCreatedView(token=token, about=TokenView.model_validate(made))


@router.delete(
    "/tokens/{token_id}",
    operation_id="revoke_token",
    summary="End an API token",
    tags=["tokens"],
    response_model=TokenView,
)
def revoke_token(desk: DeskDep, token_id: TokenId) -> TokenView:
    """It counts within some seconds on every replica."""
    return TokenView.model_validate(desk.tokens.revoke(token_id))
