"""Past interruptions from CloudTrail: read once, resumed, and counted where the pool is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from spotlab.aws.interruption_history import HISTORY, InterruptionHistory
from spotlab.aws.session import Sessions
from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.demo.cloudtrail import evicted, launched
from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.demo.world import Clock
from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.errors import AccessDenied, Cancelled
from spotlab.runtime.cloud import Cloud, FeedAddresses
from spotlab.runtime.interruption_history import document, read_histories
from spotlab.runtime.lab import Lab
from tests.support.lab import FLEET, save_toy_model, small_lab
from tests.support.market import StillClock

NOW = StillClock().now()
REGION = "us-east-1"
GONE, LOST = "i-00000000000000aaa", "i-00000000000000bbb"


@pytest.fixture
def served() -> Iterator[RunningServer]:
    with serve_in_thread(7, clock=Clock(NOW)) as running:
        running.world.trail.__init__()  # type: ignore[misc]  # without the fleet's own launches
        yield running


@pytest.fixture
def lab(served: RunningServer, tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path, tmp_path / "models") as made:
        sessions = Sessions(
            clock=made.clock,
            endpoint_url=served.endpoint_url,
            access_key_id=BASE_KEY,
            secret_access_key=BASE_SECRET,
        )
        one = served.world.accounts[0]
        account = Account(
            "acme", one.account_id, one.role_arn, one.external_id, (REGION,), emulated=True
        )
        cloud = Cloud(True, sessions, (account,), FeedAddresses("", "", ""))
        made.open_cloud = lambda: cloud
        yield made


def interrupt(served: RunningServer, instance_ids: list[str], at: datetime) -> None:
    account = served.world.accounts[0]
    served.world.trail.add(evicted(account.account_id, REGION, instance_ids, at))


def read(lab: Lab, **options: Any) -> dict[str, Any]:
    history = InterruptionHistory(lab.cloud().sessions, sleep=lambda _s: None)
    options = {"cancelled": lambda: False} | options
    return dict(document(read_histories(lab, lambda *_: None, history=history, **options)))


def test_each_interruption_is_evidence_of_the_pool_on_which_it_happened(
    served: RunningServer, lab: Lab
) -> None:
    known = FLEET[0][0]
    account = served.world.accounts[0]
    at = NOW - timedelta(days=40)
    served.world.trail.add(
        launched(
            account.account_id,
            REGION,
            GONE,
            ("us-east-1b", "c5.large"),
            at - timedelta(days=2),
            spot=True,
        )
    )
    interrupt(served, [known, GONE, LOST], at)
    interrupt(served, [known], NOW - timedelta(days=95))
    result = read(lab)
    assert (result["found"], result["recorded"], result["unknown_pool"]) == (3, 2, 1)
    assert result["note"] == "1 interruptions of unknown pools are not counted."
    found = {each.instance_id: each for each in lab.store.interruptions.events()}
    assert found[known].pool == Pool(REGION, "us-east-1a", FLEET[0][2])
    assert found[GONE].pool == Pool(REGION, "us-east-1b", "c5.large")
    assert LOST not in found
    for each in found.values():
        assert (each.at, each.kind, each.source) == (
            at,
            InterruptionKind.RECLAIMED,
            "CloudTrail: BidEvictedEvent",
        )
    assert read(lab) == result, "it is read once"


def test_a_reading_that_was_stopped_continues_where_it_ended(
    served: RunningServer, lab: Lab
) -> None:
    ids = [f"i-{number:017x}" for number in range(0x1000, 0x1000 + 130)]
    for number, instance_id in enumerate(ids):
        # groups of four at the same second, so that pages end within one
        interrupt(served, [instance_id], NOW - timedelta(hours=1 + number // 4))
        served.world.trail.add(
            launched(
                served.world.accounts[0].account_id,
                REGION,
                instance_id,
                ("us-east-1a", "m5.large"),
                NOW - timedelta(days=80),
                spot=True,
            )
        )
    with pytest.raises(Cancelled):
        read(lab, cancelled=lambda: True)
    (progress,) = lab.store.interruption_histories.list()
    assert (progress.pages, progress.found, progress.complete) == (1, 50, False)
    with pytest.raises(Cancelled):
        read(lab, cancelled=lambda: True)
    result = read(lab)
    assert (result["found"], result["recorded"]) == (130, 130)
    assert {each.instance_id for each in lab.store.interruptions.events()} == set(ids)


def test_an_account_without_the_right_says_so_and_is_read_later(
    served: RunningServer, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> Iterator[Any]:
        raise AccessDenied("cloudtrail:LookupEvents was refused.")

    with monkeypatch.context() as patched:
        patched.setattr(InterruptionHistory, "pages", denied)
        result = read(lab)
    assert result["failed"] == "cloudtrail:LookupEvents was refused."
    (progress,) = lab.store.interruption_histories.list()
    assert (progress.complete, progress.error) == (False, "cloudtrail:LookupEvents was refused.")
    interrupt(served, [FLEET[0][0]], NOW - timedelta(days=1))
    assert (read(lab)["failed"], read(lab)["recorded"]) == ("", 1)


def test_requests_keep_to_two_a_second(served: RunningServer, lab: Lab) -> None:
    for number in range(60):
        interrupt(served, [f"i-{number:017x}"], NOW - timedelta(hours=number))
    waits: list[float] = []
    history = InterruptionHistory(lab.cloud().sessions, waits.append, lambda: sum(waits))
    account = replace(lab.cloud().accounts[0])
    pages = list(history.pages(account, REGION, NOW - HISTORY, NOW))
    assert [len(each.interruptions) for each in pages] == [50, 10]
    assert waits == [0.5]
