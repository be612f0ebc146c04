"""Measured throughputs of instance types, by workload, and the performance index made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from spotlab.domain.access import Right
from spotlab.domain.hardware import Hardware
from spotlab.domain.instance_types import family_of
from spotlab.domain.performance import (
    Basis,
    PerformanceIndex,
    RelativePerformance,
    index_for,
    index_of,
)
from spotlab.domain.ports import Topic
from spotlab.domain.throughput_file import parse_throughputs
from spotlab.domain.throughputs import ALL_WORKLOADS, Throughput, ThroughputSet
from spotlab.domain.workload import Workload
from spotlab.errors import InvalidInput, NoMarketData, NotFound
from spotlab.pipeline.market_hardware import hardware_of
from spotlab.services.base import Service


@dataclass(frozen=True, slots=True)
class Import:
    """Throughputs that were stored.

    Args:
        saved: the new version of their set.
        not_in_market: their names that are of no type in the active market: they have no effect
            until it lists such a type.
    """

    saved: ThroughputSet
    not_in_market: tuple[str, ...] = ()


class ThroughputService(Service):
    """Throughputs, as far as the user may see and change them."""

    __slots__ = ()

    def may_read(self) -> None:
        """Check the right to read, for what is the same for all users. Raises Forbidden."""
        self.require(Right.READ)

    def newest(self) -> Mapping[str, ThroughputSet]:
        """The newest set of each workload that has one, by workload; "": of all workloads.

        Raises:
            Forbidden: they may not read.
        """
        self.require(Right.READ)
        found = self.lab.store.throughputs.newest()
        return {name: each for name, each in found.items() if each.throughputs}

    def versions(self, workload: str | None = None) -> Sequence[ThroughputSet]:
        """Every version (of one workload), by workload, then newest first; empty: removed.

        Raises:
            Forbidden: they may not read.
        """
        self.require(Right.READ)
        return self.lab.store.throughputs.versions(workload)

    def index(self, workload: str = ALL_WORKLOADS) -> PerformanceIndex:
        """The performance index of a workload, as the next evaluation uses it.

        Args:
            workload: its name; "": no workload in particular, for which claims count.
        Raises:
            NotFound: no workload of that name.
            Forbidden: they may not read.
        """
        newest, named = self.newest(), self._workload(workload)
        hardware: Mapping[str, Hardware] = {}
        with suppress(NoMarketData):
            data = self.lab.market()
            hardware = hardware_of(data.specs, data.prices)
        if named is None:
            return index_for(ALL_WORKLOADS, newest, hardware)
        return index_of(named, newest, hardware)

    def compare(
        self, own_type: str, other_type: str, workload: str = ALL_WORKLOADS
    ) -> RelativePerformance:
        """The performance of a type relative to another, as the next evaluation uses it.

        A claim that the workload does not count is named in the sentence.

        Raises:
            InvalidInput: one of them is no instance type.
            NotFound: no workload of that name.
            Forbidden: they may not read.
        """
        for each in (own_type, other_type):
            Throughput(each, 1.0)  # checks the name
            if "." not in each:
                raise InvalidInput(
                    f"{each!r} is a family.", remedy=f"Use a type such as {each}.large."
                )
        found = self.index(workload).relative(own_type, other_type)
        claimed = PerformanceIndex().relative(own_type, other_type)
        if found.basis is Basis.UNKNOWN and claimed.basis is Basis.CLAIMED:
            note = f"AWS claims {claimed.figures} ({claimed.source}); {workload} counts no claims."
            return replace(found, not_counted=note)
        return found

    def import_file(
        self, content: bytes, workload: str = ALL_WORKLOADS, unit: str = "", reason: str = ""
    ) -> Import:
        """Replace a workload's throughputs by those in a CSV file; see `parse_throughputs`.

        Args:
            content: the file.
            workload: its name; "": of all workloads.
            unit: if the file does not say it.
            reason: why.
        Raises:
            InvalidInput: names the line of the file, what is wrong and what would be right.
            NotFound: no workload of that name.
            Forbidden: they may not change instances of every account.
        """
        self.principal.require_everywhere(Right.CHANGE_INSTANCES)
        throughputs, unit_in_file = parse_throughputs(content)
        return self.save(throughputs, workload, unit_in_file or unit, reason)

    def save(
        self,
        throughputs: Sequence[Throughput],
        workload: str = ALL_WORKLOADS,
        unit: str = "",
        reason: str = "",
        expected_version: int | None = None,
    ) -> Import:
        """Replace a workload's throughputs. Earlier versions stay, for recorded decisions.

        Args:
            throughputs: each type or family once.
            workload: its name; "": of all workloads.
            unit: of every value.
            reason: why.
            expected_version: the newest version when the change was prepared, 0 for none; None:
                any.
        Raises:
            InvalidInput: a name, a value or the unit is not valid.
            NotFound: no workload of that name.
            ChangedMeanwhile: the newest version is another.
            Forbidden: they may not change instances of every account.
        """
        self.principal.require_everywhere(Right.CHANGE_INSTANCES)
        self._workload(workload)  # raises NotFound
        not_in_market = self._not_in_market(throughputs)
        saved = self.lab.store.throughputs.save(
            workload, throughputs, unit, self.by(reason), expected_version
        )
        self.lab.bus.publish(Topic.FLEET)
        return Import(saved, not_in_market)

    def remove(self, workload: str = ALL_WORKLOADS, reason: str = "") -> ThroughputSet:
        """Remove a workload's throughputs. Earlier versions stay, for recorded decisions.

        Returns:
            The set that was removed.
        Raises:
            NotFound: it has none.
            Forbidden: they may not change instances of every account.
        """
        self.principal.require_everywhere(Right.CHANGE_INSTANCES)
        newest = self.newest()
        if workload not in newest:
            names = ", ".join(each or "all workloads" for each in sorted(newest)) or "none"
            raise NotFound(
                f"There are no throughputs of {workload or 'all workloads'}.",
                remedy=f"Available: {names}.",
            )
        self.lab.store.throughputs.save(workload, (), "", self.by(reason))
        self.lab.bus.publish(Topic.FLEET)
        return newest[workload]

    def _workload(self, name: str) -> Workload | None:
        """The newest version of a workload; None for "". Raises NotFound."""
        workloads = self.lab.store.workloads.newest()
        if name and name not in workloads:
            raise NotFound(
                f"There is no workload {name!r}.", remedy=f"Available: {', '.join(workloads)}."
            )
        return workloads.get(name)

    def _not_in_market(self, throughputs: Sequence[Throughput]) -> tuple[str, ...]:
        try:
            types = set(self.lab.market().prices["instance_type"])
        except NoMarketData:
            return ()
        known = types | {family_of(name) for name in types}
        return tuple(each.name for each in throughputs if each.name not in known)
