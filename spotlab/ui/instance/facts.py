"""What a switch must keep of an instance: discovered on click, with what could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.instance_facts import InstanceFacts
from spotlab.domain.unknown import Unknown
from spotlab.ui.common import background_tasks, formatting, session, tables
from spotlab.ui.common.formatting import ago, plain
from spotlab.ui.common.tables import Column

SLOT: Final = "discover"
NOT_READ: Final = "not read"


def show(instance_id: str, now: datetime) -> None:
    """A button that reads the facts in AWS, and what was read last."""
    run = background_tasks.take(SLOT)
    if run is not None and run.result is not None:
        st.session_state[SLOT] = run.result
    facts: InstanceFacts | None = st.session_state.get(SLOT)
    known = facts if facts is not None and facts.instance_id == instance_id else None
    with st.columns([1, 4])[0]:
        background_tasks.start_button(
            "Discover again" if known else "Discover",
            SLOT,
            Right.COLLECT,
            _discover,
            (instance_id,),
            icon=":material/travel_explore:",
            key="discover-now",
        )
    background_tasks.watch(SLOT)
    if known is None:
        st.caption(
            "Volumes, addresses, target groups, tags and settings that a switch must keep are "
            "read from AWS on demand."
        )
        return
    frame = rows(known)
    unread = len(known.unknown())
    missing = f"; {formatting.count(unread, 'fact')} could not be read" if unread else ""
    st.caption(
        plain(f"{formatting.count(len(frame), 'fact')} read {ago(known.read_at, now)}{missing}."),
        help=formatting.moment(known.read_at),
    )
    columns = {
        "what": Column("what", width=150),
        "value": Column("found", width=380),
        "why": Column("why it could not be read", help="“—”: it was read.", width=300),
    }
    tables.show(frame, columns, name="What a switch must keep", key="facts", max_rows=16)


def _discover(instance_id: str) -> None:
    services = session.services().instances

    def work(tell: background_tasks.Progress, _stopped: object) -> InstanceFacts:
        tell("reading the instance, its volumes, addresses and target groups", 0.3)
        return services.discover(instance_id)

    background_tasks.begin(SLOT, "Discovering", work)


def rows(facts: InstanceFacts) -> pd.DataFrame:
    """One row per fact; what could not be read says why."""
    shown = [
        {"what": what, "value": NOT_READ, "why": _why(value)}
        if isinstance(value, Unknown)
        else {"what": what, "value": _text(value), "why": None}
        for what, value in _facts(facts)
    ]
    partly = [
        {"what": path, "value": NOT_READ, "why": _why(unknown)}
        for path, unknown in facts.unknown().items()
        if "." in path
    ]
    return pd.DataFrame([*shown, *partly], columns=["what", "value", "why"])


def _why(unknown: Unknown) -> str:
    right = f" The role lacks {unknown.permission}." if unknown.permission else ""
    return f"{unknown.reason}{right}"


def _facts(facts: InstanceFacts) -> Iterator[tuple[str, Any]]:
    """The facts that matter to a switch, in words."""
    yield "owned by", [f"{each.kind} {each.name}" for each in facts.owners]
    template = facts.launch_template
    yield (
        "launch template",
        template
        if template is None or isinstance(template, Unknown)
        else f"{template.name or template.template_id}, version {template.version}",
    )
    for volume in facts.volumes:
        size = "size not read" if isinstance(volume.size_gb, Unknown) else f"{volume.size_gb} GiB"
        kept = "deleted with the instance" if volume.delete_on_termination else "kept"
        yield (
            "root volume" if volume.root else "data volume",
            f"{volume.volume_id}, {volume.device}, {size}, {kept}",
        )
    store = facts.instance_store_gb
    yield "instance store", store if isinstance(store, Unknown) else store and f"{store:g} GB"
    for interface in facts.interfaces:
        addresses = [
            interface.primary_private_address,
            *interface.secondary_private_addresses,
            *interface.ipv6_addresses,
        ]
        yield "network interface", f"{interface.interface_id}: {', '.join(addresses)}"
    yield "public address", facts.public_address
    yield "Elastic IP addresses", [each.public_address for each in facts.elastic_addresses]
    targets = facts.targets
    yield (
        "target groups",
        targets
        if isinstance(targets, Unknown)
        else [f"{each.group_name}:{each.port} ({each.health})" for each in targets],
    )
    yield "instance profile", facts.instance_profile
    data = facts.user_data
    yield (
        "user data",
        data
        if data is None or isinstance(data, Unknown)
        else f"present, SHA-256 {data.sha256[:16]}…",
    )
    yield "tags", [f"{key}={value}" for key, value in sorted(facts.tags.items())]
    yield "termination protection", facts.termination_protection
    yield "key pair", facts.key_pair
    yield "tenancy", facts.placement.tenancy
    yield "image", facts.image.image_id
    yield "spot request", facts.spot_request and facts.spot_request.request_id


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value else "none"
