"""Hardware of the types of a market, from the specifications in their feed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_float_dtype

from spotlab.domain.coded_texts import Texts
from spotlab.domain.hardware import Hardware, HardwareTable, complete
from spotlab.domain.instance_types import TypeName, parse_type


@lru_cache(maxsize=8)
def rows_of_types(specs: Texts, types: Texts) -> NDArray[np.intp]:
    """(distinct types,) the row of each type's specifications, the last of several; -1: none."""
    places = specs.places_in(types.code_of)
    known = np.flatnonzero(places >= 0)
    rows = np.full(len(types.names), -1, dtype=np.intp)
    rows[places[known]] = known
    return rows


def hardware_of(specs: pd.DataFrame, table: pd.DataFrame) -> HardwareTable:
    """Hardware of each type that has a price. The same facts give the same table, from a cache.

    Args:
        specs: FEED_COLUMNS[SPECS]; columns that are missing or NaN are unknown.
        table: with a column instance_type.
    """
    types = Texts.of(table["instance_type"])
    rows = rows_of_types(Texts.of(specs["instance_type"]), types)
    columns = (
        _facts(specs[name], rows) if name in specs else [None] * len(rows)
        for name in _HARDWARE.values()
    )
    return _hardware_of(tuple(zip(types.names, *columns, strict=True)))


def _facts(column: pd.Series, rows: NDArray[np.intp]) -> list[Any]:
    """The values in these rows of a column; None where unknown, or for row -1."""
    if is_float_dtype(column.dtype):
        numbers = np.append(column.to_numpy(dtype=np.float64), np.nan)[rows]
        return [None if number != number else number for number in numbers.tolist()]
    texts = Texts.of(column)
    values = (*texts.names, None)
    return [values[code] for code in np.append(texts.codes, -1)[rows].tolist()]


@lru_cache(maxsize=8)
def _hardware_of(rows: tuple[tuple[str | float | None, ...], ...]) -> HardwareTable:
    """From (type, facts in the order of _HARDWARE); a name that is no type's is left out."""
    found = {}
    for name, *values in rows:
        if isinstance(name, str) and parsed_type(name) is not None:
            facts: dict[str, Any] = dict(zip(_HARDWARE, values, strict=True))
            found[name] = complete(Hardware(name, **facts))
    return HardwareTable(found)


_HARDWARE: Final = {
    "vcpu": "vcpu",
    "memory_gb": "memory_gb",
    "architecture": "architecture",
    "gpu_model": "gpu_model",
    "gpu_count": "gpu_count",
    "gpu_memory_gb": "gpu_memory_gb",
    "accelerator": "accelerator_model",
    "accelerator_count": "accelerator_count",
    "cpu_maker": "cpu_maker",
    "clock_mhz": "clock_mhz",
    "local_nvme_gb": "local_nvme_gb",
    "network_mbps": "network_mbps",
    "ebs_mbps": "ebs_mbps",
}
"""Field of Hardware by column of the specifications."""


def parsed_type(instance_type: str) -> TypeName | None:
    """The parts of a type's name; None: it is no type's name."""
    try:
        return parse_type(instance_type)
    except ValueError:
        return None
