"""The filters: an instance, and requirements that are derived from it until they are changed.

The URL names the instance and the changed requirements only: without them, the derived ones apply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spotlab.domain.decision import Instance
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import BUCKET_LABELS
from spotlab.domain.workload import AppliedWorkload
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.candidates import table as words
from spotlab.ui.common import formatting
from spotlab.ui.common.widgets import pick_instance

INSTANCE_PX: Final = 330
FILTER_PX: Final = 150
WIDE_PX: Final = 190
ANY: Final = "any"
"""Value in the URL of a filter that is empty although a requirement is derived."""
WITH, WITHOUT = "with", "without"
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192)
MEMORIES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SHORTCUTS: Final = ((2, 8), (4, 16), (8, 32), (16, 64))
"""(vCPU, GiB) that the empty page offers."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter on one requirement.

    Args:
        label: of the widget.
        key: of the query parameter.
        field: of Requirements.
        options: texts to choose from, of a ScoredMarket.table.
        to_text, from_text: between an element of the requirement and its text.
        many: several may be chosen.
        fixed: not changeable for an instance: its hardware stays like for like.
        wide: its values need more space.
    """

    label: str
    key: str
    field: str
    options: Callable[[pd.DataFrame], Sequence[str]]
    to_text: Callable[[Any], str] = str
    from_text: Callable[[str], Any] = str
    many: bool = False
    fixed: bool = False
    wide: bool = False

    def texts(self, requirements: Requirements) -> list[str]:
        """The texts of what is required; empty: nothing."""
        value = getattr(requirements, self.field)
        if self.many:
            return [self.to_text(each) for each in value]
        return [] if value is None else [self.to_text(value)]

    def value(self, texts: Sequence[str]) -> Any:
        """The requirement of some texts."""
        if self.many:
            return tuple(self.from_text(text) for text in texts)
        return self.from_text(texts[0]) if texts else None


def _is_with(text: str) -> bool:
    return text == WITH


def _number(value: float) -> str:
    return f"{value:g}"


def _with(value: bool) -> str:
    return WITH if value else WITHOUT


def _steps(sizes: Sequence[int]) -> Callable[[pd.DataFrame], Sequence[str]]:
    return lambda _table: [str(size) for size in sizes]


def _unique(column: str) -> Callable[[pd.DataFrame], Sequence[str]]:
    return lambda table: [str(value) for value in table[column].dropna().unique()]


FILTERS: Final = (
    Filter("Region", "region", "regions", _unique("region"), many=True, wide=True),
    Filter(
        "Zone",
        "zone",
        "zones",
        _unique("availability_zone"),
        many=True,
    ),
    Filter("Min. vCPU", "vcpu", "vcpu_min", _steps(SIZES), _number, float),
    Filter("Min. GiB", "memory", "memory_gb_min", _steps(MEMORIES), _number, float),
    Filter("Architecture", "arch", "architecture", lambda _table: ["x86_64", "arm64"]),
    Filter(
        "Accelerator",
        "accelerator",
        "accelerator",
        lambda _table: [WITH, WITHOUT],
        _with,
        _is_with,
        fixed=True,
        wide=True,
    ),
    Filter("Burstable", "burstable", "burstable", lambda _table: [WITH, WITHOUT], _with, _is_with),
    Filter("Family", "family", "families", _unique("family"), many=True),
    Filter(
        "Interrupted at most",
        "bucket",
        "max_advisor_bucket",
        lambda _table: BUCKET_LABELS,
        BUCKET_LABELS.__getitem__,
        BUCKET_LABELS.index,
    ),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the filters ask for.

    Args:
        requirements: to rank for.
        changed: labels of the filters that differ from the derived requirements.
    """

    requirements: Requirements
    changed: tuple[str, ...]


def show_instance(row: DeltaGenerator, fleet: Sequence[Instance]) -> Instance | None:
    """The first filter of a row, the instance."""
    with row, st.container(width=INSTANCE_PX):
        resets = [each.key for each in FILTERS]
        chosen = pick_instance(fleet, blank="none: rank for a size", resets=resets)
    return next((i for i in fleet if i.instance_id == chosen), None)


def show_requirements(
    row: DeltaGenerator, base: Requirements, table: pd.DataFrame, instance: Instance | None
) -> Asked:
    """The other filters; each shows a requirement of `base` until it is changed.

    Args:
        row: of the filters; it wraps if needed.
        base: the instance's own or derived requirements; for no instance: none.
        table: as in ScoredMarket.table; for the options.
        instance: that the requirements are of.
    """
    requirements, changed = base, []
    with row:
        for each in FILTERS:
            derived = each.texts(base)
            chosen = _show(each, derived, table, instance)
            if sorted(chosen) != sorted(derived):
                changed.append(each.label)
                requirements = replace(requirements, **{each.field: each.value(chosen)})
    return Asked(requirements, tuple(changed))


