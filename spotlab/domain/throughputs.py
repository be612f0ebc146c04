"""Measured throughputs: how much work an instance type or a family does, in a user's own unit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Final

from spotlab.domain.instance_types import family_of, parse_type
from spotlab.errors import InvalidInput
from spotlab.telemetry.invisible_characters import hides_something, visible

ALL_WORKLOADS: Final = ""
"""Instead of a workload's name: throughputs that count for every workload."""
MAX_THROUGHPUT: Final = 1e15
MAX_NOTE: Final = 200
MAX_UNIT: Final = 40
MAX_THROUGHPUTS: Final = 2_000
PER_UNIT: Final = "per vCPU or GPU"
ANY_WORKLOAD: Final = "*"
"""How a reference writes ALL_WORKLOADS: no workload can have this name."""
_SIZE: Final = re.compile(r"([1-9]\d{0,2})?(nano|micro|small|medium|large|xlarge)|metal(-\d+xl)?")


@dataclass(frozen=True, slots=True)
class Throughput:
    """Units of work that a type does in a unit of time, as a user measured it.

    Args:
        name: an instance type such as "m7g.large", or a family such as "m7g".
        value: of a type: the whole instance's; of a family: per vCPU, or per GPU or accelerator
            if it has any. Above 0.
        measured_at: None if the user did not say.
        note: how, in the user's words.
    """

    name: str
    value: float
    measured_at: date | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Check the fields. Raises InvalidInput: names the field and what would be right."""
        family, dot, size = self.name.partition(".")
        if not _is_family(family) or (dot and not _SIZE.fullmatch(size)):
            raise InvalidInput(
                f"{visible(self.name[:40])!r} is not an instance type or a family.",
                remedy="Use a type such as m7g.large, or a family such as m7g.",
                field="name",
            )
        if not 0.0 < self.value <= MAX_THROUGHPUT:  # NaN is rejected too
            raise InvalidInput(
                f"The throughput of {self.name} is {self.value:g}.",
                remedy=f"Use a number above 0, up to {MAX_THROUGHPUT:g}.",
                field="throughput",
            )
        _check_text("note", self.note, MAX_NOTE)

    @property
    def of_family(self) -> bool:
        """Whether it is the throughput of a family, per vCPU, GPU or accelerator."""
        return "." not in self.name


@dataclass(frozen=True)
class ThroughputSet:
    """One version of the throughputs of a workload; versions never change.

    Args:
        workload: its name; ALL_WORKLOADS: they count for every workload.
        version: 1, 2, …
        throughputs: by name, each name once.
        unit: of every value, such as "images/s"; "": not said.
        created_at: aware UTC.
        created_by: a user's name.
        reason: why, in the author's words.
    """

    workload: str
    version: int
    throughputs: tuple[Throughput, ...]
    unit: str = ""
    created_at: datetime | None = None
    created_by: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        """Check the unit and the names. Raises InvalidInput."""
        _check_text("unit", self.unit, MAX_UNIT)
        if len(self.throughputs) > MAX_THROUGHPUTS:
            raise InvalidInput(
                f"There are {len(self.throughputs):,} throughputs.",
                remedy=f"Use at most {MAX_THROUGHPUTS:,}, by family where types are alike.",
                field="throughputs",
            )
        names = Counter(each.name for each in self.throughputs)
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise InvalidInput(
                f"{twice[0]} has {names[twice[0]]} throughputs.",
                remedy="Enter each type or family once.",
                field="throughputs",
            )

    @property
    def reference(self) -> str:
        """ "workload@version"; "*@version" for every workload."""
        return f"{self.workload or ANY_WORKLOAD}@{self.version}"

    @property
    def label(self) -> str:
        """Where its figures come from, for a sentence."""
        whose = f"of {self.workload}" if self.workload else "of all workloads"
        return f"throughputs {whose}, version {self.version}"

    def unit_of(self, throughput: Throughput) -> str:
        """The unit of one of its values: a family's is per vCPU, GPU or accelerator."""
        return f"{self.unit} {PER_UNIT if throughput.of_family else ''}".strip()

    @cached_property
    def by_name(self) -> Mapping[str, Throughput]:
        """The throughputs by type or family."""
        return {each.name: each for each in self.throughputs}

    def of(self, instance_type: str) -> Throughput | None:
        """The throughput of a type: its own, else that of its family, else None."""
        return self.by_name.get(instance_type) or self.by_name.get(family_of(instance_type))


def _is_family(name: str) -> bool:
    try:
        known = parse_type(f"{name}.large").family == name
    except ValueError:
        return False
    return known and name[0].islower() and any(map(str.isdigit, name))


def _check_text(name: str, text: str, longest: int) -> None:
    if len(text) > longest or hides_something(text):
        raise InvalidInput(
            f"The {name} {visible(text[:40])!r} is too long or has invisible characters.",
            remedy=f"Use up to {longest} visible characters.",
            field=name,
        )
