"""Base classes and field types of request and response bodies."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from spotlab.domain.market import Pool
from spotlab.errors import NotFound
from spotlab.telemetry.invisible_characters import LABEL

InstanceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")]
PlainName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,39}$")]
AccountName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")]
MODEL_REFERENCE = r"^[A-Za-z0-9][A-Za-z0-9._-]*(@[A-Za-z0-9][A-Za-z0-9._+-]*)?$"
POOL_KEY = r"^[a-z0-9-]+:([a-z0-9-]+|-):[A-Za-z0-9.-]+:(Linux|Windows)$"
MAX_ID = 2**31 - 1


def field(meaning: str, example: Any = None, unit: str = "", **limits: Any) -> Any:
    """A field of a body, with its meaning, an example and its unit."""
    extra: dict[str, Any] | None = {"unit": unit} if unit else None
    return Field(description=meaning, examples=[example], json_schema_extra=extra, **limits)


def finite_or_none(value: Any) -> Any:
    """None for NaN and infinity: an unknown number is null in JSON."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(finite_or_none)]
"""A number that may be unknown."""


def require_supported_year(moment: datetime) -> datetime:
    """The same time. Raises ValueError: a database cannot store its year."""
    if not 1970 <= moment.year <= 2999:
        raise ValueError("should be between the years 1970 and 2999")
    return moment


def _require_iso_text(value: Any) -> Any:
    if isinstance(value, str) and "-" not in value[1:]:
        raise ValueError("should be a date and time, such as 2026-11-01T00:00:00Z")
    return value


Moment = Annotated[
    AwareDatetime, AfterValidator(require_supported_year), BeforeValidator(_require_iso_text)
]
"""A time in a request: with its time zone, in a year that a database can store."""


class View(BaseModel):
    """Part of a response, read from a domain object."""

    model_config = ConfigDict(from_attributes=True)


class RequestBody(BaseModel):
    """Part of a request; an unknown field is rejected by name."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ChangeRequest(RequestBody):
    """A change, with its reason."""

    reason: str = Field(
        default="",
        max_length=500,
        pattern=LABEL,
        description="Reason for the change; recorded in the audit log.",
        examples=["The batch runs again tonight."],
    )


class PoolView(View):
    """A spot capacity pool."""

    key: str = field("Pool key: region:zone:type:os.", "us-east-1:us-east-1a:m6i.large:Linux")
    region: str = field("AWS region.", "us-east-1")
    availability_zone: str | None = field(
        "Availability zone; null if only the region's price is known.", "us-east-1a"
    )
    instance_type: str = field("Instance type.", "m6i.large")
    operating_system: str = field("Operating system.", "Linux")


class SourceView(View):
    """Source of a value."""

    source: str = field("Name of the source.", "AWS Spot Advisor feed")
    event_time: datetime = field(
        "Event time: when the value was true at the source.", "2026-11-03T09:30:00Z"
    )
    fetched_at: datetime = field("When SpotLab read the value.", "2026-11-03T09:31:00Z")
    approximate: bool = field("Derived by SpotLab, not published by the source.", False)
    stale: bool = field("Older than its TTL.", False)


def pool_of(key: str) -> Pool:
    """The pool with a key. Raises NotFound: the key is not valid."""
    try:
        return Pool.parse(key)
    except ValueError:
        raise NotFound(
            f"Pool {key!r} does not exist.", remedy="Use the pool key of a candidate."
        ) from None
