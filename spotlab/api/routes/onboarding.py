"""Operations for the onboarding of AWS accounts: the role, listings by region, external ids."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from spotlab.api.operation import AWS_REFUSED, SECRET, Operation, cacheable
from spotlab.api.request_state import ServicesDep
from spotlab.api.routes.accounts import Name, tag_of, view
from spotlab.api.views.accounts import (
    AccessName,
    AccountView,
    ExternalIdView,
    ListingView,
    RegionListingView,
    RoleView,
    RotationRequest,
)
from spotlab.domain.ports import Account, Topic
from spotlab.services.onboarding import access_of

router = APIRouter(route_class=Operation, tags=["accounts"])

Access = Annotated[AccessName, Query(description="What SpotLab may do in the account.")]


@router.get(
    "/accounts/{name}/listing",
    summary="Get the last listing of an account",
    openapi_extra=cacheable(Topic.FLEET),
)
def get_account_listing(services: ServicesDep, name: Name) -> ListingView:
    """When each region was last listed, and why a region could not be listed. The instances of
    such a region stay as they were last listed."""
    listing = services.accounts.listing(name)
    return ListingView(
        listed_at=listing.at,
        error=listing.error,
        regions=[
            RegionListingView(
                region=each.region, listed_at=each.at, error=each.error, code=each.code
            )
            for each in listing.regions
        ],
    )


@router.get(
    "/accounts/{name}/role",
    summary="Get the role that an account must create",
    responses=AWS_REFUSED,
)
def get_account_role(
    services: ServicesDep,
    name: Name,
    access: Access = "read-only",
    principal: Annotated[
        str,
        Query(
            max_length=600,
            pattern=r"^(arn:aws[a-z-]*:iam::[0-9]{12}:[A-Za-z0-9+=,.@_/-]+)?$",
            description="Identity that the server runs as; empty: AWS is asked.",
        ),
    ] = "",
) -> RoleView:
    """The least-privilege policy, the trust policy, and templates with the same content. The
    external id is a parameter of the templates; EXTERNAL_ID stands for it in the trust policy."""
    template = services.onboarding.template(name, access_of(access), principal)
    return RoleView(
        role_arn=template.role_arn,
        access=access,
        policy=template.policy(),
        trust_policy=template.trust_policy(),
        own_policy=template.caller_policy(),
        explanation=template.explanation(),
        cloudformation=template.cloudformation(),
        terraform=template.terraform(),
    )


@router.post(
    "/accounts/{name}/rotation",
    summary="Rotate the external id of an account",
    status_code=201,
    openapi_extra=SECRET,
)
def rotate_external_id(services: ServicesDep, name: Name, body: RotationRequest) -> ExternalIdView:
    """The new external id is returned only once. The current one stays in use until the new one is
    confirmed; if AWS refuses the current one before, the new one is used."""
    rotated = services.onboarding.rotate(name, body.reason)
    return ExternalIdView(external_id=rotated.external_id, account=view(rotated.account))


@router.post(
    "/accounts/{name}/rotation/confirmation",
    summary="Confirm the new external id of an account",
    responses=AWS_REFUSED,
)
def confirm_external_id(
    services: ServicesDep, response: Response, name: Name, body: RotationRequest
) -> AccountView:
    """Assumes the role with the new external id. If AWS accepts it, the old one is forgotten; if
    not, nothing changes."""
    return _tagged(response, services.onboarding.confirm_rotation(name, body.reason))


@router.delete(
    "/accounts/{name}/rotation",
    summary="Cancel the rotation of an external id",
)
def cancel_rotation(services: ServicesDep, response: Response, name: Name) -> AccountView:
    """The new external id is forgotten; the current one stays in use."""
    return _tagged(response, services.onboarding.cancel_rotation(name))


def _tagged(response: Response, account: Account) -> AccountView:
    response.headers["ETag"] = tag_of(account)
    return view(account)
