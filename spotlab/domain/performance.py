"""The performance index: how much work an instance type does, relative to another.

    cost of a unit of work = expected cost of an hour / performance

where the performance of a type is relative to the instance's own type. It comes from the first of

1. throughputs that users measured, of their workload or else of all workloads (`ThroughputSet`);
2. AWS's published statements about performance (`performance_claims`), "claimed, not measured";
3. nothing: the hardware counts as equal, and the sentence says so.

Hardware is compared at the instance's own size. A larger type counts as faster only if its own
throughput was measured, because an instance needs its own size and nothing else of the larger one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.hardware import Hardware
from spotlab.domain.instance_types import family_of
from spotlab.domain.performance_claims import CLAIMS_VERSION, Claim, claim_paths
from spotlab.domain.risk import FloatArray
from spotlab.domain.throughputs import ALL_WORKLOADS, ANY_WORKLOAD, ThroughputSet
from spotlab.domain.workload import Workload
from spotlab.errors import InvalidInput


class Basis(StrEnum):
    """What a relative performance rests on. Values are stored and returned by the API."""

    SAME = "same"
    MEASURED = "measured"
    CLAIMED = "claimed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RelativePerformance:
    """Work that a type does in the time in which another does one unit of it.

    Args:
        own_type: of the instance, which counts as 1.
        other_type: the type compared with it.
        ratio: above 0; 1 where unknown.
        basis: what the ratio rests on.
        source: the set of throughputs, or AWS's announcements with date; "" if there is none.
        figures: both measured throughputs, or AWS's statements; "" if there are none.
        not_counted: AWS's statements that would count if the workload counted claims.
    """

    own_type: str
    other_type: str
    ratio: float = 1.0
    basis: Basis = Basis.UNKNOWN
    source: str = ""
    figures: str = ""
    not_counted: str = ""

    @property
    def sentence(self) -> str:
        """What a person reads; "" for the same type.

        >>> RelativePerformance("m6i.large", "c6id.large").sentence
        'Performance unknown: counted as equal to m6i.large.'
        """
        if self.own_type == self.other_type:
            return ""
        if self.basis is Basis.SAME:
            return f"Same family as {self.own_type}: counted as equally fast."
        if self.basis is Basis.UNKNOWN:
            unknown = f"Performance unknown: counted as equal to {self.own_type}."
            return f"{unknown} {self.not_counted}".strip()
        speed = f"Counted as {self.ratio:.3g} times as fast as {self.own_type}"
        if self.basis is Basis.MEASURED:
            return f"{speed}: measured, {self.figures} ({self.source})."
        return f"{speed}: AWS claims {self.figures} ({self.source}), not measured."


@dataclass(frozen=True)
class PerformanceIndex:
    """Relative performance of instance types for one workload.

    Args:
        sets: measured throughputs; of two sets that cover a pair of types, the first is used.
        claims_version: of AWS's statements; 0: they are not used.
        sizes: vCPUs, or GPUs or accelerators, by type; see `sizes_of`.
    """

    sets: tuple[ThroughputSet, ...] = ()
    claims_version: int = CLAIMS_VERSION
    sizes: Mapping[str, float] = field(default_factory=dict, compare=False)
    _known: dict[str, dict[str, RelativePerformance]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _ratios: dict[tuple[str, tuple[str, ...]], FloatArray] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _families: dict[tuple[str, ...], tuple[tuple[str, ...], NDArray[np.intp]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def fingerprint(self) -> str:
        """Identifies everything that ratios depend on but the sizes of types.

        >>> PerformanceIndex((ThroughputSet("training", 3, ()),)).fingerprint
        'training@3+claims@1'
        """
        if not self.sets and not self.claims_version:
            return ""
        return "+".join([*(each.reference for each in self.sets), f"claims@{self.claims_version}"])

    def with_sizes(self, hardware: Mapping[str, Hardware]) -> PerformanceIndex:
        """The same index, with the sizes of these types."""
        return replace(self, sizes=sizes_of(hardware))

    def relative(self, own_type: str, other_type: str) -> RelativePerformance:
        """The performance of a type relative to an instance's own type."""
        known = self._known.setdefault(own_type, {})
        found = known.get(other_type)
        if found is None:
            found = known[other_type] = self._compare(own_type, other_type)
        return found

    def ratios(self, own_type: str, types: Sequence[str]) -> FloatArray:
        """The performance of many types relative to an instance's own type.

        Args:
            own_type: of the instance.
            types: (n,).
        Returns:
            (n,) ratios above 0, read-only; 1 where unknown.
        """
        key = (own_type, tuple(types))
        found = self._ratios.get(key)
        if found is None:
            found = self._by_families(own_type, key[1]) if not self.sets else self._by_types(*key)
            found.setflags(write=False)
            self._ratios[key] = found
        return found

    def _by_types(self, own_type: str, types: tuple[str, ...]) -> FloatArray:
        by_family: dict[str, float] = {}
        by_type = {each: self._ratio(own_type, each, by_family) for each in set(types)}
        return np.fromiter(map(by_type.__getitem__, types), np.float64, len(types))

    def _by_families(self, own_type: str, types: tuple[str, ...]) -> FloatArray:
        """`_by_types` where nothing was measured: all types of a family have the same ratio."""
        families = self._families.get(types)
        if families is None:
            names = [family_of(each) for each in types]
            distinct = list(dict.fromkeys(names))
            place = {name: number for number, name in enumerate(distinct)}
            one_of_each = dict(zip(names, types, strict=True))
            families = self._families[types] = (
                tuple(one_of_each[name] for name in distinct),
                np.fromiter(map(place.__getitem__, names), np.intp, len(names)),
            )
        one_of_each_family, codes = families
        key = (family_of(own_type), one_of_each_family)
        if key not in self._ratios:
            ratios = [self._by_family(own_type, each).ratio for each in one_of_each_family]
            self._ratios[key] = np.array(ratios)
        return np.asarray(self._ratios[key][codes])

    def _ratio(self, own_type: str, other_type: str, by_family: dict[str, float]) -> float:
        """The ratio of `_compare`, without its sentences.

        Args:
            own_type, other_type: the types.
            by_family: ratios of other families where nothing was measured; filled here.
        """
        if own_type == other_type:
            return 1.0
        measured = self._measured(own_type, other_type)
        if measured is not None:
            return measured.ratio
        family = family_of(other_type)
        if family not in by_family:
            by_family[family] = self._by_family(own_type, other_type).ratio
        return by_family[family]

    def _compare(self, own_type: str, other_type: str) -> RelativePerformance:
        if own_type == other_type:
            return RelativePerformance(own_type, other_type, 1.0, Basis.SAME)
        measured = self._measured(own_type, other_type)
        return self._by_family(own_type, other_type) if measured is None else measured

    def _measured(self, own_type: str, other_type: str) -> RelativePerformance | None:
        for each in self.sets:
            measured = _measured(each, own_type, other_type, self.sizes.get(own_type))
            if measured is not None:
                return measured
        return None

    def _by_family(self, own_type: str, other_type: str) -> RelativePerformance:
        """From the families of two types, of which nothing was measured."""
        own_family, other_family = family_of(own_type), family_of(other_type)
        if own_family == other_family:
            return RelativePerformance(own_type, other_type, 1.0, Basis.SAME)
        faster = claim_paths(own_family, self.claims_version).get(other_family)
        if faster is not None:
            return _claimed(own_type, other_type, faster, is_faster=True)
        slower = claim_paths(other_family, self.claims_version).get(own_family)
        if slower is not None:
            return _claimed(own_type, other_type, slower, is_faster=False)
        return RelativePerformance(own_type, other_type)


