"""What retention deletes and what it never does, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlmodel import SQLModel

from spotlab.domain.decision import Decision
from spotlab.domain.market import FeedKind, MarketName
from spotlab.domain.ports import ExperimentFilter
from spotlab.domain.workload import NO_WORKLOAD
from spotlab.store import Store
from spotlab.store.engine import reading, writing
from spotlab.store.retention import SqlRetention
from spotlab.store.retention_rules import RULES, Rule
from spotlab.store.tables.access import AnsweredWriteRow, ApiTokenRow, LinkRow, SessionRow
from spotlab.store.tables.core import SweepCellRow
from spotlab.store.tables.jobs import JobRunRow, ProcessRow
from spotlab.store.tables.monitoring import AlertRow, ProbeRow
from spotlab.store.tables.outcomes import DriftRow, OutcomeRow, ShadowDecisionRow
from spotlab.store.tables.price_readings import PricePageRow
from tests.support import builders as make
from tests.support.outcomes import outcome, shadow_decision

NOW = make.NOW
RULE = {rule.what: rule for rule in RULES}


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def sweep(store: Store, what: str, keep_days: float, rule: Rule | None = None) -> int:
    """Count, then delete batch by batch; how many went."""
    chosen = rule or RULE[what]
    retention = SqlRetention(store.engine)
    told = retention.count(chosen, ago(keep_days), NOW)
    gone = 0
    while count := retention.delete_batch(chosen, ago(keep_days), NOW):
        gone += count
    assert gone == told
    return gone


def add(store: Store, *rows: SQLModel) -> None:
    with writing(store.engine) as session:
        session.add_all(rows)


def rows(store: Store, table: type[SQLModel]) -> int:
    with reading(store.engine) as session:
        return int(
            session.connection().execute(select(func.count()).select_from(table)).scalar_one()
        )


def decide(store: Store, days: float, instance_id: str = "i-0a1", **changes: object) -> int:
    decision = changes.pop("decision", Decision.STAY)
    made = make.experiment(created_at=ago(days), instance=make.instance(instance_id), **changes)
    assert made.verdict is not None
    return store.ledger.record(replace(made, verdict=replace(made.verdict, decision=decision)))


def test_old_decisions_go_with_what_hangs_on_them(store: Store) -> None:
    old = [decide(store, 100 + day) for day in range(3)]
    young = decide(store, 50)
    for experiment_id in (old[0], young):
        store.shadow_decisions.record([shadow_decision(experiment_id)])
        store.outcomes.record([outcome(experiment_id)])

    assert sweep(store, "decisions", 90, replace(RULE["decisions"], batch=2)) == 3

    assert [kept.experiment_id for kept in store.ledger.list()] == [young]
    assert (rows(store, ShadowDecisionRow), rows(store, OutcomeRow)) == (1, 1)


def test_an_instances_newest_decision_and_its_last_switch_stay(store: Store) -> None:
    newest_of_a_gone_instance = decide(store, 900, "i-gone")
    switch = decide(store, 800, shadow=False, decision=Decision.SWITCH)
    decide(store, 850, shadow=False, decision=Decision.SWITCH)
    decide(store, 700)
    newest = decide(store, 600)

    assert sweep(store, "decisions", 365) == 2

    kept = {each.experiment_id for each in store.ledger.list()}
    assert kept == {newest_of_a_gone_instance, switch, newest}
    assert store.ledger.last_switch_at("i-0a1") == ago(800)
    assert store.ledger.get(switch).verdict is not None


def test_a_decision_that_is_not_settled_yet_stays_however_short_they_are_kept(
    store: Store,
) -> None:
    two_months = replace(NO_WORKLOAD, workload=replace(NO_WORKLOAD.workload, horizon_h=24.0 * 60))
    decide(store, 61, workload=two_months)
    decide(store, 40)
    decide(store, 31)
    decide(store, 1)
    assert sweep(store, "decisions", 0.5) == 1
    left = store.ledger.list(ExperimentFilter())
    assert sorted(round((NOW - each.created_at) / timedelta(days=1)) for each in left) == [
        1,
        31,
        61,
    ]


def snapshot(store: Store, days: float, scope: str = "", **changes: object) -> None:
    taken = make.snapshot(**changes)
    origin = replace(taken.origin, event_time=ago(days), fetched_at=ago(days))
    digest = f"{scope}{days}".ljust(64, "0")
    store.archive.save(replace(taken, scope=scope, origin=origin, digest=digest))


def test_the_snapshot_in_force_at_the_cut_stays_in_each_scope(store: Store) -> None:
    for days in (300, 250, 200, 190, 10):
        snapshot(store, days)
    snapshot(store, 400, "us-east-1")
    snapshot(store, 300, market=MarketName.RECORDED)
    snapshot(store, 290, market=MarketName.RECORDED)

    assert sweep(store, "market snapshots", 180) == 3

    kind = make.snapshot().kind
    assert isinstance(kind, FeedKind)
    left = [
        (i.scope, (NOW - i.event_time).days) for i in store.archive.infos(make.snapshot().market)
    ]
    assert left == [("", 10), ("", 190), ("us-east-1", 400)]
    assert len(store.archive.infos(MarketName.RECORDED)) == 2
    at_the_cut = store.archive.latest(kind, make.snapshot().market, "", ago(180))
    assert at_the_cut is not None
    assert at_the_cut.origin.event_time == ago(190)


def test_pages_of_a_reading_that_can_still_be_resumed_stay(store: Store) -> None:
    for region, days in (("us-east-1", 200), ("us-west-2", 9), ("eu-west-1", 7)):
        page = PricePageRow(
            market="account",
            region=region,
            number=1,
            stored_until=ago(days),
            payload=b"",
            set_aside=[],
        )
        add(store, page)
    assert sweep(store, "pages of interrupted price readings", 180) == 1
    assert sweep(store, "pages of interrupted price readings", 1) == 1


def test_probes_and_outcomes_keep_the_newest_of_each_state(store: Store) -> None:
    for days, state in ((50, "down"), (45, "healthy"), (40, "healthy"), (35, "down"), (1, "down")):
        add(store, ProbeRow(component="database", at=ago(days), state=state, reason=""))
        store.health.note("prices", ok=state == "healthy", at=ago(days), latency_ms=None, reason="")
    assert sweep(store, "health probes", 30) == 3
    assert sweep(store, "outcomes of components", 30) == 3
    last = store.health.last("prices")
    assert last is not None
    assert (last.checked_at, last.last_success_at) == (ago(1), ago(40))


def run(days: float, state: str, **changes: object) -> JobRunRow:
    made = {
        "job": "collect",
        "due_at": ago(days),
        "started_at": ago(days),
        "ended_at": ago(days),
        "cause": "",
        "result": {},
        "holder": "a",
        "token": 1,
        "asked_by": "",
        "correlation_id": "",
    }
    return JobRunRow(**{**made, "state": state, **changes})


def test_job_runs_keep_what_runs_and_the_newest_of_each_outcome(store: Store) -> None:
    add(
        store,
        run(60, "failed"),
        run(59, "succeeded"),
        run(58, "succeeded"),
        run(57, "running", ended_at=None),
        run(56, "running", ended_at=None),
        run(55, "missed", started_at=None, ended_at=None),
        run(54, "missed", started_at=None, ended_at=None),
        run(1, "succeeded"),
    )
    assert sweep(store, "job runs", 30) == 3
    assert rows(store, JobRunRow) == 5


def alert(days: float, **changes: object) -> AlertRow:
    made = {"rule_id": "r", "key": "k", "message": {}, "state": "sent", "attempts": 1, "error": ""}
    return AlertRow(**{**made, "at": ago(days), "sent_at": ago(days), **changes})


def test_an_alert_that_is_still_to_be_told_stays(store: Store) -> None:
    waiting = alert(40, state="waiting", sent_at=None, next_try_at=ago(-1))
    add(store, alert(50), waiting, alert(45, state="failed", sent_at=None), alert(1))
    assert sweep(store, "alerts", 30) == 2
    assert rows(store, AlertRow) == 2


def test_what_ended_long_ago_goes_and_what_is_valid_stays(store: Store) -> None:
    def session(name: str, ends: float, revoked: float | None = None) -> SessionRow:
        return SessionRow(
            session_id=name,
            user="ana",
            created_at=ago(99),
            refreshed_at=ago(99),
            seen_at=ago(99),
            expires_at=ago(ends),
            revoked_at=None if revoked is None else ago(revoked),
            refresh_hash="",
            former_hash="",
            via="password",
            agent="",
            address="",
        )

    def token(name: str, ends: float) -> ApiTokenRow:
        return ApiTokenRow(
            token_id=name,
            user="ana",
            name=name,
            token_hash="",
            scopes=[],
            created_at=ago(99),
            expires_at=ago(ends),
        )

    def link(name: str, ends: float) -> LinkRow:
        return LinkRow(
            link_hash=name, purpose="p", user="ana", created_at=ago(99), expires_at=ago(ends)
        )

    def answer(key: str, days: float) -> AnsweredWriteRow:
        return AnsweredWriteRow(
            user="ana", key=key, route="r", request_hash="", status=200, created_at=ago(days)
        )

    def process(name: str, days: float) -> ProcessRow:
        return ProcessRow(
            process_id=name,
            role="app",
            host="h",
            pid=1,
            version="1",
            started_at=ago(90),
            seen_at=ago(days),
        )

    add(store, session("old", 31), session("revoked", -1, 31), session("valid", -1))
    add(store, token("old", 31), token("valid", -300), link("old", 31), link("new", 1))
    add(store, answer("old", 31), answer("new", 0.5), process("old", 31), process("new", 1))

    assert sweep(store, "ended sessions", 30) == 2
    assert sweep(store, "ended API tokens", 30) == 1
    assert sweep(store, "used one-time links", 30) == 1
    assert sweep(store, "answered writes", 0.001) == 1
    assert sweep(store, "processes that are gone", 30) == 1


def test_backtests_at_work_and_the_newest_finished_one_stay(store: Store) -> None:
    for name, days, state in (
        ("oldest", 500, "done"),
        ("failed", 490, "failed"),
        ("newest", 400, "done"),
        ("stopped later", 390, "cancelled"),
        ("at work", 450, "running"),
    ):
        store.sweeps.open(name, {}, 1, ago(days))
        store.sweeps.store_cell(name, "cell", {"cost": 1.0})
        store.sweeps.begin(name)
        if state != "running":
            store.sweeps.finish(name, state)  # type: ignore[arg-type]
    assert sweep(store, "backtests", 365) == 2
    assert {record.sweep_id for record in store.sweeps.list()} == {
        "newest",
        "stopped later",
        "at work",
    }
    assert rows(store, SweepCellRow) == 3


def test_drift_keeps_its_reference_and_its_newest(store: Store) -> None:
    for days in range(500, 440, -1):
        add(
            store,
            DriftRow(market="public", model="a@1", at=ago(days), pools=1, sketches={}),
        )
    retention = SqlRetention(store.engine)
    beyond = retention.old_drift_ids(ago(365))
    assert retention.delete_drift(beyond) == 60 - 15 - 1
    assert retention.old_drift_ids(ago(365)) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.what)
def test_an_empty_database_loses_nothing(store: Store, rule: Rule) -> None:
    assert sweep(store, rule.what, 0.001) == 0
