"""Users get no data of accounts that they do not see, through any service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from spotlab.access.name_redaction import foreign
from spotlab.domain.access import Principal, Right, Role
from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.outcomes import Target
from spotlab.domain.ports import AuditFilter, By, RunState
from spotlab.errors import Forbidden, NotFound
from spotlab.runtime.lab import Lab
from spotlab.services import Desk
from tests.support.lab import FLEET, add_account, save_toy_model, small_lab
from tests.support.people import ANA, person

WEB = FLEET[0][0]
CHALLENGER = "toy@1.0.0"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The accounts acme and zeta, with decisions, and a model assigned to zeta's instance."""
    models = tmp_path_factory.mktemp("models")
    save_toy_model(models)
    with small_lab(tmp_path_factory.mktemp("home"), models) as made:
        desk = Desk(made, ANA)
        desk.instances.evaluate()
        secret = add_account(made)
        desk.instances.assign(secret, CHALLENGER, "only theirs")
        for whose in (WEB, secret):
            desk.events.add(whose, InterruptionKind.NOTICE, made.clock.now())
        yield made


@pytest.fixture
def secret(lab: Lab) -> str:
    return next(i.instance_id for i in lab.store.fleet.instances() if i.account == "zeta")


OWN = person(Role.OPERATOR, "acme")


def test_events_are_of_seen_instances_alone(lab: Lab, secret: str) -> None:
    assert {e.instance_id for e in Desk(lab, OWN).events.list()} == {WEB}
    assert {e.instance_id for e in Desk(lab, ANA).events.list()} == {WEB, secret}
    with pytest.raises(NotFound):
        Desk(lab, OWN).events.add(secret, InterruptionKind.NOTICE, lab.clock.now())
    with pytest.raises(NotFound):
        Desk(lab, OWN).events.add("i-0123456789", InterruptionKind.NOTICE, lab.clock.now())


def test_a_recorded_event_is_in_the_audit_log(lab: Lab) -> None:
    entry = lab.store.audit.entries(AuditFilter(action="event", target=WEB))[0]
    assert (entry.actor, entry.action, entry.before) == ("ana", "event.add", None)
    assert entry.after["kind"] == "interruption_notice"


def test_a_model_says_nothing_of_foreign_instances(lab: Lab, secret: str) -> None:
    (seen,) = Desk(lab, ANA).models.entries()
    (own,) = Desk(lab, OWN).models.entries()
    assert seen.instances == (secret,)
    assert own.instances == ()
    told = [event.instance_id for event in Desk(lab, OWN).models.history(CHALLENGER)]
    assert secret not in told
    assert secret in [event.instance_id for event in Desk(lab, ANA).models.history(CHALLENGER)]


def test_figures_count_decisions_about_seen_instances_alone(lab: Lab) -> None:
    def known(who: Principal) -> int:
        cards = Desk(lab, who).outcomes.view().cards
        return sum(card.rows + card.censored for card in cards)

    later = lab.clock.now() + timedelta(hours=30)
    was, lab.clock.at = lab.clock.at, later  # type: ignore[attr-defined]
    try:
        new = Desk(lab, OWN).outcomes.settle().new
        assert sum(new.values()) == known(OWN)
    finally:
        lab.clock.at = was  # type: ignore[attr-defined]
    every = lab.store.outcomes.list(target=Target.INTERRUPTION)
    assert known(ANA) > known(OWN) > 0
    assert known(person(Role.VIEWER, "nobody's")) == 0
    assert len(every) > len(lab.store.outcomes.list(target=Target.INTERRUPTION, accounts=["acme"]))


def test_the_oldest_decision_is_one_of_their_own(lab: Lab) -> None:
    oldest = Desk(lab, person(Role.VIEWER, "zeta")).decisions.oldest()
    assert oldest is not None
    assert oldest.account == "zeta"
    assert Desk(lab, person(Role.VIEWER, "nobody's")).decisions.oldest() is None


def test_a_sentence_names_nothing_foreign(lab: Lab, secret: str) -> None:
    hide = foreign(lab, OWN)
    told = hide(f"Listing account 'zeta' (999999999999) failed; {secret} and {WEB} stay, acme too.")
    assert "zeta" not in told
    assert "999999999999" not in told
    assert secret not in told
    assert WEB in told
    assert "acme too" in told


