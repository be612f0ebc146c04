"""What the reader asks of a pool: one row of filters that live in the URL. Screens floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spotlab.domain.decision import Instance, Requirements
from spotlab.domain.risk import BUCKET_LABELS
from spotlab.ui.widgets import pick_instance, pick_many

WITH, WITHOUT = "with", "without"
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192)
MEMORIES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True, slots=True)
class Question:
    """The row's places: the instance first, then what is asked beside it."""

    instance: Instance | None
    places: Sequence[DeltaGenerator]


def ask(fleet: Sequence[Instance]) -> Question:
    """Lay out the row, and pick an instance in it."""
    row = st.columns([3.4, 2.2, 1.6, 1.8, 1.7, 1.9, 2.2, 1.9], vertical_alignment="bottom")
    with row[0]:
        chosen = pick_instance(fleet, blank="any")
    return Question(next((i for i in fleet if i.instance_id == chosen), None), row[1:])


def requirements(question: Question, base: Requirements, table: pd.DataFrame) -> Requirements:
    """The requirements of an instance (or none), with what the reader sets put in their place."""
    row = question.places
    with row[0]:
        regions = pick_many("Region", table["region"].unique(), "region")
    with row[1]:
        vcpu = _at_least("vCPU from", SIZES, "vcpu")
    with row[2]:
        memory = _at_least("GiB from", MEMORIES, "memory")
    with row[3]:
        architecture = _one("Architecture", ["x86_64", "arm64"], "arch")
    with row[4]:
        accelerator = _one("Accelerator", [WITH, WITHOUT], "accelerator")
    with row[5]:
        families = pick_many("Family", table["family"].unique(), "family")
    with row[6]:
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
