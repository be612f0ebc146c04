"""Events that a user sees are those of their accounts, in counts and queues too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from spotlab.domain.access import Role
from spotlab.domain.spot_events import (
    HistoryProgress,
    QueueState,
    RefusedMessage,
    SpotEvent,
    SpotEventKind,
)
from spotlab.errors import Conflict, NotFound
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from tests.support.lab import FLEET, add_account, save_toy_model, small_lab
from tests.support.people import ANA, person

OWN = person(Role.OPERATOR, "acme")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    models: Path = tmp_path_factory.mktemp("models")
    save_toy_model(models)
    with small_lab(tmp_path_factory.mktemp("home"), models) as made:
        secret, now = add_account(made), made.clock.now()
        for account in made.store.fleet.accounts():
            instance_id = secret if account.name == "zeta" else FLEET[0][0]
            event = SpotEvent(
                f"event-of-{account.name}",
                SpotEventKind.REBALANCE,
                instance_id,
                account.aws_account_id,
                "us-east-1",
                now - timedelta(seconds=3),
            )
            made.store.spot_events.record(account, [event], now)
            made.store.spot_events.note_evaluated([event.event_id], now + timedelta(seconds=2), 1)
            made.store.spot_events.refuse(
                [RefusedMessage(f"m-{account.name}", account.name, "us-east-1", "No.", now, 1, "a")]
            )
            made.store.spot_events.note_queue(QueueState(account.name, "us-east-1", now))
            made.store.interruption_histories.save(
                HistoryProgress(account.name, "us-east-1", now, now, now, now)
            )
        yield made


def test_a_user_sees_the_events_of_their_accounts_alone(lab: Lab) -> None:
    view = Services(lab, OWN).spot_events.view()
    assert [each.account for each in view.events] == ["acme"]
    for part in (view.refused, view.queues, view.histories):
        assert [each.account for each in part] == ["acme"]
    assert (view.counts["rebalance"], view.counts["refused"]) == (1, 1)
    assert Services(lab, ANA).spot_events.view().counts["rebalance"] == 2


def test_latencies_are_from_the_event(lab: Lab) -> None:
    view = Services(lab, OWN).spot_events.view()
    assert (view.received.p50_s, view.evaluated.p95_s) == (3.0, 5.0)


def test_the_set_up_is_of_an_account_that_the_user_sees(lab: Lab) -> None:
    account = lab.store.fleet.accounts()[0]
    lab.store.fleet.save_account(type(account)("acme", "123456789012", regions=("us-east-1",)))
    setup = Services(lab, OWN).spot_events.setup("acme")
    assert (setup.queue, setup.regions) == ("spotlab-events", ("us-east-1",))
    with pytest.raises(NotFound):
        Services(lab, OWN).spot_events.setup("zeta")
    with pytest.raises(Conflict, match="has no region"):
        Services(lab, ANA).spot_events.setup("zeta")


def test_only_who_sees_every_account_reads_the_queues(lab: Lab) -> None:
    with pytest.raises(NotFound):
        Services(lab, OWN).spot_events.read()
