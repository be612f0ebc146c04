"""The row of filters: an instance, and requirements that replace its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spotlab.domain.decision import Instance, Requirements
from spotlab.domain.risk import BUCKET_LABELS
from spotlab.ui.common.widgets import pick_instance, pick_many, pick_option

INSTANCE_PX: Final = 250
WITH, WITHOUT = "with", "without"
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192)
MEMORIES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True, slots=True)
class FilterRow:
    """The selected instance, and the row that further filters are added to; it wraps if needed."""

    instance: Instance | None
    row: DeltaGenerator


def show_instance(fleet: Sequence[Instance]) -> FilterRow:
    """The row with its first filter, the instance."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row, st.container(width=INSTANCE_PX):
        chosen = pick_instance(fleet, blank="any")
    return FilterRow(next((i for i in fleet if i.instance_id == chosen), None), row)


def show_requirements(row: FilterRow, base: Requirements, table: pd.DataFrame) -> Requirements:
    """The other filters; each one that is set replaces a requirement of `base`.

    Args:
        row: from `show_instance`.
        base: the instance's requirements, or none.
        table: as in ScoredMarket.table; for the options.
    """
    with row.row:
        regions = pick_many("Region", table["region"].unique(), "region")
        vcpu = _at_least("Min. vCPU", SIZES, "vcpu")
        memory = _at_least("Min. GiB", MEMORIES, "memory")
        architecture = pick_option("Architecture", ["x86_64", "arm64"], "arch", blank="any")
        accelerator = pick_option("Accelerator", [WITH, WITHOUT], "accelerator", blank="any")
        families = pick_many("Family", table["family"].unique(), "family")
        bucket = pick_option("Interrupted at most", BUCKET_LABELS, "bucket", blank="any")
    return replace(
        base,
        regions=tuple(regions) or base.regions,
        vcpu_min=vcpu or base.vcpu_min,
        memory_gb_min=memory or base.memory_gb_min,
        architecture=architecture or base.architecture,
        accelerator=base.accelerator if accelerator is None else accelerator == WITH,
        families=tuple(families) or base.families,
        max_advisor_bucket=base.max_advisor_bucket
        if bucket is None
        else BUCKET_LABELS.index(bucket),
    )


def _at_least(label: str, steps: tuple[int, ...], key: str) -> float | None:
    chosen = pick_option(label, [str(step) for step in steps], key, blank="any")
    return float(chosen) if chosen else None
