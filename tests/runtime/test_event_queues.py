"""The job that reads events, against the emulated AWS: EventBridge, SQS and its dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from spotlab.aws.session import Sessions
from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.demo.event_bus import send
from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.demo.world import EVENTS_QUEUE, Clock
from spotlab.domain.ports import Account
from spotlab.errors import Cancelled
from spotlab.runtime import spot_events
from spotlab.runtime.cloud import Cloud, FeedAddresses
from spotlab.runtime.lab import Lab
from spotlab.scheduling.job_catalogue import job
from tests.support import emulated
from tests.support.event_queue import NAMES
from tests.support.lab import save_toy_model, small_lab
from tests.support.market import StillClock

REGION = "us-east-1"


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    with serve_in_thread(7, clock=Clock(StillClock().now())) as running:
        yield running


@pytest.fixture
def lab(served: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path, tmp_path / "models") as made:
        monkeypatch.setattr(spot_events, "LISTEN_S", 0.0)
        sessions = Sessions(
            clock=made.clock,
            endpoint_url=served.endpoint_url,
            access_key_id=BASE_KEY,
            secret_access_key=BASE_SECRET,
        )
        accounts = tuple(
            Account(each.name, each.account_id, each.role_arn, each.external_id, each.regions, True)
            for each in served.world.accounts
        )
        cloud = Cloud(True, sessions, accounts, FeedAddresses("", "", ""))
        made.open_cloud = lambda: cloud
        assert made.sync_fleet() == []
        yield made


def run(lab: Lab, *, cancelled: bool = False) -> Mapping[str, Any]:
    chosen = job("read-events")
    assert chosen is not None
    return chosen.run(lab, lambda *_: None, lambda: cancelled)


def signal(served: RunningServer, lab: Lab, kind: str, instance_id: str) -> str:
    (account_id,) = {
        each.aws_account_id
        for each in lab.cloud().accounts
        if each.name == lab.store.fleet.instance(instance_id).account
    }
    region = lab.store.fleet.instance(instance_id).pool.region
    detail = {"instance-id": instance_id}
    return send(account_id, region, NAMES[kind], detail, lab.clock.now())


def spot_instance(lab: Lab) -> str:
    return next(
        each.instance_id
        for each in lab.store.fleet.instances()
        if each.lifecycle == "spot" and each.account != "acme"
    )


def test_a_notice_reaches_the_decision(served: RunningServer, lab: Lab) -> None:
    run(lab)  # events of the fleet's launch
    instance_id = spot_instance(lab)
    event_id = signal(served, lab, "notice", instance_id)
    result = run(lab)
    assert (result["messages"], result["events"], result["evaluated"]) == (1, 1, 1)
    assert result["failed"] == ""
    (recorded,) = [each for each in lab.store.spot_events.list() if each.event.event_id == event_id]
    experiment = lab.store.ledger.get(recorded.experiment_id or 0)
    assert experiment.instance.instance_id == instance_id
    assert experiment.instance.signal is not None
    assert run(lab)["messages"] == 0
    states = {(each.account, each.region): each.error for each in lab.store.spot_events.queues()}
    assert set(states.values()) == {""}
    assert len(states) == 5


def test_poison_is_in_the_dead_letter_queue_with_its_reason(
    served: RunningServer, lab: Lab
) -> None:
    account = served.world.accounts[0]
    sqs = emulated.client(served, "sqs", REGION, account)
    url = sqs.get_queue_url(QueueName=EVENTS_QUEUE)["QueueUrl"]
    sent = sqs.send_message(QueueUrl=url, MessageBody="no event")
    assert run(lab)["refused"] == 1
    dead = sqs.get_queue_url(QueueName=f"{EVENTS_QUEUE}-dlq")["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"])["Messages"]
    attributes = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert attributes == {
        "SpotLabReason": "The message is no event of its queue: it is not JSON.",
        "SpotLabMessageId": sent["MessageId"],
    }
    assert message["Body"] == "no event"


def test_a_queue_that_does_not_exist_is_said_and_fails_nothing(lab: Lab) -> None:
    lab.settings = lab.settings.model_copy(update={"event_queue": "of-nobody"})
    assert run(lab)["failed"] == ""
    states = lab.store.spot_events.queues()
    assert "has no queue 'of-nobody' in us-east-1" in states[1].error
    assert f"spotlab events setup {states[1].account}" in states[1].error


def test_no_queue_is_read_without_a_name(lab: Lab) -> None:
    lab.settings = lab.settings.model_copy(update={"event_queue": ""})
    assert run(lab)["messages"] == 0
    assert lab.store.spot_events.queues() == []


def test_a_run_that_is_asked_to_stop_stops(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spot_events, "LISTEN_S", 300.0)
    with pytest.raises(Cancelled):
        run(lab, cancelled=True)


def test_no_secret_is_recorded(served: RunningServer, lab: Lab) -> None:
    signal(served, lab, "rebalance", spot_instance(lab))
    run(lab)
    recorded = json.dumps([str(each) for each in lab.store.spot_events.list()])
    recorded += str(lab.store.spot_events.queues()) + str(lab.store.spot_events.refused())
    for account in served.world.accounts:
        assert account.external_id not in recorded