EQUAL: Final = PerformanceIndex((), claims_version=0)
"""All hardware counts as equal: of decisions that were made before there was an index."""


def index_for(
    workload: str,
    newest: Mapping[str, ThroughputSet],
    hardware: Mapping[str, Hardware] = MappingProxyType({}),
    *,
    use_claims: bool = True,
) -> PerformanceIndex:
    """The index of a workload: its own throughputs, then those of all workloads, then claims.

    Args:
        workload: its name.
        newest: the newest set of each workload, by name.
        hardware: facts of the types that will be compared.
        use_claims: whether AWS's statements count.
    """
    names = dict.fromkeys((workload, ALL_WORKLOADS))
    sets = (newest[name] for name in names if name in newest)
    version = CLAIMS_VERSION if use_claims else 0
    return PerformanceIndex(
        tuple(each for each in sets if each.throughputs), version, sizes_of(hardware)
    )


def sizes_of(hardware: Mapping[str, Hardware]) -> dict[str, float]:
    """Accelerators or GPUs of each type, or its vCPUs if it has none; unknown ones are left out."""
    found = {}
    for name, each in hardware.items():
        size = each.gpu_count or each.accelerator_count
        if not size and not each.name.accelerated:
            size = each.vcpu
        if size:
            found[name] = size
    return found


