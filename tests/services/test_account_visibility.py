"""Users get no data of accounts that they do not see, through any service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from spotlab.access.name_redaction import name_redactor
from spotlab.domain.access import Principal, Right, Role
from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.outcomes import Target
from spotlab.domain.ports import AuditFilter, By, RunState
from spotlab.errors import Forbidden, NotFound
from spotlab.runtime.lab import Lab
from spotlab.services import Services
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
        services = Services(made, ANA)
        services.instances.evaluate()
        secret = add_account(made)
        services.instances.assign(secret, CHALLENGER, "only theirs")
        for whose in (WEB, secret):
            services.interruptions.add(whose, InterruptionKind.NOTICE, made.clock.now())
        yield made


@pytest.fixture
def secret(lab: Lab) -> str:
    return next(i.instance_id for i in lab.store.fleet.instances() if i.account == "zeta")


OWN = person(Role.OPERATOR, "acme")


def test_events_are_of_seen_instances_alone(lab: Lab, secret: str) -> None:
    assert {e.instance_id for e in Services(lab, OWN).interruptions.list()} == {WEB}
    assert {e.instance_id for e in Services(lab, ANA).interruptions.list()} == {WEB, secret}
    with pytest.raises(NotFound):
        Services(lab, OWN).interruptions.add(secret, InterruptionKind.NOTICE, lab.clock.now())
    with pytest.raises(NotFound):
        Services(lab, OWN).interruptions.add(
            "i-0123456789", InterruptionKind.NOTICE, lab.clock.now()
        )


def test_a_recorded_event_is_in_the_audit_log(lab: Lab) -> None:
    entry = lab.store.audit.entries(AuditFilter(action="event", target=WEB))[0]
    assert (entry.actor, entry.action, entry.before) == ("ana", "event.add", None)
    assert entry.after["kind"] == "interruption_notice"


def test_a_model_says_nothing_of_foreign_instances(lab: Lab, secret: str) -> None:
    (seen,) = Services(lab, ANA).models.entries()
    (own,) = Services(lab, OWN).models.entries()
    assert seen.instances == (secret,)
    assert own.instances == ()
    told = [event.instance_id for event in Services(lab, OWN).models.history(CHALLENGER)]
    assert secret not in told
    assert secret in [event.instance_id for event in Services(lab, ANA).models.history(CHALLENGER)]


def test_figures_count_decisions_about_seen_instances_alone(lab: Lab) -> None:
    def known(who: Principal) -> int:
        cards = Services(lab, who).outcomes.view().cards
        return sum(card.rows + card.censored for card in cards)

    later = lab.clock.now() + timedelta(hours=30)
    was, lab.clock.at = lab.clock.at, later  # type: ignore[attr-defined]
    try:
        new = Services(lab, OWN).outcomes.settle().new
        assert sum(new.values()) == known(OWN)
    finally:
        lab.clock.at = was  # type: ignore[attr-defined]
    every = lab.store.outcomes.list(target=Target.INTERRUPTION)
    assert known(ANA) > known(OWN) > 0
    assert known(person(Role.VIEWER, "nobody's")) == 0
    assert len(every) > len(lab.store.outcomes.list(target=Target.INTERRUPTION, accounts=["acme"]))


def test_the_oldest_decision_is_one_of_their_own(lab: Lab) -> None:
    oldest = Services(lab, person(Role.VIEWER, "zeta")).experiments.oldest()
    assert oldest is not None
    assert oldest.account == "zeta"
    assert Services(lab, person(Role.VIEWER, "nobody's")).experiments.oldest() is None


def test_a_sentence_names_nothing_foreign(lab: Lab, secret: str) -> None:
    hide = name_redactor(lab, OWN)
    told = hide(f"Listing account 'zeta' (999999999999) failed; {secret} and {WEB} stay, acme too.")
    assert "zeta" not in told
    assert "999999999999" not in told
    assert secret not in told
    assert WEB in told
    assert "acme too" in told


def test_why_a_job_failed_names_nothing_foreign(lab: Lab, secret: str) -> None:
    now, jobs = lab.clock.now(), lab.store.jobs
    jobs.request_run("list-fleet", By("ana", now))
    asked_at = jobs.settings()["list-fleet"].asked_at
    assert asked_at is not None
    run = jobs.start("list-fleet", asked_at, now, None, "a test", 1, "c")
    assert run is not None
    cause = f"Listing 'zeta' failed; {secret} is gone; acme too."
    jobs.finish(run, RunState.FAILED, cause, {"note": f"zeta {secret}", "instances": 4}, now)
    for who, hidden in ((ANA, False), (OWN, True), (person(Role.DEMO, "acme"), True)):
        services = Services(lab, who).jobs
        for told in (services.history("list-fleet")[0], services.get("list-fleet").last):
            assert told is not None
            words = f"{told.cause} {told.result}"
            assert ("zeta" not in words and secret not in words) is hidden
            assert "acme too" in told.cause
            assert told.result["instances"] == 4


def test_the_audit_log_tells_nothing_of_foreign_users(lab: Lab) -> None:
    services = Services(lab, ANA)
    for name, accounts in (("in", ["acme"]), ("out", ["zeta"]), ("all", None)):
        services.users.add(name, Role.VIEWER, accounts=accounts)
        services.api_tokens.create(name, f"token of {name}", [Right.READ], timedelta(days=1))
    audit = Services(lab, person(Role.ADMIN, "acme")).audit
    for action, seen in (("user", 1), ("link", 1), ("token", 1)):
        where = AuditFilter(action=action)
        assert (audit.count(where), services.audit.count(where)) == (seen, 3)
        assert "zeta" not in repr(audit.list(where))


def test_what_is_about_every_account_is_for_who_sees_them_all(lab: Lab, tmp_path: Path) -> None:
    keeping = Services(lab, person(Role.ADMIN, "acme")).maintenance
    for keep in (keeping.sweep, lambda: keeping.back_up(tmp_path / "backup.tar")):
        with pytest.raises(Forbidden, match="affects all accounts"):
            keep()
    assert not list(tmp_path.iterdir())
    assert Services(lab, person(Role.ADMIN)).maintenance.sweep(dry_run=True)


def test_foreign_requirements_are_not_derived(lab: Lab, secret: str) -> None:
    instance = lab.store.fleet.instance(secret)
    for ask in (
        Services(lab, OWN).market.requirements_of,
        Services(lab, OWN).market.decide,
        Services(lab, OWN).market.deciding_model,
    ):
        with pytest.raises(Forbidden):
            ask(instance)


CHANGES: list[tuple[Right, Callable[[Services], object]]] = [
    (
        Right.RECORD_EVENTS,
        lambda d: d.interruptions.add(WEB, InterruptionKind.NOTICE, d.lab.clock.now()),
    ),
    (Right.RECORD_EVENTS, lambda d: d.interruptions.add_file(Path("none.json"))),
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
    lab: Lab, right: Right, change: Callable[[Services], object]
) -> None:
    before = lab.store.audit.count()
    for role in Role:
        if not person(role).may(right):
            with pytest.raises(Forbidden, match="may not"):
                change(Services(lab, person(role)))
    assert lab.store.audit.count() == before


def test_sent_files_are_in_the_audit_log_once(lab: Lab) -> None:
    services = Services(lab, person(Role.RESEARCHER))
    place = services.backtests.save_files("traces", {"a.json": b"{}"})
    assert services.backtests.save_files("traces", {"a.json": b"{}"}) == place
    (entry,) = lab.store.audit.entries(AuditFilter(action="traces"))
    assert (entry.target, entry.after) == (place.name, {"a.json": 2})
