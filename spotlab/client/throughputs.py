"""Client resource for measured throughputs, and its responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from spotlab.client.transport import Resource


class Throughput(msgspec.Struct, frozen=True):
    """Units of work that a type does, or a family per vCPU or GPU."""

    name: str
    throughput: float
    measured_at: date | None
    note: str


class ThroughputSet(msgspec.Struct, frozen=True):
    """One version of the throughputs of a workload; "": of all workloads."""

    workload: str
    version: int
    unit: str
    created_at: datetime | None
    created_by: str
    reason: str
    throughputs: tuple[Throughput, ...]
    not_in_market: tuple[str, ...] = ()


class Claim(msgspec.Struct, frozen=True):
    """A statement of AWS about performance: claimed, not measured."""

    slower: tuple[str, ...]
    faster: tuple[str, ...]
    ratio: float
    statement: str
    title: str
    published: str
    url: str


class RelativePerformance(msgspec.Struct, frozen=True):
    """The performance of a type relative to another; ratio 1 if the basis is "unknown"."""

    own_type: str
    other_type: str
    ratio: float
    basis: str
    source: str
    sentence: str


class Throughputs(Resource):
    """Measured throughputs of instance types."""

    def list(self, *, versions: bool = False) -> Iterator[ThroughputSet]:
        """The newest set of each workload, or every version."""
        return self._transport.pages("/throughputs", ThroughputSet, versions=versions)

    def save(
        self,
        throughputs: Mapping[str, float] | Sequence[Mapping[str, Any]],
        *,
        workload: str = "",
        unit: str = "",
        expected_version: int | None = None,
        reason: str = "",
    ) -> ThroughputSet:
        """Replace the throughputs of a workload.

        Args:
            throughputs: by type or family, or mappings with name, throughput and optionally
                measured_at and note.
            workload: its name; "": of all workloads.
            unit: of every value.
            expected_version: the newest version when the change was prepared; None: any.
            reason: reason, for the audit log.
        """
        if isinstance(throughputs, Mapping):
            throughputs = [
                {"name": name, "throughput": value} for name, value in throughputs.items()
            ]
        body = {
            "workload": workload,
            "unit": unit,
            "throughputs": throughputs,
            "expected_version": expected_version,
            "reason": reason,
        }
        return self._transport.write("POST", "/throughputs", ThroughputSet, body)

    def remove(self, workload: str = "", reason: str = "") -> ThroughputSet:
        """Remove the throughputs of a workload and return them."""
        query = {"workload": workload, "reason": reason}
        return self._transport.write("DELETE", "/throughputs", ThroughputSet, query=query)

    def compare(self, own_type: str, other_type: str, workload: str = "") -> RelativePerformance:
        """The performance of a type relative to another."""
        return self._transport.get(
            "/throughputs/comparison",
            RelativePerformance,
            own_type=own_type,
            other_type=other_type,
            workload=workload,
        )

    def claims(self) -> Iterator[Claim]:
        """AWS's statements about performance."""
        return self._transport.pages("/throughputs/claims", Claim)
