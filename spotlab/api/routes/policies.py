"""Operations on policies: their versions, states, differences, previews and shadow decisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spotlab.api import etags
from spotlab.api.etags import IfMatch
from spotlab.api.operation import NOT_FOUND, Operation, cacheable
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import ServiceDep, ServicesDep
from spotlab.api.views.experiments import EstimateView
from spotlab.api.views.policies import (
    POLICY_REFERENCE,
    ParameterChangeView,
    PolicyDiffView,
    PolicyDraftRequest,
    PolicyPreviewView,
    PolicyShadowView,
    PolicyStateRequest,
    PolicyView,
    policy_view,
)
from spotlab.domain.policy import PolicyState, PolicyVersion
from spotlab.domain.ports import Topic

router = APIRouter(route_class=Operation, tags=["policies"])

PREVIEW_CACHE_S = 60.0
MAX_PREVIEW_DAYS = 31.0
Reference = Annotated[
    str,
    Path(
        pattern=POLICY_REFERENCE,
        description="name@version; a name alone means its newest version.",
        examples=["default@1"],
    ),
]


def _tag_of(version: PolicyVersion) -> str:
    return etags.tag_of_view(policy_view(version))


def _tagged(response: Response, version: PolicyVersion) -> PolicyView:
    response.headers["ETag"] = _tag_of(version)
    return policy_view(version)


@router.get(
    "/policies",
    summary="List policy versions",
    openapi_extra=cacheable(Topic.POLICIES),
)
def list_policies(
    services: ServicesDep,
    page: PageDep,
    name: Annotated[
        str | None,
        Query(min_length=1, max_length=64, description="Only versions with this name."),
    ] = None,
    state: Annotated[PolicyState | None, Query(description="Only versions in this state.")] = None,
) -> Page[PolicyView]:
    """All versions of all policies, sorted by name and version. One of them is active."""
    versions = sorted(
        (
            each
            for each in services.policies.versions()
            if name in (None, each.policy.name) and state in (None, each.state)
        ),
        key=lambda each: (each.policy.name, each.policy.version),
    )
    return page.from_list(
        versions,
        lambda each: [each.policy.name, each.policy.version],
        policy_view,
        Page[PolicyView],
    )


@router.post(
    "/policies",
    summary="Save a draft of a policy",
    status_code=201,
    responses=NOT_FOUND,
)
def save_policy(services: ServicesDep, response: Response, body: PolicyDraftRequest) -> PolicyView:
    """A new policy, or the next version of one: saved versions never change. Policies apply to
    every account, so you must see all accounts."""
    saved = services.policies.save(
        body.name,
        body.parameters.model_dump(exclude_none=True),
        base=body.base,
        description=body.description,
        reason=body.reason,
        expected_version=body.expected_version,
    )
    response.headers["Location"] = f"/api/v1/policies/{saved.reference}"
    return policy_view(saved)


@router.get(
    "/policies/{policy}",
    summary="Get a policy version",
    openapi_extra=cacheable(Topic.POLICIES),
)
def get_policy(services: ServicesDep, response: Response, policy: Reference) -> PolicyView:
    """Parameters, state and history. Use the ETag of the response as If-Match to change the
    state."""
    return _tagged(response, services.policies.get(policy))


@router.put(
    "/policies/{policy}/state",
    summary="Change the state of a policy version",
)
def set_policy_state(
    services: ServicesDep,
    response: Response,
    policy: Reference,
    body: PolicyStateRequest,
    if_match: IfMatch = None,
) -> PolicyView:
    """Activating needs the right to activate policies and a reason; the active version then
    retires. Look at `…/preview` first."""
    changed = etags.apply_change(
        if_match,
        lambda: services.policies.get(policy),
        _tag_of,
        f"policy {policy}",
        lambda current: services.policies.set_state(
            current.reference, body.state, body.reason, expected=current.state
        ),
    )
    return _tagged(response, changed)


@router.get(
    "/policies/{policy}/diff",
    summary="Compare the parameters of two policies",
    openapi_extra=cacheable(Topic.POLICIES),
)
def get_policy_diff(
    services: ServicesDep,
    policy: Reference,
    against: Annotated[
        str | None,
        Query(pattern=POLICY_REFERENCE, description="The other policy; by default the active one."),
    ] = None,
) -> PolicyDiffView:
    """The parameters that differ; empty if none do."""
    this, other = services.policies.get(policy), services.policies.get(against)
    changes = services.policies.diff(this.reference, other.reference)
    return PolicyDiffView(
        policy=this.reference,
        against=other.reference,
        differences=[ParameterChangeView.model_validate(each) for each in changes],
    )


@router.get(
    "/policies/{policy}/shadow",
    summary="Get the decisions of a policy in shadow",
)
def get_policy_shadow(services: ServicesDep, policy: Reference) -> PolicyShadowView:
    """Compared with the decisions that were made in the last 30 days about instances that you may
    see. The intervals are 95 %, over days."""
    reference = services.policies.get(policy).reference
    for each in services.policies.in_shadow():
        if each.policy == reference and each.decided:
            return PolicyShadowView(
                policy=reference,
                decided=each.decided,
                failures=each.failures,
                agreement=EstimateView.model_validate(each.agreement),
                moves=each.moves,
                moves_as_made=each.champion_moves,
                cost_difference_usd_per_hour=EstimateView.model_validate(
                    each.cost_difference_usd_per_hour
                ),
                cost_difference_usd_per_day=EstimateView.model_validate(
                    each.cost_difference_usd_per_day
                ),
            )
    return PolicyShadowView(
        policy=reference,
        decided=0,
        failures=0,
        agreement=None,
        moves=0,
        moves_as_made=0,
        cost_difference_usd_per_hour=None,
        cost_difference_usd_per_day=None,
    )


@router.get(
    "/policies/{policy}/preview",
    summary="Preview what a policy would have decided",
)
def get_policy_preview(
    services: ServicesDep,
    service: ServiceDep,
    policy: Reference,
    days: Annotated[
        float,
        Query(gt=0, le=MAX_PREVIEW_DAYS, description="How far back, days.", examples=[1.0]),
    ] = 7.0,
) -> PolicyPreviewView:
    """Makes the recorded decisions about instances that you may see again, with this policy's
    parameters; at most a minute old. It may take minutes for a large fleet."""
    reference, principal = services.policies.get(policy).reference, services.principal
    key = ("policy preview", reference, days, principal.accounts, principal.rights)
    preview = service.shared(
        key, PREVIEW_CACHE_S, lambda: services.policies.preview(reference, days)
    )
    return PolicyPreviewView.model_validate(preview)
