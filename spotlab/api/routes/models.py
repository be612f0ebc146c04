"""Operations on model versions, and their performance."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.convertors import StringConvertor, register_url_convertor

from spotlab.api.operation import TEXT, ZIP, Operation, cacheable
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import ServiceDep, ServicesDep
from spotlab.api.routes.experiments import experiment_page
from spotlab.api.views.base import MODEL_REFERENCE, ChangeRequest
from spotlab.api.views.experiments import (
    ExperimentOutcomesView,
    OutcomeView,
    PerformanceView,
    ScoreView,
)
from spotlab.api.views.models import (
    FigureView,
    ModelCardView,
    ModelEventView,
    ModelView,
    OnlineWeightsView,
    UploadView,
)
from spotlab.domain.model_lifecycle import ModelState
from spotlab.domain.ports import ExperimentFilter, Topic
from spotlab.runtime.model_card import CardAnswers
from spotlab.services import Services
from spotlab.services.models import ModelEntry, Step
from spotlab.telemetry.invisible_characters import LABEL


class StepConvertor(StringConvertor):
    """Matches only valid steps in a path, so that other operations keep their paths."""

    regex = "|".join(Step)


register_url_convertor("step", StepConvertor())

router = APIRouter(route_class=Operation, tags=["models"])

PERFORMANCE_CACHE_S = 60.0
HOURS_OF_A_YEAR = 8_766.0
Reference = Annotated[
    str,
    Path(
        pattern=MODEL_REFERENCE,
        max_length=120,
        description="name@version; a name alone means the newest version.",
        examples=["advisor-lgbm@1.2.0"],
    ),
]
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Zip file with the files of an artefact: model, card.json, SHA256SUMS; or a "
        "bare LightGBM text model, whose card is written from it and from the parameters.",
        "content": {
            ZIP: {"schema": {"type": "string", "format": "binary"}},
            TEXT: {"schema": {"type": "string"}},
        },
    }
}


def _visible_instances(services: Services, *, active_only: bool = True) -> set[str]:
    return {instance.instance_id for instance in services.instances.list(active_only=active_only)}


def fields(entry: ModelEntry, visible: set[str]) -> dict[str, Any]:
    """The response fields for a version, with those assigned instances that are visible."""
    record = entry.record
    return {
        "reference": record.reference,
        "name": record.name,
        "version": record.version,
        "task": record.task,
        "state": record.state,
        "enabled": record.enabled,
        "digest": record.digest,
        "registered_at": record.registered_at,
        "refused": entry.refused,
        "instances": [each for each in entry.instances if each in visible],
        "actions": [str(action) for action in entry.moves],
    }


@router.get(
    "/models",
    summary="List model versions",
    openapi_extra=cacheable(Topic.MODELS, Topic.FLEET),
)
def list_models(
    services: ServicesDep,
    page: PageDep,
    task: Annotated[
        str | None, Query(min_length=1, max_length=40, description="Only models for this task.")
    ] = None,
    name: Annotated[
        str | None, Query(min_length=1, max_length=60, description="Only models with this name.")
    ] = None,
    state: Annotated[ModelState | None, Query(description="Only versions in this state.")] = None,
    enabled: Annotated[
        bool | None,
        Query(description="true: only enabled versions; false: only disabled versions."),
    ] = None,
) -> Page[ModelView]:
    """All versions of all models, sorted by name@version."""
    filters = {"name": name, "state": state, "enabled": enabled}
    entries = sorted(
        (
            entry
            for entry in services.models.entries(task)
            if all(v is None or getattr(entry.record, k) == v for k, v in filters.items())
        ),
        key=lambda entry: entry.record.reference,
    )
    visible = _visible_instances(services)
    return page.from_list(
        entries,
        lambda entry: [entry.record.reference],
        lambda entry: ModelView(**fields(entry, visible)),
        Page[ModelView],
    )


@router.post(
    "/models",
    summary="Upload a model as a candidate",
    status_code=201,
    openapi_extra=UPLOAD,
)
async def upload_model(
    request: Request,
    response: Response,
    services: ServicesDep,
    reason: Annotated[
        str, Query(max_length=500, pattern=LABEL, description="Reason for the change.")
    ] = "",
    label: Annotated[
        str,
        Query(
            max_length=40,
            pattern=LABEL,
            description="What a bare model predicts: high-bucket, rate or capacity-loss.",
        ),
    ] = "",
    name: Annotated[
        str, Query(max_length=64, pattern=LABEL, description="Name of a bare model.")
    ] = "",
    version: Annotated[
        str, Query(max_length=64, pattern=LABEL, description="Version of a bare model.")
    ] = "1.0.0",
    summary: Annotated[
        str, Query(max_length=500, pattern=LABEL, description="One sentence for its card.")
    ] = "",
    horizons_h: Annotated[
        list[Annotated[float, Field(gt=0, le=HOURS_OF_A_YEAR)]],
        Query(
            max_length=64,
            description="Horizons of the rows that a bare capacity-loss model was trained on, "
            "hours.",
        ),
    ] = [],  # noqa: B006
) -> UploadView:
    """The upload is validated in quarantine and makes a trial prediction in a separate process.
    Formats that could run code are rejected."""
    content = await request.body()
    answers = CardAnswers(label, name, version, summary, tuple(horizons_h))
    report = await run_in_threadpool(services.models.upload, content, reason, answers)
    entry = await run_in_threadpool(services.models.entry, report.record.reference)
    response.headers["Location"] = f"/api/v1/models/{report.record.reference}"
    return UploadView(model=ModelView(**fields(entry, set())), seconds=report.seconds)


@router.get(
    "/models/{reference}",
    summary="Get a model version with its card",
    openapi_extra=cacheable(Topic.MODELS, Topic.FLEET),
)
def get_model(services: ServicesDep, reference: Reference) -> ModelCardView:
    """State, metrics and model card of the version."""
    entry = services.models.entry(reference)
    visible = _visible_instances(services)
    figures = {name: FigureView(**found) for name, found in entry.figures.items()}
    return ModelCardView(**fields(entry, visible), figures=figures, card=dict(entry.record.card))


@router.post(
    "/models/{reference}/{step:step}",
    summary="Accept, graduate, enable, disable, activate, reject or archive a model version",
)
def decide_model(
    services: ServicesDep,
    reference: Reference,
    step: Annotated[
        Step,
        Path(
            description="accept graduates a candidate; activate makes it the champion.",
            examples=["accept"],
        ),
    ],
    body: ChangeRequest,
) -> ModelView:
    """When a version becomes the champion, the previous champion becomes graduated."""
    record = services.models.take(step, reference, body.reason)
    visible = _visible_instances(services)
    return ModelView(**fields(services.models.entry(record.reference), visible))


@router.get(
    "/models/{reference}/history",
    summary="List the changes of a model",
    openapi_extra=cacheable(Topic.MODELS, Topic.FLEET),
)
def list_model_events(
    services: ServicesDep, reference: Reference, page: PageDep
) -> Page[ModelEventView]:
    """Changes with user, time and reason, newest first: of one version if given name@version, of
    all versions if given a name."""
    visible = _visible_instances(services, active_only=False)
    events = [
        event
        for event in services.models.history(reference)
        if not event.instance_id
        or event.instance_id in visible
        or services.principal.accounts is None
    ]
    return page.from_list(
        events, lambda event: [-event.event_id], ModelEventView.model_validate, Page[ModelEventView]
    )


@router.get(
    "/models/{reference}/performance",
    summary="Get the performance of a model",
)
def get_performance(
    services: ServicesDep, service: ServiceDep, reference: Reference
) -> PerformanceView:
    """Predictions compared with outcomes: number of known outcomes, scores, and 95 % intervals by
    day. At most a minute old."""
    key = ("performance", reference, services.principal.accounts, services.principal.rights)
    performance = service.shared(
        key, PERFORMANCE_CACHE_S, lambda: services.model_performance.of_model(reference)
    )
    return PerformanceView(
        model=performance.model,
        experiments=performance.experiments,
        outcomes=performance.outcomes,
        scores=[ScoreView.model_validate(score) for score in performance.scores],
    )


@router.get("/online-weights", summary="Get the weights of live capacity forecasts")
def get_online_weights(services: ServicesDep) -> OnlineWeightsView:
    """How the champion and the simple rules are weighed, with their running losses; learnt every
    hour. Single pools are shown to users who see every account."""
    found = services.outcomes.weights()
    if found is None:
        return OnlineWeightsView(market=None, at=None, model=None, standings=[], lag=None)
    return OnlineWeightsView.model_validate(found)


@router.get(
    "/models/{reference}/experiments",
    summary="List the decisions with a model, with their outcomes",
    openapi_extra=cacheable(Topic.EXPERIMENTS),
)
def list_model_experiments(
    services: ServicesDep,
    reference: Reference,
    page: PageDep,
) -> Page[ExperimentOutcomesView]:
    """Decisions about instances that you may see, newest first."""
    model = services.models.entry(reference).record.reference
    decisions = experiment_page(services, ExperimentFilter(model=model), page)
    outcomes = services.model_performance.of_experiments(
        [each.experiment_id for each in decisions.items]
    )
    return Page[ExperimentOutcomesView](
        items=[
            ExperimentOutcomesView(
                experiment=each,
                outcomes=[OutcomeView.model_validate(o) for o in outcomes[each.experiment_id]],
            )
            for each in decisions.items
        ],
        total=decisions.total,
        next=decisions.next,
    )
