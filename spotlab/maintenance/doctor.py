"""Self-check of the app: versions, settings, components and data."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from spotlab import __version__
from spotlab.domain.ports import ComponentState
from spotlab.errors import SpotlabError
from spotlab.runtime.evidence import archive_of
from spotlab.runtime.lab import Lab
from spotlab.runtime.model_registration import notices
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines


def examine(lab: Lab, components: Sequence[ComponentState]) -> dict[str, Any]:
    """Describe the app and its components.

    Args:
        lab: the lab to describe.
        components: the state of each, as probed.
    Returns:
        ok (no component is down), version, settings (secrets masked), database, limitations (what
        does not work with this database, online store and evidence archive), evidence_archive
        (its files and those that cannot be read), online_store, components, models,
        model_notices (models to review) and market.
    """
    files, unreadable = archive_of(lab).check()
    return {
        "ok": all(component.state != "down" for component in components),
        "spotlab": __version__,
        "python": platform.python_version(),
        "settings": _settings(lab.settings),
        "database": dict(lab.store.describe()),
        "limitations": [
            *lab.store.limitations(),
            *_online_limitations(lab),
            *(f"Evidence archive: {each}." for each in unreadable),
        ],
        "evidence_archive": {"files": files, "unreadable": unreadable},
        "online_store": _online_store(lab),
        "market": _market(lab),
        "fleet": {
            "instances": len(lab.store.fleet.instances()),
            "experiments": lab.store.ledger.count(),
        },
        "models": [
            {"name": m.reference, "task": m.task, "state": m.state, "enabled": m.enabled}
            for m in lab.models()
        ],
        "model_notices": notices(lab.models(), lab.predictor.available()),
        "refused_models": [
            {"name": f"{found.name}@{found.version}", "reason": found.refused}
            for found in lab.predictor.available()
            if found.refused
        ],
        "components": [
            {
                "name": component.name,
                "state": component.state,
                "reason": component.reason,
                "last_success_at": component.last_success_at.isoformat()
                if component.last_success_at
                else None,
                "latency_ms": component.latency_ms,
            }
            for component in components
        ],
    }


def report_text(document: dict[str, Any]) -> str:
    """The result as text: one line per component."""
    lines = [
        f"{component['state']:<9} {component['name']}: {component['reason']}"
        for component in document["components"]
    ]
    notes = [f"note      {notice}" for notice in document["model_notices"]]
    notes += [f"problem   {sentence}" for sentence in document["limitations"]]
    return in_lines([f"spotlab {document['spotlab']}", *lines, *notes])


def _settings(settings: Settings) -> dict[str, Any]:
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {
        name: "***" if isinstance(value, SecretStr) else value if value is None else str(value)
        for name, value in values.items()
    }


def _online_store(lab: Lab) -> dict[str, Any]:
    try:
        return {"available": True, **lab.open_online().info()}
    except SpotlabError as exc:
        return {"available": False, "reason": str(exc)}


def _online_limitations(lab: Lab) -> tuple[str, ...]:
    try:
        return lab.open_online().limitations()
    except SpotlabError:  # the component's state says so
        return ()


def _market(lab: Lab) -> dict[str, Any]:
    active = lab.store.archive.active_market()
    infos = lab.store.archive.infos(active) if active else []
    return {
        "active": active,
        "label": lab.mode.label,
        "snapshots": dict(Counter(str(info.kind) for info in infos)),
        "newest_event": infos[0].event_time.isoformat() if infos else None,
    }
