"""Retention on a lab: outcomes first, then deletion, audited and cancellable."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from spotlab.domain.access import Role
from spotlab.domain.ports import AuditFilter
from spotlab.errors import Forbidden
from spotlab.runtime.lab import Lab
from spotlab.scheduling.job_catalogue import job
from spotlab.services import Services
from spotlab.store.retention_rules import RULES
from tests.support import builders as make
from tests.support.lab import empty_lab, save_toy_model
from tests.support.people import ANA, person


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Three decisions, two of them a thousand days old, and old outcomes of a component."""
    save_toy_model(tmp_path / "models")
    lab = empty_lab(tmp_path / "home", tmp_path / "models")
    now = lab.clock.now()
    for days in (1000, 900, 1):
        lab.store.ledger.record(replace(make.experiment(), created_at=now - timedelta(days=days)))
    for minute in range(3):
        at = now - timedelta(days=99, minutes=minute)
        lab.store.health.note("prices", ok=True, at=at, latency_ms=1.0, reason="")
    return lab


def test_it_says_how_many_of_what_went_and_leaves_it_in_the_audit_log(lab: Lab) -> None:
    with lab:
        keeping = Services(lab, ANA).maintenance
        told = keeping.sweep(dry_run=True)
        assert told.summary == "Would delete 2 decisions, 2 outcomes of components."
        assert lab.store.ledger.count() == 3

        swept = keeping.sweep()

        assert swept.summary == "Deleted 2 decisions, 2 outcomes of components."
        assert swept.deleted == told.deleted
        assert lab.store.ledger.count() == 1
        (entry,) = lab.store.audit.entries(AuditFilter(action="data.retention"))
        assert (entry.actor, entry.after) == ("ana", {"decisions": 2, "outcomes of components": 2})
        assert keeping.sweep().summary == "Deleted nothing: no data is both old and unused."
        assert lab.store.audit.count(AuditFilter(action="data.retention")) == 1
        assert lab.store.audit.check().broken_at is None


def test_it_stops_between_batches_and_tells_what_went(lab: Lab) -> None:
    with lab:
        heard: list[str] = []
        swept = Services(lab, ANA).maintenance.sweep(
            tell=lambda what, _share: heard.append(what),
            cancelled=lambda: lab.store.ledger.count() == 1,
        )
        assert swept.deleted == {"decisions": 2}
        assert not swept.complete
        assert "Stopped early" in swept.summary
        names = [rule.what for rule in RULES]
        assert heard == names[: names.index("decisions") + 1]
        assert lab.store.audit.count(AuditFilter(action="data.retention")) == 1


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_an_administrator_may(lab: Lab, role: Role) -> None:
    with lab:
        with pytest.raises(Forbidden, match="delete old data"):
            Services(lab, person(role)).maintenance.sweep()
        assert lab.store.ledger.count() == 3


def test_the_scheduled_job_does_the_same_in_its_own_name(lab: Lab) -> None:
    with lab:
        found = job("retention")
        assert found is not None
        result = found.run(lab, lambda _what, _share: None, lambda: False)
        assert result["rows"] == 4
        (entry,) = lab.store.audit.entries(AuditFilter(action="data.retention"))
        assert (entry.actor, entry.via) == ("spotlab", "scheduler")
