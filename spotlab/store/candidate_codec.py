"""The scored pools of one experiment as Parquet bytes.

One column per number and feature: any Parquet tool can read it, floats stay exact, and a pool with
forty features takes a fraction of the space of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa

from spotlab.domain.decision import Candidate, DropReason, Verdict
from spotlab.domain.market import Pool, Provenance
from spotlab.domain.risk import Evidence
from spotlab.store.frame_codec import pack_table, unpack_table
from spotlab.store.types import require_aware

_POOL: Final = ("region", "availability_zone", "instance_type", "operating_system")
_NUMBERS: Final = (
    "spot_price_usd_per_hour",
    "on_demand_price_usd_per_hour",
    "risk",
    "horizon_h",
    "hazard_per_hour",
    "expected_cost_usd_per_hour",
)
_FEATURE: Final = "feature."
_POSITIONS: Final = b"spotlab.places"
_SOURCES: Final = msgspec.json.Decoder(tuple[Provenance, ...])
_EVIDENCE: Final = msgspec.json.Decoder(Evidence)


@dataclass(frozen=True, slots=True)
class UnpackedCandidates:
    """The candidates of an experiment, with the current and the chosen one of its verdict."""

    candidates: tuple[Candidate, ...]
    current: Candidate | None
    chosen: Candidate | None


def pack(
    candidates: Sequence[Candidate], verdict: Verdict | None, feature_names: Sequence[str]
) -> bytes:
    """The candidates as bytes, with the positions of the verdict's current and chosen one.

    Args:
        candidates: in order.
        verdict: its candidates are appended if they are not among `candidates`.
        feature_names: order of the feature columns.
    Raises:
        InvalidInput: a source's time has no time zone.
    """
    rows = list(candidates)
    positions = {
        "candidates": len(rows),
        "current": _position(rows, verdict.current if verdict else None),
        "chosen": _position(rows, verdict.chosen if verdict else None),
    }
    columns: dict[str, pa.Array] = {
        **{name: _text(getattr(row.pool, name) for row in rows) for name in _POOL},
        **{name: _floats(getattr(row, name) for row in rows) for name in _NUMBERS},
        "rank": pa.array([row.rank for row in rows], pa.int32()),
        "dropped": _text(row.dropped and row.dropped.name for row in rows),
        "reasons": pa.array([list(row.reasons) for row in rows], pa.list_(pa.string())),
        "sources": _text(_sources_as_json([row.sources for row in rows])),
        "evidence": _text(_evidence_as_json(row.evidence) for row in rows),
        **{
            _FEATURE + name: _floats(row.features.get(name) for row in rows)
            for name in _feature_order(rows, feature_names)
        },
    }
    table = pa.table(columns).replace_schema_metadata({_POSITIONS: json.dumps(positions)})
    # A dictionary of mostly distinct floats takes more space than the floats.
    repetitive = [field.name for field in table.schema if not pa.types.is_floating(field.type)]
    return pack_table(table, dictionary=repetitive)


def unpack(payload: bytes) -> UnpackedCandidates:
    """The candidates that `pack` stored, equal to the originals."""
    table = unpack_table(payload)
    positions = json.loads(table.schema.metadata[_POSITIONS])
    rows = _candidates(table)
    current, chosen = (
        None if positions[name] is None else rows[positions[name]] for name in ("current", "chosen")
    )
    return UnpackedCandidates(tuple(rows[: positions["candidates"]]), current, chosen)


def _position(rows: list[Candidate], candidate: Candidate | None) -> int | None:
    """Index of a candidate, which is appended if it is not among the rows."""
    if candidate is None:
        return None
    if candidate not in rows:
        rows.append(candidate)
    return rows.index(candidate)


def _text(values: Iterable[str | None]) -> pa.Array:
    return pa.array(list(values), pa.string())


def _floats(values: Iterable[float | None]) -> pa.Array:
    return pa.array(list(values), pa.float64())


def _feature_order(rows: Sequence[Candidate], first: Sequence[str]) -> list[str]:
    names = dict.fromkeys(first)
    for row in rows:
        names.update(dict.fromkeys(row.features))
    return list(names)


def _sources_as_json(rows: Sequence[tuple[Provenance, ...]]) -> list[str]:
    texts: dict[tuple[Provenance, ...], str] = {}
    for sources in rows:
        if sources not in texts:
            for source in sources:
                require_aware(source.event_time)
                require_aware(source.fetched_at)
            texts[sources] = msgspec.json.encode(sources).decode()
    return [texts[sources] for sources in rows]


def _evidence_as_json(evidence: Evidence | None) -> str | None:
    return None if evidence is None else msgspec.json.encode(evidence).decode()


def _candidates(table: pa.Table) -> list[Candidate]:
    values: dict[str, list[Any]] = {
        name: table.column(name).to_pylist() for name in table.column_names
    }
    sources = {text: _SOURCES.decode(text) for text in set(values["sources"])}
    names = [name for name in table.column_names if name.startswith(_FEATURE)]
    features = _features(
        [name.removeprefix(_FEATURE) for name in names],
        [values[name] for name in names],
        table.num_rows,
    )
    columns: list[list[Any]] = [  # in the order of Candidate's fields
        [Pool(*pool) for pool in zip(*(values[name] for name in _POOL), strict=True)],
        *(values[name] for name in _NUMBERS),
        values["rank"],
        [None if name is None else DropReason[name] for name in values["dropped"]],
        [tuple(reasons) for reasons in values["reasons"]],
        [sources[text] for text in values["sources"]],
        features,
        # Experiments recorded before evidence was used have no such column.
        [
            None if text is None else _EVIDENCE.decode(text)
            for text in values.get("evidence", [None] * table.num_rows)
        ],
    ]
    return [Candidate(*row) for row in zip(*columns, strict=True)]


def _features(
    names: list[str], columns: list[list[float | None]], count: int
) -> list[dict[str, float]]:
    if not names:
        return [{} for _ in range(count)]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]
