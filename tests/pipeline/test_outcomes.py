"""Outcomes of predictions: unknown ones are censored, never guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.features import Matrix
from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.outcomes import Outcome, OutcomeState, Target
from spotlab.domain.ports import Account, RiskModel
from spotlab.errors import NotFound
from spotlab.pipeline.outcomes import record_outcomes
from spotlab.pipeline.scorecards import price_card, scorecards
from spotlab.store import Store, open_store
from tests.support import builders as make
from tests.support.market import BucketModel
from tests.support.migrated import copy_to
from tests.support.outcomes import event, outcome, shadow_decision

MODEL = "advisor-lgbm@1.0.0"
HERE = make.pool()
HOUR = timedelta(hours=1)


class BucketReader(BucketModel):
    """Predicts P(next bucket >= 3) from the stored bucket."""

    feature_names = ("advisor_bucket",)

    def high_bucket_probability(self, matrix: Matrix) -> NDArray[np.float64]:
        return matrix[:, 0] / 4


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(None, copy_to(tmp_path / "spotlab.db"))
    opened.fleet.save_account(Account("production", "123456789012"))
    opened.fleet.sync("production", [make.instance()])
    yield opened
    opened.close()


def at(hours: float) -> datetime:
    return make.NOW + hours * HOUR


def predict(store: Store, hours: float = 0.0, **changes: Any) -> int:
    """Record a decision about the instance on HERE, at 0.0731 USD/h and a risk of 1.23 %."""
    here = make.candidate()
    verdict = make.verdict((here, here), chosen=None)
    experiment = make.experiment(
        created_at=at(hours), candidates=(here,), verdict=verdict, **changes
    )
    return store.ledger.record(experiment)


def watch(store: Store, since: float, until: float, instance: Instance | None = None) -> None:
    """Observe the fleet every half hour."""
    for step in np.arange(since, until + 0.25, 0.5):
        running = [instance or make.instance()]
        store.interruptions.record_running(running, at(step), at(step - 0.5), emulated=False)


def settled(store: Store, hours: float, target: Target = Target.INTERRUPTION) -> list[Outcome]:
    record_outcomes(store, lambda _: BucketReader(), at(hours))
    return store.outcomes.list(target=target)


def test_an_instance_that_ran_through_the_horizon_was_not_interrupted(store: Store) -> None:
    watch(store, -1, 30)
    predict(store)
    (found,) = settled(store, 30)
    assert (found.predicted, found.realised, found.state) == (0.0123, 0.0, OutcomeState.REALISED)
    assert (found.model, found.subject, found.due_at) == (MODEL, "i-0a1", at(24))


def test_an_interruption_within_the_horizon_came_true(store: Store) -> None:
    watch(store, -1, 10)
    predict(store)
    store.interruptions.add([event(at=at(10.2))])
    (found,) = settled(store, 30)
    assert (found.realised, found.reason) == (1.0, "Interrupted (EventBridge).")


def test_an_interruption_that_was_told_but_not_watched_is_censored_as_survivors_are(
    store: Store,
) -> None:
    predict(store)
    store.interruptions.add([event(at=at(10))])
    (found,) = settled(store, 30)
    assert found.state is OutcomeState.CENSORED
    assert "but not observed until then" in found.reason


def test_one_that_was_stopped_or_moved_in_between_is_censored(store: Store) -> None:
    watch(store, -1, 10)
    predict(store)
    (found,) = settled(store, 30)
    assert (found.realised, found.state) == (None, OutcomeState.CENSORED)
    assert "last observed running 2026-11-03 19:30 UTC" in found.reason


def test_one_that_nobody_watched_is_censored(store: Store) -> None:
    predict(store)
    (found,) = settled(store, 30)
    assert found.state is OutcomeState.CENSORED
    assert found.reason.startswith("Not observed")


def test_a_gap_in_watching_is_no_proof_of_running(store: Store) -> None:
    watch(store, -1, 5)
    watch(store, 20, 30)
    predict(store)
    (found,) = settled(store, 30)
    assert found.state is OutcomeState.CENSORED


def test_an_interruption_after_the_horizon_is_another_matter(store: Store) -> None:
    watch(store, -1, 26)
    predict(store)
    store.interruptions.add([event(at=at(26))])
    (found,) = settled(store, 30)
    assert found.realised == 0.0


def test_nothing_is_settled_before_its_time_not_even_an_interruption(store: Store) -> None:
    predict(store)
    store.interruptions.add([event(at=at(1))])
    done = record_outcomes(store, lambda _: BucketReader(), at(24.5))
    assert store.outcomes.list(target=Target.INTERRUPTION) == []
    assert done.pending[Target.INTERRUPTION] == 1


def test_settling_again_adds_nothing_and_changes_nothing(store: Store) -> None:
    watch(store, -1, 30)
    predict(store)
    first = settled(store, 30)
    store.interruptions.add([event(at=at(3))])
    assert settled(store, 40) == first


def test_challengers_are_settled_beside_the_model_that_decided(store: Store) -> None:
    watch(store, -1, 30)
    number = predict(store)
    store.shadow_decisions.record(
        [shadow_decision(number), shadow_decision(number, model="lost@1", current_risk=None)]
    )
    found = {each.model: each for each in settled(store, 30)}
    assert set(found) == {MODEL, "challenger@1"}
    assert (found["challenger@1"].predicted, found["challenger@1"].realised) == (0.004, 0.0)
    assert found["challenger@1"].challenger


def test_on_demand_instances_and_recorded_markets_have_no_interruptions(store: Store) -> None:
    predict(store, market=MarketName.RECORDED)
    predict(store, market=MarketName.SIMULATED)
    store.fleet.sync("production", [make.instance(lifecycle=Lifecycle.ON_DEMAND)])
    predict(store)
    assert settled(store, 30) == []


def save_advisor(store: Store, days: float, bucket: int) -> None:
    rows = pd.DataFrame(
        [("us-east-1", "Linux", "m6i.xlarge", bucket, 60)],
        columns=FEED_COLUMNS[FeedKind.ADVISOR],
    )
    _save(store, FeedKind.ADVISOR, "", at(24 * days), rows)


def save_price(store: Store, changed: float, read: float, price: float) -> None:
    rows = make.price_rows(price).iloc[:1].assign(event_time=at(changed))
    _save(store, FeedKind.PRICE_HISTORY, "us-east-1", at(changed), rows, at(read))


def _save(
    store: Store,
    kind: FeedKind,
    scope: str,
    moment: datetime,
    rows: pd.DataFrame,
    read_at: datetime | None = None,
) -> None:
    origin = Provenance(f"{kind} feed", moment, read_at or moment)
    digest = f"{kind}{moment.isoformat()}"
    store.archive.save(Snapshot(kind, MarketName.PUBLIC, scope, origin, digest, rows))


def test_a_bucket_is_judged_by_the_first_snapshot_more_than_a_month_later(store: Store) -> None:
    predict(store)
    for days, bucket in ((20, 0), (33, 3), (40, 1)):
        save_advisor(store, days, bucket)
    (found,) = settled(store, 24 * 45, Target.BUCKET)
    assert (found.predicted, found.realised) == (0.25, 1.0), "the stored bucket was 1"
    assert found.reason == "advisor feed of 2026-12-06."


def test_a_bucket_waits_for_its_snapshot_and_then_gives_up(store: Store) -> None:
    predict(store)
    assert settled(store, 24 * 45, Target.BUCKET) == []
    (found,) = settled(store, 24 * 61, Target.BUCKET)
    assert (found.realised, found.state) == (None, OutcomeState.CENSORED)


def test_one_pool_counts_once_a_day_for_its_bucket(store: Store) -> None:
    for hours in (0.0, 1.0, 24.0):
        predict(store, hours)
    save_advisor(store, 33, 0)
    assert len(settled(store, 24 * 45, Target.BUCKET)) == 2


def test_a_model_that_is_gone_settles_no_bucket(store: Store) -> None:
    def gone(name: str) -> RiskModel:
        raise NotFound(f"No model {name}.")

    predict(store)
    save_advisor(store, 33, 0)
    record_outcomes(store, gone, at(24 * 45))
    assert store.outcomes.list(target=Target.BUCKET) == []


def test_a_price_is_the_one_in_force_a_day_later(store: Store) -> None:
    predict(store)
    save_price(store, 20, 23, 0.08)
    save_price(store, 23.5, 25, 0.09)
    (found,) = settled(store, 30, Target.PRICE)
    assert (found.predicted, found.realised, found.model) == (0.0731, 0.09, "last-price@1")


def test_a_price_that_was_never_read_again_is_censored(store: Store) -> None:
    predict(store)
    save_price(store, -5, -4, 0.07)
    assert settled(store, 30, Target.PRICE) == []
    (found,) = settled(store, 24 * 9, Target.PRICE)
    assert found.state is OutcomeState.CENSORED


def test_a_card_sets_brier_beside_the_base_rates_with_intervals_and_weeks() -> None:
    rng = np.random.default_rng(6)
    known = [
        outcome(
            number,
            predicted=float(risk),
            realised=float(rng.random() < risk),
            predicted_at=at(3.0 * number),
        )
        for number, risk in enumerate(rng.uniform(0.0, 0.4, 400))
    ]
    lost = [outcome(900 + i, realised=None, state=OutcomeState.CENSORED) for i in range(7)]
    (card,) = scorecards([*known, *lost])
    assert (card.rows, card.censored, card.challenger) == (400, 7, False)
    assert card.brier.low < card.brier.value < card.brier.high
    assert card.brier.value < card.brier_of_base_rate
    assert card.skill.value == pytest.approx(1 - card.brier.value / card.brier_of_base_rate)
    assert card.base_rate.low < card.mean_predicted < card.base_rate.high
    weeks = card.weeks_frame()
    assert weeks["rows"].sum() == 400
    assert (weeks["week"].dt.day_of_week == 0).all()
    frame = card.reliability_frame()
    assert frame["rows"].sum() == 400
    assert (frame["observed_low"] <= frame["observed"]).all()
    assert "The outcome of 7 could not be observed." in card.words


def test_a_card_of_nothing_known_says_so() -> None:
    (card,) = scorecards([outcome(realised=None, state=OutcomeState.CENSORED)])
    assert card.rows == 0
    assert card.words.startswith("No outcomes are known yet.")
    assert card.reliability_frame().empty
    assert card.weeks_frame().empty


def test_the_price_card_says_how_far_prices_moved() -> None:
    rows = [
        outcome(i, target=Target.PRICE, predicted=0.1, realised=price, predicted_at=at(24 * i))
        for i, price in enumerate((0.1, 0.11, 0.09, 0.1, 0.1, 0.12))
    ]
    card = price_card(rows)
    assert card is not None
    assert card.relative_error.value == pytest.approx(0.4 / 6)
    assert card.relative_bias.value == pytest.approx(0.2 / 6)
    assert price_card([outcome()]) is None