def test_why_a_job_failed_names_nothing_foreign(lab: Lab, secret: str) -> None:
    now, jobs = lab.clock.now(), lab.store.jobs
    jobs.ask("list-fleet", By("ana", now))
    asked_at = jobs.settings()["list-fleet"].asked_at
    assert asked_at is not None
    run = jobs.start("list-fleet", asked_at, now, None, "a test", 1, "c")
    assert run is not None
    cause = f"Listing 'zeta' failed; {secret} is gone; acme too."
    jobs.finish(run, RunState.FAILED, cause, {"note": f"zeta {secret}", "instances": 4}, now)
    for who, hidden in ((ANA, False), (OWN, True), (person(Role.DEMO, "acme"), True)):
        desk = Desk(lab, who).jobs
        for told in (desk.history("list-fleet")[0], desk.get("list-fleet").last):
            assert told is not None
            words = f"{told.cause} {told.result}"
            assert ("zeta" not in words and secret not in words) is hidden
            assert "acme too" in told.cause
            assert told.result["instances"] == 4


def test_the_audit_log_tells_nothing_of_foreign_users(lab: Lab) -> None:
    desk = Desk(lab, ANA)
    for name, accounts in (("in", ["acme"]), ("out", ["zeta"]), ("all", None)):
        desk.users.add(name, Role.VIEWER, accounts=accounts)
        desk.tokens.create(name, f"token of {name}", [Right.READ], timedelta(days=1))
    audit = Desk(lab, person(Role.ADMIN, "acme")).audit
    for action, seen in (("user", 1), ("link", 1), ("token", 1)):
        where = AuditFilter(action=action)
        assert (audit.count(where), desk.audit.count(where)) == (seen, 3)
        assert "zeta" not in repr(audit.list(where))


def test_what_is_about_every_account_is_for_who_sees_them_all(lab: Lab, tmp_path: Path) -> None:
    keeping = Desk(lab, person(Role.ADMIN, "acme")).keeping
    for keep in (keeping.sweep, lambda: keeping.back_up(tmp_path / "backup.tar")):
        with pytest.raises(Forbidden, match="affects all accounts"):
            keep()
    assert not list(tmp_path.iterdir())
    assert Desk(lab, person(Role.ADMIN)).keeping.sweep(dry_run=True)


def test_foreign_requirements_are_not_derived(lab: Lab, secret: str) -> None:
    instance = lab.store.fleet.instance(secret)
    for ask in (Desk(lab, OWN).market.requirements_of, Desk(lab, OWN).market.in_force):
        with pytest.raises(Forbidden):
            ask(instance)


CHANGES: list[tuple[Right, Callable[[Desk], object]]] = [
    (Right.RECORD_EVENTS, lambda d: d.events.add(WEB, InterruptionKind.NOTICE, d.lab.clock.now())),
    (Right.RECORD_EVENTS, lambda d: d.events.add_file(Path("none.json"))),
    (Right.EVALUATE, lambda d: d.outcomes.settle()),
    (Right.COLLECT, lambda d: d.market.collect_files([])),
    (Right.COLLECT, lambda d: d.accounts.list_now()),
    (Right.BACKTEST, lambda d: d.backtests.save_files("traces", {"a.json": b"{}"})),
    (Right.BACKTEST, lambda d: d.backtests.cancel("0", None)),  # type: ignore[arg-type]
    (Right.BACKTEST, lambda d: d.backtests.start(None, None)),  # type: ignore[arg-type]
    (Right.CHANGE_ACCOUNTS, lambda d: d.accounts.save("new", "1" * 12, ["us-east-1"])),
    (Right.CHANGE_ACCOUNTS, lambda d: d.accounts.set_active("acme", False)),
    (Right.CHANGE_ACCOUNTS, lambda d: d.accounts.validate("acme")),
]


@pytest.mark.parametrize(("right", "change"), CHANGES)
def test_every_change_asks_for_its_right(
    lab: Lab, right: Right, change: Callable[[Desk], object]
) -> None:
    before = lab.store.audit.count()
    for role in Role:
        if not person(role).may(right):
            with pytest.raises(Forbidden, match="may not"):
                change(Desk(lab, person(role)))
    assert lab.store.audit.count() == before


def test_sent_files_are_in_the_audit_log_once(lab: Lab) -> None:
    desk = Desk(lab, person(Role.RESEARCHER))
    place = desk.backtests.save_files("traces", {"a.json": b"{}"})
    assert desk.backtests.save_files("traces", {"a.json": b"{}"}) == place
    (entry,) = lab.store.audit.entries(AuditFilter(action="traces"))
    assert (entry.target, entry.after) == (place.name, {"a.json": 2})