def _show(
    each: Filter, derived: list[str], table: pd.DataFrame, instance: Instance | None
) -> list[str]:
    """One filter; returns the texts that apply."""
    fixed = each.fixed and instance is not None
    options = [*dict.fromkeys([*_sorted(each.options(table), each), *derived])]
    options = _sorted(options, each)
    in_url = [] if fixed else _in_url(each.key, options)
    chosen = derived if not in_url else [] if in_url == [ANY] else in_url
    chosen = chosen if each.many else chosen[:1]
    widget = f"filter {each.key}"
    value = chosen if each.many else next(iter(chosen), None)
    if st.session_state.get(widget, ANY) != value:
        st.session_state[widget] = value
    label = each.label
    if instance is not None and sorted(chosen) != sorted(derived):
        label += " · changed"
    elif instance is not None and derived:
        label += " · derived" if instance.requirements is None else " · its own"
    common: dict[str, Any] = {
        "format_func": visible,
        "key": widget,
        "on_change": _write,
        "args": (each.key, widget, derived),
        "width": WIDE_PX if each.wide else FILTER_PX,
        "disabled": fixed,
        "help": _FIXED if fixed else None,
    }
    if each.many:
        st.multiselect(label, options, placeholder="all", **common)
    else:
        st.selectbox(label, options, index=None, placeholder="any", **common)
    return list(chosen)


_FIXED: Final = "A replacement keeps the kind of accelerator of its instance: like for like."


def _sorted(options: Sequence[str], each: Filter) -> list[str]:
    if each.from_text is float:
        return sorted(options, key=float)
    return sorted(options) if each.many else list(options)


def _in_url(key: str, options: Sequence[str]) -> list[str]:
    """The values of a filter in the URL; values that are no options are removed from it."""
    values = st.query_params.get_all(key)
    known = [value for value in dict.fromkeys(values) if value in options] or (
        [ANY] if ANY in values else []
    )
    if values and not known:
        st.query_params.pop(key, None)
    return known


def _write(key: str, widget: str, derived: list[str]) -> None:
    """Write a changed filter to the URL; one that is as derived is left out of it."""
    value = st.session_state[widget]
    texts = list(value) if isinstance(value, list) else [] if value is None else [value]
    if sorted(texts) == sorted(derived):
        st.query_params.pop(key, None)
    else:
        st.query_params[key] = texts or [ANY]


def show_origin(asked: Asked, base: Requirements, instance: Instance, by: AppliedWorkload) -> None:
    """Where the requirements come from; after a change, a way back."""
    source = (
        f"derived from {instance.pool.instance_type} and the workload {by.workload.name}"
        if instance.requirements is None
        else "the instance's own"
    )
    if not asked.changed:
        st.caption(
            formatting.plain(
                f"Requirements, {source}: {words.describe(base)}. Change a filter for a what-if."
            )
        )
        return
    changed = formatting.listed(asked.changed, most=9)
    st.warning(
        formatting.plain(
            f"What-if: changed here: {changed}. The instance is evaluated with the requirements "
            f"{source}: {words.describe(base)}."
        ),
        icon=":material/science:",
    )
    own = "derived" if instance.requirements is None else "own"
    st.button(f"Back to the {own} requirements", icon=":material/undo:", on_click=_reset)


def _reset() -> None:
    for each in FILTERS:
        st.query_params.pop(each.key, None)


def show_shortcuts(moves: Mapping[str, str]) -> None:
    """Buttons for the empty page: instances that should move, and common sizes.

    Args:
        moves: sentence by instance id, best first.
    """
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Instances that should move", anchor=False)
        if not moves:
            st.caption("None, by the newest decisions. Choose any instance above.")
        for instance_id, sentence in moves.items():
            _shortcut(sentence, ":material/dns:", instance=instance_id)
    with right:
        st.header("A size", anchor=False)
        for vcpu, memory in SHORTCUTS:
            size = {"vcpu": str(vcpu), "memory": str(memory)}
            _shortcut(f"At least {vcpu} vCPU and {memory} GiB", ":material/memory:", **size)
        _shortcut("With an accelerator", ":material/memory:", accelerator=WITH)


def _shortcut(label: str, icon: str, **parameters: str) -> None:
    """Not a link: Streamlit does not write a link to the page that is open to the URL."""
    st.button(
        formatting.plain(label),
        icon=icon,
        type="tertiary",
        key=f"shortcut {label}",
        on_click=st.query_params.update,
        kwargs=parameters,
    )
