"""Measured throughputs, AWS's claims, and the performance of one type relative to another."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from spotlab.api.views.base import ChangeRequest, RequestBody, View, field
from spotlab.domain.performance import Basis
from spotlab.domain.throughputs import MAX_NOTE, MAX_THROUGHPUT, MAX_THROUGHPUTS, MAX_UNIT
from spotlab.telemetry.invisible_characters import LABEL

WORKLOAD = r"^[A-Za-z0-9_-]{0,64}$"
TYPE = r"^[a-z][a-z0-9-]{0,40}\.[a-z0-9-]{1,20}$"
TYPE_OR_FAMILY = r"^[a-z][a-z0-9-]{0,40}(\.[a-z0-9-]{1,20})?$"


def _require_date(value: Any) -> Any:
    if value is not None and not (isinstance(value, str) and len(value) == len("2026-11-03")):
        raise ValueError("should be a date such as 2026-11-03, or null")
    return value


class ThroughputRequest(RequestBody):
    """Throughput of a type or a family."""

    name: str = Field(
        pattern=TYPE_OR_FAMILY,
        description="Instance type such as m7g.large, or family such as m7g.",
        examples=["m7g.large"],
    )
    throughput: float = Field(
        gt=0,
        le=MAX_THROUGHPUT,
        description="Units of work in a unit of time: of a type, the whole instance's; of a "
        "family, per vCPU, or per GPU or accelerator if it has any.",
        examples=[1180.0],
    )
    measured_at: Annotated[date | None, BeforeValidator(_require_date)] = Field(
        default=None, description="Day of the measurement.", examples=["2026-11-03"]
    )
    note: str = Field(
        default="", max_length=MAX_NOTE, pattern=LABEL, description="How.", examples=["batch 32"]
    )


class ThroughputsRequest(ChangeRequest):
    """The throughputs of a workload; they replace the ones before."""

    workload: str = Field(
        default="",
        pattern=WORKLOAD,
        description="Name of the workload; empty for all workloads.",
        examples=[""],
    )
    unit: str = Field(
        default="",
        max_length=MAX_UNIT,
        pattern=LABEL,
        description="Unit of every value.",
        examples=["images/s"],
    )
    throughputs: list[ThroughputRequest] = Field(
        min_length=1,
        max_length=MAX_THROUGHPUTS,
        description="Each type or family once.",
        examples=[[{"name": "m7g.large", "throughput": 1180.0}]],
    )
    expected_version: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="Newest version when the change was prepared, 0 for none; null for any.",
        examples=[None],
    )


class ThroughputView(View):
    """Throughput of a type or a family."""

    name: str = field("Instance type or family.", "m7g.large")
    throughput: float = field("Units of work in a unit of time.", 1180.0)
    measured_at: date | None = field("Day of the measurement; null if unknown.", "2026-11-03")
    note: str = field("How it was measured.", "batch 32")


class ThroughputSetView(View):
    """One version of the throughputs of a workload."""

    workload: str = field("Name of the workload; empty for all workloads.", "")
    version: int = field("Version; earlier ones stay, for recorded decisions.", 1)
    unit: str = field("Unit of every value; empty if not said.", "images/s")
    created_at: datetime | None = field("When it was stored.", "2026-11-03T09:30:00Z")
    created_by: str = field("Who stored it.", "ana")
    reason: str = field("Reason for the change.", "measured again")
    throughputs: list[ThroughputView] = field("Empty if they were removed.", [])


class SavedThroughputsView(ThroughputSetView):
    """Throughputs that were stored."""

    not_in_market: list[str] = field(
        "Names of no type in the active market: they have no effect yet.", []
    )


class ClaimView(View):
    """A statement of AWS about performance: claimed, not measured."""

    slower: list[str] = field("Families that it compares with.", ["m6a"])
    faster: list[str] = field("Families that it is about.", ["m7a"])
    ratio: float = field("Performance of `faster` relative to `slower`, as stated.", 1.5)
    statement: str = field("AWS's words.", "up to 50% higher performance compared to M6a instances")
    title: str = field("Title of the announcement.", "EC2 API release: Amazon EC2 M7a instances")
    published: str = field("Its date or month.", "2023-08-24")
    url: str = field("Where it is.", "")


class RelativePerformanceView(View):
    """The performance of a type relative to another."""

    own_type: str = field("Type that counts as 1.", "m6g.large")
    other_type: str = field("Type compared with it.", "m7g.large")
    ratio: float = field("Work that it does while the own type does 1; 1 if unknown.", 1.25)
    basis: Literal[Basis.SAME, Basis.MEASURED, Basis.CLAIMED, Basis.UNKNOWN] = field(
        "What the ratio rests on.", "claimed"
    )
    source: str = field("Set of throughputs, or announcements; empty if unknown.", "")
    sentence: str = field(
        "The same for a person.", "Performance unknown: counted as equal to m6g.large."
    )
