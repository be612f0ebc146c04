"""Hardware of many types as arrays, and in which fact each is worse than one type.

`like_for_like.shortfall` compares two types and says it in words; this compares one type without
accelerator with all others at once. Both give the same fact (a property test compares them).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.coded_texts import Texts
from spotlab.domain.hardware import Hardware, HardwareTable
from spotlab.domain.like_for_like import EQUAL_WITHIN, HardwareFact, HardwareRule, has_gpu

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
FACTS: Final = tuple(HardwareFact)
"""The fact with code c is FACTS[c - 1]; 0 stands for none."""
_NUMBERS: Final = ("vcpu", "memory_gb", "local_nvme_gb", "network_mbps", "ebs_mbps")
_NAMED: Final = ("accelerated", "metal", "burstable")


@dataclass(frozen=True, eq=False)
class HardwareColumns:
    """Facts of k types; read-only.

    Args:
        types: their names.
        known: (k,) whether anything is known about each.
        numbers: (k,) by the name of the fact; NaN where unknown.
        flags: (k,) by what the name says: accelerated, metal, burstable, flex.
        cpu_generation: (k,) NaN where unknown.
        architecture, cpu_maker: of each type; None where unknown.
    """

    types: Texts
    known: Mask
    numbers: dict[str, Floats]
    flags: dict[str, Mask]
    cpu_generation: Floats
    architecture: NDArray[np.object_]
    cpu_maker: NDArray[np.object_]

    def worse_than(self, own: Hardware, rule: HardwareRule) -> NDArray[np.int8] | None:
        """(k,) code of the first fact that keeps each type from replacing one; 0: none does.

        None: it has an accelerator, which is compared with each type alone.
        """
        if own.name.accelerated or has_gpu(own):
            return None
        codes = np.zeros(len(self.known), dtype=np.int8)
        for fact, worse in reversed([*self._checks(own, rule)]):  # the first one wins
            np.putmask(codes, worse, FACTS.index(fact) + 1)
        codes[~self.known] = 0
        place = self.types.code_of.get(own.instance_type)
        if place is not None:
            codes[place] = 0
        return codes

    def _checks(self, own: Hardware, rule: HardwareRule) -> Iterator[tuple[HardwareFact, Mask]]:
        """In the order of `shortfall`."""
        name, flags, numbers = own.name, self.flags, self.numbers
        yield HardwareFact.ARCHITECTURE, _differs(own.architecture, self.architecture)
        yield HardwareFact.ACCELERATOR, flags["accelerated"]
        yield HardwareFact.VCPU, _less(own.vcpu, numbers["vcpu"])
        memory_gb = numbers["memory_gb"]
        yield HardwareFact.MEMORY, _less(own.memory_gb, memory_gb, rule.memory_tolerance)
        yield HardwareFact.BARE_METAL, flags["metal"] != name.metal
        if not rule.allow_burstable and not name.burstable:
            yield HardwareFact.BURSTABLE, flags["burstable"]
            if not own.flex:
                yield HardwareFact.FLEX, flags["flex"]
        if not rule.allow_older_generation and own.cpu_generation is not None:
            yield HardwareFact.CPU_GENERATION, self.cpu_generation < own.cpu_generation
        if rule.same_cpu_maker:
            yield HardwareFact.CPU_MAKER, _differs(own.cpu_maker, self.cpu_maker)
        if rule.uses_local_storage:
            nvme_gb = numbers["local_nvme_gb"]
            yield HardwareFact.LOCAL_STORAGE, _less(own.local_nvme_gb, nvme_gb)
        if rule.keeps_bandwidth:
            yield HardwareFact.NETWORK, _less(own.network_mbps, numbers["network_mbps"])
            yield HardwareFact.EBS, _less(own.ebs_mbps, numbers["ebs_mbps"])


@lru_cache(maxsize=4)
def columns_of(hardware: HardwareTable, types: Texts) -> HardwareColumns:
    """The facts of some types as arrays."""
    facts = [hardware.get(name) for name in types.names]

    def number(name: str) -> Floats:
        values = [None if each is None else getattr(each, name) for each in facts]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    def flag(name: str) -> Mask:
        return np.array([each is not None and getattr(each.name, name) for each in facts], bool)

    def text(name: str) -> NDArray[np.object_]:
        return np.array([None if each is None else getattr(each, name) for each in facts], object)

    return HardwareColumns(
        types,
        np.array([each is not None for each in facts], dtype=bool),
        {name: number(name) for name in _NUMBERS},
        {name: flag(name) for name in _NAMED}
        | {"flex": np.array([each is not None and each.flex for each in facts], dtype=bool)},
        number("cpu_generation"),
        text("architecture"),
        text("cpu_maker"),
    )


def _less(own: float | None, others: Floats, tolerance: float = 0.0) -> Mask:
    if own is None:
        return np.zeros(len(others), dtype=bool)
    return np.asarray(others < own * (1.0 - max(tolerance, EQUAL_WITHIN)))


def _differs(own: str | None, others: NDArray[np.object_]) -> Mask:
    if own is None:
        return np.zeros(len(others), dtype=bool)
    return np.asarray((others != own) & (others != None), dtype=bool)  # noqa: E711
