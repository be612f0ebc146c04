"""The evidence reader: files and SQL give the same points; the job archives days that are over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from spotlab.domain.evidence_points import EvidenceKind
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.placement import PlacementResponse, score_falls
from spotlab.runtime.evidence import EvidenceReader, archive_days, archive_of, market_points
from spotlab.runtime.lab import Lab
from tests.support.lab import save_toy_model, small_lab
from tests.support.market import NOW, market_data

POOL = Pool("us-east-1", "us-east-1a", "m5.large")
GROUP = ("m5.large", "m6a.large", "m6i.large")


def event(kind: InterruptionKind, at: datetime, instance_id: str = "i-1") -> InterruptionEvent:
    return InterruptionEvent(instance_id, POOL, at, kind, "a test", at, emulated=True)


def answer(at: datetime, score: int) -> PlacementResponse:
    scores = {"us-east-1a": score, "us-east-1b": 8}
    return PlacementResponse(True, "acme", "us-east-1", GROUP, at, "EC2", False, scores)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as made:
        made.store.archive.set_active_market(MarketName.SIMULATED)
        yield made


def test_points_are_the_same_from_sql_and_from_files(lab: Lab) -> None:
    now = lab.clock.now()
    yesterday = now - timedelta(days=1)
    lab.store.interruptions.add(
        [
            event(InterruptionKind.NOTICE, yesterday),
            event(InterruptionKind.RECLAIMED, yesterday + timedelta(minutes=2)),
            event(InterruptionKind.CAPACITY, yesterday + timedelta(minutes=3), "probe-1"),
            event(InterruptionKind.LAUNCHED, yesterday + timedelta(minutes=4)),
        ]
    )
    lab.store.placement.record(answer(yesterday, 7))
    reader = EvidenceReader(lab, MarketName.SIMULATED)
    since = now - timedelta(days=3)
    before = reader.read([POOL], since, now)
    assert [each.kind for each in before] == [
        EvidenceKind.INTERRUPTION,
        EvidenceKind.PLACEMENT,
        EvidenceKind.PROBE_REFUSED,
        EvidenceKind.LAUNCHED,
    ]
    written = archive_days(lab, lambda *_: None, lambda: False)
    assert written["files"] == 1
    assert archive_of(lab).months(MarketName.SIMULATED, "us-east-1") == {f"{yesterday:%Y-%m}"}
    assert reader.read([POOL], since, now) == before
    assert archive_days(lab, lambda *_: None, lambda: False)["files"] == 0
    in_files = archive_of(lab).read(MarketName.SIMULATED, "us-east-1", since, now)
    assert [each for each in in_files if each.pool == POOL] == before


def test_prices_jumps_and_spreads_come_from_the_history() -> None:
    data = market_data({("m5.large", "us-east-1a"): 0.03, ("m5.large", "us-east-1b"): 0.06})
    earlier = data.price_history.assign(
        event_time=data.price_history["event_time"] - timedelta(hours=5),
        spot_price_usd_per_hour=data.price_history["spot_price_usd_per_hour"] / 2,
    )
    history = pd.concat([earlier, data.price_history]).sort_values("event_time")
    points = list(market_points(replace(data, price_history=history), {POOL}))
    by_kind = {kind: [p.value for p in points if p.kind is kind] for kind in EvidenceKind}
    assert by_kind[EvidenceKind.PRICE] == [0.015, 0.03]
    assert by_kind[EvidenceKind.PRICE_JUMP] == [pytest.approx(0.6931, abs=1e-4)]
    assert by_kind[EvidenceKind.ZONE_SPREAD][-1] == pytest.approx(0.6931, abs=1e-4)


def test_a_score_that_falls_below_what_is_usual_is_a_signal_of_its_zone() -> None:
    times = [NOW - timedelta(hours=6 * number) for number in range(4, -1, -1)]
    usual = [answer(at, 8) for at in times[:-1]]
    assert score_falls([*usual, answer(times[-1], 7)], NOW) == {}
    falls = score_falls([*usual, answer(times[-1], 2)], NOW)
    assert sorted(pool.instance_type for pool in falls) == sorted(GROUP)
    assert {pool.availability_zone for pool in falls} == {"us-east-1a"}
    (signal,) = falls[POOL]
    assert signal.weight == pytest.approx(6 / 9)
    assert signal.detail == "a placement score of 2, usually 8,"
    assert score_falls([*usual, answer(times[-1], 2)], NOW + timedelta(hours=13)) == {}
