"""The Candidates page."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from spotlab.access.authentication import LOCAL_ADMINISTRATOR
from spotlab.domain.decision import Decision
from spotlab.domain.market import Pool
from spotlab.domain.placement import PlacementResponse, Placements
from spotlab.domain.requirements import Requirements
from spotlab.runtime.lab import Lab
from spotlab.runtime.replay import open_experiment
from spotlab.scheduling.first_run import get_ready
from spotlab.services import Services
from spotlab.ui.candidates import placement_scores, summary
from spotlab.ui.candidates import table as candidates_table
from spotlab.ui.common import session, widgets
from spotlab.ui.common.formatting import age, usd_per_hour
from tests.pages.conftest import Open, button, said
from tests.support.lab import FLEET, DictStore

WEB_1, TRAIN_1 = FLEET[0][0], FLEET[3][0]


def test_nothing_asked_offers_instances_that_should_move_and_sizes(
    lab: Lab, open_page: Open
) -> None:
    app = open_page("candidates")
    assert app.title[0].value == "Choose an instance or a size to rank 12 pools in 1 region"
    assert not app.dataframe, "the cheapest pool of all sizes answers no question"
    moving = [
        each
        for each in lab.store.ledger.latest_per_instance().values()
        if each.decision is Decision.SWITCH
    ]
    best = max(moving, key=lambda each: each.saving_usd_per_hour or 0.0)
    app.button[0].click().run()
    assert app.query_params["instance"] == best.instance_id
    assert len(app.dataframe[0].value)


def test_a_size_is_ranked_for_no_instance(lab: Lab, open_page: Open) -> None:
    app = button(open_page("candidates"), "At least 2 vCPU and 8 GiB").click().run()
    assert (app.query_params["vcpu"], app.query_params["memory"]) == ("2", "8")
    ranking = lab.rank(Requirements(vcpu_min=2, memory_gb_min=8))
    table = app.dataframe[0].value
    assert list(table["rank"]) == list(range(1, len(ranking.candidates) + 1))
    assert table["cost"].is_monotonic_increasing
    assert f"lowest expected cost of {len(ranking.candidates)} candidates" in app.title[0].value
    assert f"{len(ranking.candidates)} of 12 pools" in said(app)


def test_the_filters_show_the_derived_requirements_of_an_instance(
    lab: Lab, open_page: Open
) -> None:
    app = open_page("candidates", instance=WEB_1)
    assert app.selectbox(key="pick instance").value == WEB_1
    filters = {box.label: box.value for box in [*app.selectbox, *app.multiselect]}
    assert filters["Region · derived"] == ["us-east-1"]
    assert filters["Min. vCPU · derived"] == "2"
    assert filters["Min. GiB · derived"] == "8"
    assert filters["Architecture · derived"] == "x86_64"
    assert filters["Burstable · derived"] == "without"
    assert filters["Family"] == []
    assert "derived from m5.large and the workload default" in said(app)
    assert set(app.dataframe[0].value["architecture"]) == {"x86_64"}
    assert "t3.large" not in set(app.dataframe[0].value["type"])
    assert set(app.query_params) == {"instance"}, "what is derived is not in the URL"


def test_a_changed_filter_is_a_what_if_with_a_way_back(lab: Lab, open_page: Open) -> None:
    app = open_page("candidates", instance=WEB_1)
    derived = app.title[0].value
    app.selectbox(key="filter arch").select("arm64").run()
    assert app.title[0].value.startswith("What if: web-1")
    assert "What-if: changed here: Architecture." in said(app)
    assert set(app.dataframe[0].value["type"]) == {"m6g.large"}
    assert app.query_params["arch"] == "arm64"
    button(app, "Back to the derived requirements").click().run()
    assert app.title[0].value == derived
    assert "arch" not in app.query_params
    assert app.selectbox(key="filter arch").value == "x86_64"


def test_another_instance_brings_its_own_requirements(lab: Lab, open_page: Open) -> None:
    app = open_page("candidates", instance=WEB_1, arch="arm64", memory="64")
    app.selectbox(key="pick instance").select(TRAIN_1).run()
    assert set(app.query_params) == {"instance"}
    assert "What if" not in app.title[0].value
    assert app.selectbox(key="filter memory").value == "16"


def test_an_emptied_filter_lifts_the_derived_requirement(lab: Lab, open_page: Open) -> None:
    app = open_page("candidates", instance=WEB_1)
    app.selectbox(key="filter burstable").set_value(None).run()
    assert app.query_params["burstable"] == "any"
    assert "t3.large" in set(app.dataframe[0].value["type"])
    app.selectbox(key="filter burstable").select("without").run()
    assert "burstable" not in app.query_params
    assert "What if" not in app.title[0].value


def test_a_filter_that_the_market_does_not_have_is_removed_from_the_url(
    lab: Lab, open_page: Open
) -> None:
    app = open_page("candidates", instance=WEB_1, arch="pdp11", region="moon-1")
    assert set(app.query_params) == {"instance"}
    assert "What if" not in app.title[0].value


def test_the_saving_is_that_of_the_decision(lab: Lab, open_page: Open) -> None:
    app = open_page("candidates", instance=WEB_1)
    newest = lab.store.ledger.latest_per_instance()[WEB_1]
    saving = usd_per_hour(newest.saving_usd_per_hour)
    assert saving in app.title[0].value
    experiment = open_experiment(lab, lab.store.ledger.get(newest.experiment_id))
    ranked = sum(c.rank > 0 for c in experiment.candidates)
    assert f"{ranked} candidates" in app.title[0].value
    assert f"Decision #{newest.experiment_id}" in said(app)
    assert "used the same prices" in said(app)
    assert f"saving {saving}, of {ranked} candidates" in said(app)


def test_workloads_are_read_once_for_the_instance_and_once_for_its_fleet(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.first_run().wait(30)
    reads, store = [], type(lab.store.workloads)
    newest = store.newest
    monkeypatch.setattr(store, "newest", lambda self: reads.append(1) or newest(self))
    app = open_page("candidates", instance=WEB_1)
    assert not app.exception
    assert len(reads) == 2, "once for the instance, once for the fleet that it is spread with"


def test_a_decision_on_older_prices_says_both_ages(lab: Lab, open_page: Open) -> None:
    get_ready(lab)
    number = lab.store.ledger.latest_per_instance()[WEB_1].experiment_id
    newest = open_experiment(lab, lab.store.ledger.get(number))
    decided, _ = Services(lab, LOCAL_ADMINISTRATOR).market.decide(newest.instance)
    later = lab.clock.now() + timedelta(minutes=12)
    assert decided.verdict is not None
    assert decided.verdict.chosen is not None
    source = decided.verdict.chosen.sources[0]
    fresh = replace(source, event_time=source.event_time + timedelta(minutes=7))
    chosen = replace(decided.verdict.chosen, sources=(fresh,))
    on_newer_prices = replace(decided, verdict=replace(decided.verdict, chosen=chosen))
    text = summary.last_decision(newest, on_newer_prices, later)
    old = age((later - source.event_time).total_seconds())
    new = age((later - fresh.event_time).total_seconds())
    assert f"used prices that are now {old} old" in text
    assert f"This page uses prices that are {new} old, so the numbers may differ." in text


def test_the_price_of_safety_is_named_above_the_table(lab: Lab, open_page: Open) -> None:
    app = open_page("candidates", instance=WEB_1, extra="100")
    words = said(app)
    for title in ("Cheapest", "Safest for up to 100 % more", "Best compromise"):
        assert title in words
    table = app.dataframe[0].value
    cheapest = table.sort_values("price").iloc[0]
    assert f"**{cheapest['type']} in {cheapest['zone']}**" in words
    assert "Compared with web-1 now: " in words
    assert "All three are below the risk ceiling of 0.75 % in 24 h" in words


def test_the_selected_pool_is_in_the_url(lab: Lab, open_page: Open) -> None:
    chosen = "us-east-1:us-east-1b:m6i.large:Linux"
    app = open_page("candidates", instance=WEB_1, pool=chosen)
    assert any("m6i.large in us-east-1b" in header.value for header in app.header)
    assert "Spot price 0.0391 USD/h" in said(app)
    assert app.query_params["pool"] == chosen


def test_a_pool_that_is_not_in_the_market_is_said(lab: Lab, open_page: Open) -> None:
    app = open_page("candidates", instance=WEB_1, pool="us-east-1:us-east-1b:no.such:Linux")
    assert "The market has no pool us-east-1:us-east-1b:no.such:Linux." in said(app)


def test_expected_costs_agree_with_the_recorded_decision(lab: Lab, open_page: Open) -> None:
    app = open_page("candidates", instance=WEB_1)
    newest = lab.store.ledger.latest_per_instance()[WEB_1].experiment_id
    opened = open_experiment(lab, lab.store.ledger.get(newest))
    recorded = [c for c in opened.candidates if c.rank]
    shown = app.dataframe[0].value["cost"]
    assert sorted(shown) == sorted(c.expected_cost_usd_per_hour for c in recorded)


def test_filters_from_the_url_narrow_the_market(lab: Lab, open_page: Open) -> None:
    app = open_page("candidates", arch="arm64")
    assert set(app.dataframe[0].value["type"]) == {"m6g.large"}


def test_no_pool_left_says_what_to_do(lab: Lab, open_page: Open) -> None:
    app = open_page("candidates", vcpu="192")
    assert app.title[0].value == "None of the 12 pools meets the requirements"
    assert "What to do" in app.info[0].value


def test_degraded_market_is_said(lab: Lab, online: DictStore, open_page: Open) -> None:
    online.down = True
    app = open_page("candidates", vcpu="1")
    assert any("SQL archive" in box.value for box in app.warning)
    assert len(app.dataframe[0].value)


def test_without_a_market_the_page_says_what_is_missing(bare_lab: Lab, open_page: Open) -> None:
    app = open_page("candidates")
    assert not app.exception
    assert "No market has been collected yet." in said(app)


def test_the_file_holds_every_pool_with_its_reason(lab: Lab) -> None:
    ranking = lab.rank(Requirements(architecture="arm64"))
    frame = candidates_table.exported(ranking)
    again = pd.read_parquet(io.BytesIO(widgets.as_parquet(frame)))
    assert len(again) == 12
    assert set(again["dropped"].dropna()) == {"another processor architecture"}
    assert set(again["horizon_h"]) == {24.0}


GROUP = ("m5.xlarge", "m6i.large", "t3.large")


def keep_placement(lab: Lab, age_h: float = 2.0, **scores: int) -> None:
    """Scores by zone letter; none: refused by quota."""
    by_zone = {f"us-east-1{letter}": score for letter, score in scores.items()}
    at = lab.clock.now() - timedelta(hours=age_h)
    lab.store.placement.record(
        PlacementResponse(True, "acme", "us-east-1", GROUP, at, "a test", not by_zone, by_zone)
    )


def test_each_candidate_has_its_placement_score_or_why_not(lab: Lab, open_page: Open) -> None:
    keep_placement(lab, a=8)
    app = open_page("candidates", vcpu="1")
    table = app.dataframe[0].value.set_index(["type", "zone"])["placement"]
    assert table.dtype == "float64", "scores are sorted as numbers"
    assert table["m6i.large", "us-east-1a"] == 8
    assert table[[("m6i.large", "us-east-1b"), ("m6g.large", "us-east-1a")]].isna().all()
    assert "Placement scores: 3 of 10 known; 7 unknown." in said(app)


def test_a_used_up_quota_is_shown_as_such(lab: Lab, open_page: Open) -> None:
    keep_placement(lab)
    app = open_page("candidates", vcpu="1")
    assert app.dataframe[0].value["placement"].isna().all()
    assert "Placement scores: none known; 6 refused by quota; 4 unknown." in said(app)


@pytest.mark.parametrize(
    ("age_h", "scores", "words"),
    [
        (
            2.0,
            {"a": 8},
            "Placement score 8 of 10 in us-east-1a, requested 2.0 h ago. It was requested for the "
            "types m5.xlarge, m6i.large, t3.large together. Placement scores are not used for "
            "risk or decisions.",
        ),
        (
            20.0,
            {"a": 8},
            "Placement score 8 of 10 in us-east-1a, requested 20.0 h ago, stale.",
        ),
        (1.0, {}, "Placement score refused by quota, requested 60 min ago: The daily quota"),
        (1.0, {"b": 8}, "Placement score unknown, requested 60 min ago: AWS returned no score"),
        (72.0, {"a": 8}, "Placement score unknown: It was not requested in the last two days."),
    ],
)
def test_a_placement_score_in_words(
    lab: Lab, age_h: float, scores: dict[str, int], words: str
) -> None:
    keep_placement(lab, age_h, **scores)
    now = lab.clock.now()
    placements = Placements.from_responses(
        lab.store.placement.since(now - timedelta(days=9), emulated=True), now
    )
    text = placement_scores.describe(
        placements.score_of(Pool("us-east-1", "us-east-1a", "m6i.large")), now
    )
    assert text.startswith(words)
    assert text.endswith("Placement scores are not used for risk or decisions.")
