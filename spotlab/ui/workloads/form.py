"""The form of a workload; each change is shown with its consequence, before it is saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import streamlit as st

from spotlab.domain.hardware import GPUS
from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.plain_names import MAX_NAME
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import (
    LIMITS,
    MAX_DESCRIPTION,
    MAX_MEMORY_TOLERANCE,
    MAX_TAG,
    Workload,
    with_work_lost,
)
from spotlab.errors import InvalidInput
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import tables
from spotlab.ui.workloads import requirement_fields

CHECKPOINTS, MEAN_LOSS = "Checkpoints", "Mean loss"
LABELS: Final = {
    "checkpoint_interval_h": "Checkpoint interval (h)",
    "work_lost_h": "Work lost (h)",
    "recovery_h": "Recovery (h)",
    "fixed_usd": "Fixed cost (USD)",
    "outage_usd_per_hour": "Always up: outage (USD/h)",
    "value_usd_per_hour": "Value of an hour (USD)",
    "deadline_slack_h": "Deadline: slack (h)",
    "late_usd_per_hour": "Deadline: cost when late (USD/h)",
    "horizon_h": "Horizon (h)",
}
"""Labels of the numbers, by field."""
_FLAGS: Final = {
    "allow_older_generation": "Accept older CPU generations",
    "allow_burstable": "Accept burstable and flex types",
    "allow_weaker_gpu": "Accept weaker GPUs",
    "same_cpu_maker": "Require the same CPU maker",
    "uses_local_storage": "Require as much local storage",
    "keeps_bandwidth": "Require as much network and EBS bandwidth",
    "use_claims": "Count what AWS claims about performance",
}


def key_of(base: Workload) -> str:
    """Key suffix of the fields; another version gets a new one, so that the form shows it."""
    return tables.key_of("workload", [repr(base)])


def show(base: Workload, regions: Sequence[str], zones: Sequence[str]) -> Workload:
    """Shows the fields, and returns the workload that they describe.

    Args:
        base: the workload to start from.
        regions: known regions.
        zones: zones of the market.
    Raises:
        InvalidInput: the fields describe none; names the field and what would be right.
    """
    key = key_of(base)
    name = st.text_input(
        "Name",
        base.name,
        max_chars=MAX_NAME,
        key=f"{key} name",
        help="Another name saves a new workload that starts from this one. Letters, digits, - and "
        "_.",
    )
    description = st.text_area(
        "What it assumes, in a sentence",
        base.description,
        max_chars=MAX_DESCRIPTION,
        height=80,
        key=f"{key} description",
    )
    named = replace(base, name=name.strip(), description=description.strip())
    draft = _costs(named, key)
    with st.expander("Where it may run, and how it is spread", icon=":material/public:"):
        draft = _places(draft, regions, zones, key)
    with st.expander("Hardware that counts as equal", icon=":material/memory:"):
        return _hardware(draft, key)


def _costs(base: Workload, key: str) -> Workload:
    """The fields of what an interruption costs."""
    st.markdown("**An interruption costs**")
    base = _work_lost(base, key)
    left, right = st.columns(2)
    with left:
        recovery_h = _number(
            "recovery_h", base.recovery_h, "Hours until a replacement does useful work.", key
        )
    with right:
        value = _optional(
            "value_usd_per_hour",
            base.value_usd_per_hour,
            "the on-demand price",
            "Value of an hour of work. Empty: the on-demand price of the instance's type.",
            key,
        )
    left, right = st.columns(2)
    with left:
        fixed = _number(
            "fixed_usd",
            base.fixed_usd,
            "Cost of each interruption that does not depend on time, such as a person's attention.",
            key,
        )
    with right:
        outage = _number(
            "outage_usd_per_hour",
            base.outage_usd_per_hour,
            "Cost of each hour without the instance, in addition to the value of the hour; counts "
            "during a recovery and a switch. 0: it need not always be up.",
            key,
        )
    left, right = st.columns(2)
    with left:
        slack_h = _optional(
            "deadline_slack_h",
            base.deadline_slack_h,
            "no deadline",
            "Hours by which the work may be delayed and still be in time. Empty: no deadline.",
            key,
        )
    with right:
        late = _number(
            "late_usd_per_hour",
            base.late_usd_per_hour,
            "Cost of each hour after the deadline.",
            key,
            disabled=slack_h is None,
        )
    return replace(
        base,
        recovery_h=recovery_h,
        fixed_usd=fixed,
        value_usd_per_hour=value,
        outage_usd_per_hour=outage,
        deadline_slack_h=slack_h,
        late_usd_per_hour=0.0 if slack_h is None else late,
    )


def _work_lost(base: Workload, key: str) -> Workload:
    """The loss of work, as a checkpoint interval or as its mean."""
    left, right = st.columns(2)
    kinds = [CHECKPOINTS, MEAN_LOSS]
    with left:
        kind = st.segmented_control(
            "Work lost is given by",
            kinds,
            default=kinds[base.checkpoint_interval_h is None],
            required=True,
            key=f"{key} kind",
            help="With checkpoints, half of the interval is lost on average.",
        )
    with right:
        if kind == CHECKPOINTS:
            interval = base.checkpoint_interval_h
            interval_h = _number(
                "checkpoint_interval_h",
                2 * base.work_lost_h if interval is None else interval,
                "Hours between checkpoints. Half of it is lost on average.",
                key,
            )
            return with_work_lost(base, None, interval_h)
        lost_h = _number(
            "work_lost_h",
            base.work_lost_h,
            "Mean hours of work that an interruption destroys, such as half a job.",
            key,
        )
        return with_work_lost(base, lost_h, None)


def _places(base: Workload, regions: Sequence[str], zones: Sequence[str], key: str) -> Workload:
    """The fields of horizon, spread, regions and zones."""
    left, right = st.columns(2)
    with left:
        horizon_h = _number("horizon_h", base.horizon_h, "Horizon of the risks that it shows.", key)
        chosen_regions = st.multiselect(
            "Regions",
            sorted({*regions, *base.regions}),
            base.regions,
            format_func=visible,
            accept_new_options=True,
            placeholder="its own region",
            key=f"{key} regions",
            help="Where a replacement may run. Empty: in the instance's own region.",
        )
        group_tag = st.text_input(
            "Group: name of a tag",
            base.group_tag,
            max_chars=MAX_TAG,
            placeholder="all instances with this workload",
            key=f"{key} group",
            help="Instances with the same value of this tag form one group. Empty: all instances "
            "with this workload form one group.",
        )
    with right:
        share = st.number_input(
            "Largest share of its group on one pool (%)",
            min(1.0, 100 * base.max_pool_share),
            100.0,
            100 * base.max_pool_share,
            5.0,
            format="%g",
            key=f"{key} share",
            help="So that one pool's interruption does not stop all of them. 1 to 100 %.",
        )
        in_regions = [
            zone for zone in zones if any(zone.startswith(each) for each in chosen_regions or [""])
        ]
        chosen_zones = st.multiselect(
            "Zones",
            sorted({*in_regions, *base.zones}),
            base.zones,
            format_func=visible,
            accept_new_options=True,
            placeholder="any zone",
            key=f"{key} zones",
            help="Where a replacement may run. Empty: in any zone of the regions.",
        )
    return replace(
        base,
        horizon_h=horizon_h,
        max_pool_share=_share(share, base.max_pool_share),
        regions=tuple(chosen_regions),
        zones=tuple(chosen_zones),
        group_tag=group_tag.strip(),
    )


def _hardware(base: Workload, key: str) -> Workload:
    """The fields of what counts as equal hardware, and of own requirements."""
    rule = base.hardware
    left, right = st.columns(2)
    tolerance = left.number_input(
        "Memory that may be missing (%)",
        0.0,
        100 * MAX_MEMORY_TOLERANCE,
        100 * rule.memory_tolerance,
        1.0,
        format="%g",
        key=f"{key} tolerance",
        help="7 % lets 7.5 GiB replace 8 GiB. 0 to 50 %.",
    )
    equal = right.multiselect(
        "Equal GPUs",
        sorted({*GPUS, *rule.equal_gpus}),
        sorted(rule.equal_gpus),
        format_func=lambda name: GPUS[name].label if name in GPUS else visible(name),
        accept_new_options=True,
        placeholder="none",
        key=f"{key} gpus",
        help="Models that may replace each other. Otherwise a GPU replaces one that is not better.",
    )
    flags = {}
    for index, (name, label) in enumerate(_FLAGS.items()):
        with (left, right)[index // 4]:
            flags[name] = st.checkbox(label, getattr(rule, name), key=f"{key} {name}")
    hardware = HardwareRule(
        memory_tolerance=_share(tolerance, rule.memory_tolerance),
        equal_gpus=frozenset(each.lower() for each in equal),
        **flags,
    )
    own = st.toggle(
        "Own requirements instead of those of the instance's type",
        base.requirements is not None,
        key=f"{key} own",
        help="By default a replacement has at least the vCPU and memory of the instance, and its "
        "architecture. An instance with requirements of its own ignores these.",
    )
    needs = requirement_fields.show(base.requirements or Requirements(), key) if own else None
    return replace(base, hardware=hardware, requirements=needs)


def explained(error: InvalidInput) -> str:
    """The message of an error, with the labels of the fields instead of their names."""
    text = f"{error.message} {error.remedy}"
    for name, label in LABELS.items():
        text = text.replace(name, f"“{label}”")
    return text


def _number(name: str, value: float, meaning: str, key: str, *, disabled: bool = False) -> float:
    low, high = LIMITS[name]
    return st.number_input(
        LABELS[name],
        low,
        high,
        value,
        _step(name),
        format="%g",
        key=f"{key} {name}",
        help=f"{meaning} {low:g} to {high:,.0f}.",
        disabled=disabled,
    )


def _optional(name: str, value: float | None, blank: str, meaning: str, key: str) -> float | None:
    low, high = LIMITS[name]
    return st.number_input(
        LABELS[name],
        low,
        high,
        value,
        _step(name),
        format="%g",
        placeholder=blank,
        key=f"{key} {name}",
        help=f"{meaning} {low:g} to {high:,.0f}.",
    )


def _step(name: str) -> float:
    return 1.0 if name.endswith(("usd", "usd_per_hour")) or name == "horizon_h" else 0.05


def _share(percent: float, former: float) -> float:
    """A share; the former one where the percent is its own, which may have more digits."""
    return former if abs(percent - 100 * former) < 1e-9 else percent / 100