def index_of(
    workload: Workload, newest: Mapping[str, ThroughputSet], hardware: Mapping[str, Hardware]
) -> PerformanceIndex:
    """The index of a workload; claims count if its hardware rule says so. See `index_for`."""
    return index_for(workload.name, newest, hardware, use_claims=workload.hardware.use_claims)


def read_fingerprint(fingerprint: str) -> tuple[tuple[tuple[str, int], ...], int]:
    """The sets (workload, version) and the claims' version that a fingerprint names.

    Args:
        fingerprint: as from `PerformanceIndex.fingerprint`; "": that of EQUAL.
    Raises:
        InvalidInput: it is no fingerprint.

    >>> read_fingerprint("training@3+*@1+claims@1")
    ((('training', 3), ('', 1)), 1)
    """
    if not fingerprint:
        return (), 0
    *sets, claims = _references(fingerprint)
    if claims[0] != "claims":
        raise _no_fingerprint(fingerprint)
    return tuple(("" if name == ANY_WORKLOAD else name, version) for name, version in sets), claims[
        1
    ]


def _references(fingerprint: str) -> Iterator[tuple[str, int]]:
    for reference in fingerprint.split("+"):
        name, at, version = reference.partition("@")
        if not (name and at and version.isdecimal()):
            raise _no_fingerprint(fingerprint)
        yield name, int(version)


def _no_fingerprint(fingerprint: str) -> InvalidInput:
    return InvalidInput(
        f"{fingerprint[:80]!r} is not the fingerprint of a performance index.",
        remedy="A fingerprint reads like training@3+*@1+claims@1.",
        field="performance",
    )


def _measured(
    figures: ThroughputSet, own_type: str, other_type: str, own_size: float | None
) -> RelativePerformance | None:
    """The ratio of two measured throughputs, or None if one is unknown.

    Where only one of them is a family's, it is scaled to the size of the instance's own type.
    """
    own, other = figures.of(own_type), figures.of(other_type)
    if own is None or other is None:
        return None
    size, unit = 1.0, figures.unit
    if own.of_family and other.of_family:
        unit = figures.unit_of(own)
    elif own.of_family or other.of_family:
        if own_size is None:
            return None
        size = own_size
    ours, theirs = (each.value * (size if each.of_family else 1.0) for each in (own, other))
    return RelativePerformance(
        own_type,
        other_type,
        theirs / ours,
        Basis.MEASURED,
        figures.label,
        f"{theirs:,.6g} against {ours:,.6g} {unit}".strip(),
    )


def _claimed(
    own_type: str, other_type: str, path: Sequence[Claim], *, is_faster: bool
) -> RelativePerformance:
    """The product of the statements on the way from the slower to the faster family."""
    ratio = 1.0
    for claim in path:
        ratio *= claim.ratio
    return RelativePerformance(
        own_type,
        other_type,
        ratio if is_faster else 1.0 / ratio,
        Basis.CLAIMED,
        "; ".join(claim.source for claim in path),
        " and ".join(f'"{claim.statement}"' for claim in path),
    )
