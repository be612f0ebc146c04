"""The fields of a workload's own requirements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import streamlit as st

from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import BUCKET_LABELS
from spotlab.telemetry.invisible_characters import visible

ANY: Final = "any"
_CHOICES: Final[Mapping[str, bool | None]] = {ANY: None, "required": True, "excluded": False}


def show(base: Requirements, key: str) -> Requirements:
    """Shows the fields, and returns the requirements that they describe.

    Args:
        base: to start from.
        key: prefix of the fields' keys.
    """
    left, right = st.columns(2)
    sizes: dict[str, Any] = {}
    for place, name, label in (
        (left, "vcpu_min", "vCPU, at least"),
        (right, "vcpu_max", "vCPU, at most"),
        (left, "memory_gb_min", "Memory, at least (GiB)"),
        (right, "memory_gb_max", "Memory, at most (GiB)"),
    ):
        sizes[name] = place.number_input(
            label,
            0.0,
            1e6,
            getattr(base, name),
            1.0,
            format="%g",
            placeholder="any",
            key=f"{key} {name}",
        )
    architectures = [ANY, "x86_64", "arm64"]
    architecture = left.selectbox(
        "Architecture",
        architectures,
        architectures.index(base.architecture or ANY),
        key=f"{key} architecture",
    )
    families = right.multiselect(
        "Families",
        base.families,
        base.families,
        format_func=visible,
        accept_new_options=True,
        placeholder="any",
        key=f"{key} families",
        help="Such as m6i and m7i.",
    )
    names, choices = [*_CHOICES], [*_CHOICES.values()]
    accelerator = left.selectbox(
        "Accelerator", names, choices.index(base.accelerator), key=f"{key} accelerator"
    )
    burstable = right.selectbox(
        "Burstable types", names, choices.index(base.burstable), key=f"{key} burstable"
    )
    buckets = [None, *range(len(BUCKET_LABELS))]
    bucket = left.selectbox(
        "Interruption rate last month, at most",
        buckets,
        buckets.index(base.max_advisor_bucket),
        format_func=lambda each: ANY if each is None else BUCKET_LABELS[each],
        key=f"{key} bucket",
        help="The Spot Advisor's class of a type in a region.",
    )
    return replace(
        base,
        max_advisor_bucket=bucket,
        architecture=None if architecture == ANY else architecture,
        families=tuple(families),
        accelerator=_CHOICES[accelerator],
        burstable=_CHOICES[burstable],
        **sizes,
    )
