"""Operations on users and API tokens, for administrators."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spotlab.api.operation import NOT_FOUND, SECRET, Operation
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import ServicesDep
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

Name = Annotated[str, Path(pattern=USER, description="User name.", examples=["ana"])]
TokenId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{12}$",
        description="Id: the public part of the token.",
        examples=["0f1e2d3c4b5a"],
    ),
]


@router.get(
    "/users",
    summary="List users",
    tags=["users"],
)
def list_users(services: ServicesDep, page: PageDep) -> Page[UserView]:
    """All users, sorted by name."""
    users = sorted(services.users.list(), key=lambda each: each.name)
    return page.from_list(users, lambda each: [each.name], UserView.model_validate, Page[UserView])


@router.post(
    "/users",
    summary="Add a user",
    tags=["users"],
    status_code=201,
    openapi_extra=SECRET,
)
def create_user(services: ServicesDep, response: Response, body: UserRequest) -> UserAddedView:
    """The user chooses a password with the returned link, which works once."""
    user, path = services.users.add(
        body.name,
        body.role,
        accounts=body.accounts,
        email=body.email,
        reason=body.reason,
    )
    response.headers["Location"] = f"/api/v1/users/{user.name}"
    return UserAddedView(user=UserView.model_validate(user), password_link=path)


@router.get(
    "/users/{name}",
    summary="Get a user",
    tags=["users"],
)
def get_user(services: ServicesDep, name: Name) -> UserView:
    """Role, accounts and state of the user."""
    return UserView.model_validate(services.users.get(name))


@router.patch(
    "/users/{name}",
    summary="Change a user's role or accounts, or enable or disable a user",
    tags=["users"],
)
def change_user(services: ServicesDep, name: Name, body: UserChangeRequest) -> UserView:
    """Omitted fields keep their value. A user who may no longer sign in is signed out."""
    sent_fields = body.model_fields_set
    changed = services.users.set(
        name,
        role=body.role,
        accounts=body.accounts if "accounts" in sent_fields else ...,
        active=body.active,
        reason=body.reason,
    )
    return UserView.model_validate(changed)


@router.get(
    "/tokens",
    summary="List API tokens",
    tags=["tokens"],
)
def list_tokens(
    services: ServicesDep,
    page: PageDep,
    user: Annotated[
        str | None, Query(pattern=USER, description="Only tokens of this user.")
    ] = None,
) -> Page[TokenView]:
    """All tokens, including expired and revoked ones, sorted by id."""
    tokens = sorted(services.api_tokens.list(user), key=lambda each: each.token_id)
    return page.from_list(
        tokens, lambda each: [each.token_id], TokenView.model_validate, Page[TokenView]
    )


@router.post(
    "/tokens",
    summary="Create an API token for a user",
    tags=["tokens"],
    status_code=201,
    responses=NOT_FOUND,
    openapi_extra=SECRET,
)
def create_token(services: ServicesDep, body: TokenRequest) -> TokenCreatedView:
    """The token is returned only once."""
    created, token = services.api_tokens.create(
        body.user, body.name, body.scopes, timedelta(days=body.valid_days)
    )
    return TokenCreatedView(token=token, about=TokenView.model_validate(created))


@router.delete(
    "/tokens/{token_id}",
    summary="Revoke an API token",
    tags=["tokens"],
)
def revoke_token(services: ServicesDep, token_id: TokenId) -> TokenView:
    """Takes effect within seconds on every replica."""
    return TokenView.model_validate(services.api_tokens.revoke(token_id))
