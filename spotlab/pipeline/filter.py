"""Filtering pools by an instance's requirements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.coded_texts import Texts
from spotlab.domain.decision import DropReason, Instance
from spotlab.domain.hardware import Hardware, HardwareTable, complete
from spotlab.domain.hardware_columns import FACTS, HardwareColumns, columns_of
from spotlab.domain.instance_types import parse_type
from spotlab.domain.like_for_like import (
    HardwareFact,
    HardwareRule,
    Shortfall,
    shortfall,
)
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import FloatArray
from spotlab.domain.workload import DEFAULT_WORKLOAD, Workload
from spotlab.pipeline.pool_columns import Mask, PoolColumns

REASONS: Final[tuple[DropReason, ...]] = tuple(DropReason)
"""The reason with code c is REASONS[c - 1]; 0 stands for none."""
CODE_OF: Final[Mapping[DropReason, int]] = {
    reason: code for code, reason in enumerate(REASONS, start=1)
}
Codes = NDArray[np.int8]


def drop_codes(
    pools: PoolColumns,
    requirements: Requirements,
    shortfalls: Mapping[str, Shortfall] = MappingProxyType({}),
) -> Codes:
    """The code of the first reason that filters out each pool; 0: none does.

    Args:
        pools: n pools.
        requirements: what a pool must offer.
        shortfalls: types that are not like for like, by name; checked after the requirements.
    Returns:
        (n,) codes as in CODE_OF.
    """
    codes = np.zeros(len(pools), dtype=np.int8)
    for reason, filtered in reversed([*_checks(pools, requirements)]):  # the first one wins
        np.putmask(codes, filtered, CODE_OF[reason])
    types, left = pools.instance_type, np.flatnonzero(codes == 0)
    worse = shortfalls.drop_codes(types) if isinstance(shortfalls, _Shortfalls) else None
    if worse is None:
        worse = np.zeros(len(types.names), dtype=np.int8)
        for code in np.unique(types.codes[left]).tolist():
            found = shortfalls.get(types.names[code])
            if found is not None:
                worse[code] = CODE_OF[HARDWARE_REASONS[found.fact]]
    codes[left] = worse[types.codes[left]]
    return codes


def hardware_shortfalls(
    instance_type: str,
    hardware: HardwareTable,
    rule: HardwareRule,
    requirements: Requirements | None,
) -> Mapping[str, Shortfall]:
    """The types that may not replace an instance's own, with the fact in which each is worse.

    Args:
        instance_type: of the instance.
        hardware: facts of every type, by name.
        rule: what counts as equal hardware.
        requirements: the instance's or the workload's own, which say its size, architecture and
            whether burstable types will do; None: those of its type apply.
    Returns:
        Read-only; equal arguments give the same object, from a cache.
    Raises:
        ValueError: the type's facts are unknown, and its name is no type's.
    """
    own = compared_hardware(instance_type, hardware, requirements)
    return _shortfalls(own, hardware, compared_rule(rule, requirements))


@lru_cache(maxsize=1024)
def _shortfalls(own: Hardware, hardware: HardwareTable, rule: HardwareRule) -> _Shortfalls:
    return _Shortfalls(own, hardware, rule)


class _Shortfalls(Mapping[str, Shortfall]):
    """The types that may not replace another one; each is put in words when it is asked for."""

    __slots__ = ("_codes", "_found", "_hardware", "_own", "_rule")

    def __init__(self, own: Hardware, hardware: HardwareTable, rule: HardwareRule) -> None:
        self._own, self._hardware, self._rule = own, hardware, rule
        self._found: dict[str, Shortfall | None] = {}
        self._codes: tuple[HardwareColumns, Codes] | None = None

    def drop_codes(self, types: Texts) -> Codes | None:
        """(distinct types,) codes as in CODE_OF; None: each must be asked for."""
        columns = columns_of(self._hardware, types)
        if self._codes is None or self._codes[0] is not columns:
            facts = columns.worse_than(self._own, self._rule)
            if facts is None:
                return None
            self._codes = columns, _CODE_OF_FACT[facts]
        return self._codes[1]

    def __getitem__(self, instance_type: str) -> Shortfall:
        """The shortfall of a type. Raises KeyError: there is none."""
        if instance_type not in self._found:
            other = self._hardware.get(instance_type)
            self._found[instance_type] = (
                None if other is None else shortfall(self._own, other, self._rule)
            )
        found = self._found[instance_type]
        if found is None:
            raise KeyError(instance_type)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._hardware if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def compared_hardware(
    instance_type: str, hardware: Mapping[str, Hardware], requirements: Requirements | None
) -> Hardware:
    """The facts of an instance's type that a replacement is compared with.

    Args:
        instance_type, hardware, requirements: as in `hardware_shortfalls`.
    Raises:
        ValueError: the type's facts are unknown, and its name is no type's.
    """
    own = hardware.get(instance_type)
    if own is None:
        own = complete(Hardware(instance_type))
    if requirements is not None:
        own = replace(own, vcpu=None, memory_gb=None, architecture=None)
    return own


def compared_rule(rule: HardwareRule, requirements: Requirements | None) -> HardwareRule:
    """A workload's rule; an instance's own requirements say whether burstable types will do."""
    if requirements is None or requirements.burstable is False:
        return rule
    return replace(rule, allow_burstable=True)


HARDWARE_REASONS: Final[Mapping[HardwareFact, DropReason]] = {
    HardwareFact.VCPU: DropReason.VCPU,
    HardwareFact.MEMORY: DropReason.MEMORY,
    HardwareFact.ARCHITECTURE: DropReason.ARCHITECTURE,
    HardwareFact.ACCELERATOR: DropReason.ACCELERATOR,
    HardwareFact.GPU_COUNT: DropReason.GPU,
    HardwareFact.GPU_MODEL: DropReason.GPU,
    HardwareFact.GPU_MEMORY: DropReason.GPU,
    HardwareFact.CPU_GENERATION: DropReason.CPU_GENERATION,
    HardwareFact.CPU_MAKER: DropReason.CPU_MAKER,
    HardwareFact.BURSTABLE: DropReason.BURSTABLE,
    HardwareFact.FLEX: DropReason.FLEX,
    HardwareFact.BARE_METAL: DropReason.BARE_METAL,
    HardwareFact.LOCAL_STORAGE: DropReason.LOCAL_STORAGE,
    HardwareFact.NETWORK: DropReason.BANDWIDTH,
    HardwareFact.EBS: DropReason.BANDWIDTH,
}
_CODE_OF_FACT: Final = np.array([0, *(CODE_OF[HARDWARE_REASONS[fact]] for fact in FACTS)], np.int8)


def _checks(pools: PoolColumns, need: Requirements) -> Iterator[tuple[DropReason, Mask]]:
    yield (
        DropReason.OPERATING_SYSTEM,
        ~pools.operating_system.equal_to_any((need.operating_system,)),
    )
    for reason, texts, allowed in (
        (DropReason.REGION, pools.region, need.regions),
        (DropReason.ZONE, pools.availability_zone, need.zones),
        (DropReason.FAMILY, pools.family, need.families),
    ):
        if allowed:
            yield reason, ~texts.equal_to_any(allowed)
    sized = (need.vcpu_min, need.vcpu_max, need.memory_gb_min, need.memory_gb_max)
    if any(limit is not None for limit in sized):
        yield DropReason.NO_SPECS, np.isnan(pools.vcpu) | np.isnan(pools.memory_gb)
    yield DropReason.VCPU, _outside(pools.vcpu, need.vcpu_min, need.vcpu_max)
    yield DropReason.MEMORY, _outside(pools.memory_gb, need.memory_gb_min, need.memory_gb_max)
    if need.architecture is not None:
        yield DropReason.ARCHITECTURE, ~pools.architecture.equal_to_any((need.architecture,))
    if need.accelerator is not None:
        yield DropReason.ACCELERATOR, pools.accelerated != need.accelerator
    if need.burstable is not None:
        yield DropReason.BURSTABLE, pools.burstable != need.burstable
    price = pools.spot_price_usd_per_hour
    yield DropReason.NO_PRICE, ~(np.isfinite(price) & (price > 0))
    if need.max_advisor_bucket is not None:
        yield DropReason.UNSAFE_RATE, pools.advisor_bucket > need.max_advisor_bucket
    yield DropReason.NO_RISK, ~np.isfinite(pools.hazard_per_hour)


def _outside(numbers: FloatArray, low: float | None, high: float | None) -> Mask:
    outside = np.zeros(len(numbers), dtype=bool)
    if low is not None:
        outside |= numbers < low
    if high is not None:
        outside |= numbers > high
    return outside


def requirements_of(
    instance: Instance, pools: PoolColumns, workload: Workload = DEFAULT_WORKLOAD
) -> Requirements:
    """Requirements of a replacement: the instance's own, else the workload's, else derived.

    The workload's regions and zones (by default its own region) and the instance's operating
    system complete the workload's requirements. Derived: the same architecture, no less vCPU,
    memory within the workload's tolerance, an accelerator only for an accelerated one, and
    burstable types only for a burstable one or where the workload allows them. What else makes
    hardware equal is in `hardware_shortfalls`.

    Args:
        instance: the instance.
        pools: of the market; if they lack the specs of the instance's type, the derived
            requirements have no minimum size.
        workload: the one that applies to the instance.
    """
    if instance.requirements is not None:
        return instance.requirements
    regions = workload.regions or (instance.pool.region,)
    if workload.requirements is not None:
        return replace(
            workload.requirements,
            regions=regions,
            zones=workload.zones,
            operating_system=instance.pool.operating_system,
        )
    name = parse_type(instance.pool.instance_type)
    rows = pools.rows_of_type(instance.pool.instance_type)
    known = rows[~(np.isnan(pools.vcpu[rows]) | np.isnan(pools.memory_gb[rows]))]
    rule = workload.hardware
    least_memory = 1.0 - rule.memory_tolerance
    return Requirements(
        regions=regions,
        zones=workload.zones,
        vcpu_min=float(pools.vcpu[known[0]]) if len(known) else None,
        memory_gb_min=least_memory * float(pools.memory_gb[known[0]]) if len(known) else None,
        architecture=name.architecture.value,
        accelerator=name.accelerated,
        burstable=None if name.burstable or rule.allow_burstable else False,
        operating_system=instance.pool.operating_system,
    )
