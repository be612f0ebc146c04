"""What the reader asks of a pool: one row of filters that live in the URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spotlab.domain.decision import Instance, Requirements
from spotlab.domain.risk import BUCKET_LABELS
from spotlab.ui.common.widgets import pick_instance, pick_many

INSTANCE_PX: Final = 250
WITH, WITHOUT = "with", "without"
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192)
MEMORIES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True, slots=True)
class Question:
    """The instance, and the row that is asked further in: it wraps where it is too narrow."""

    instance: Instance | None
    row: DeltaGenerator


def ask(fleet: Sequence[Instance]) -> Question:
    """Lay out the row, and pick an instance in it."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row, st.container(width=INSTANCE_PX):
        chosen = pick_instance(fleet, blank="any")
    return Question(next((i for i in fleet if i.instance_id == chosen), None), row)


def requirements(question: Question, base: Requirements, table: pd.DataFrame) -> Requirements:
    """The requirements of an instance (or none), with what the reader sets put in their place."""
    with question.row:
        regions = pick_many("Region", table["region"].unique(), "region")
        vcpu = _at_least("vCPU from", SIZES, "vcpu")
        memory = _at_least("GiB from", MEMORIES, "memory")
        architecture = _one("Architecture", ["x86_64", "arm64"], "arch")
        accelerator = _one("Accelerator", [WITH, WITHOUT], "accelerator")
        families = pick_many("Family", table["family"].unique(), "family")
        bucket = _one("Interrupted", list(BUCKET_LABELS), "bucket")
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
    chosen = _one(label, [str(step) for step in steps], key)
    return float(chosen) if chosen else None


def _one(label: str, options: list[str], key: str) -> str | None:
    return st.selectbox(label, options, index=None, key=key, bind="query-params", placeholder="any")
