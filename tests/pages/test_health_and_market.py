"""The Health page and the Market page."""

from __future__ import annotations

from dataclasses import replace

from spotlab.domain.market import FeedKind, Pool
from spotlab.monitoring.health.prober import prober_of
from spotlab.runtime.lab import Lab
from spotlab.ui.market import view
from tests.pages.conftest import Open, finish, said
from tests.support.lab import DictStore
from tests.support.market import StillClock


def test_health_names_the_part_that_is_down(lab: Lab, online: DictStore, open_page: Open) -> None:
    online.down = True
    app = open_page("health")
    assert "Redis cache is down" in app.title[0].value
    assert "■ down" in said(app)
    assert "The market is read from SQL" in said(app)


def test_health_says_what_was_never_used(lab: Lab, open_page: Open) -> None:
    app = open_page("health")
    assert "advisor scraper" in said(app)
    assert "○ unknown" in said(app)
    assert "never" in said(app)


def test_market_says_how_large_cheap_and_safe_it_is(lab: Lab, open_page: Open) -> None:
    app = open_page("market")
    assert app.title[0].value.startswith("12 pools in 1 region: half cost at least ")
    regions = app.dataframe[0].value
    assert list(regions["region"]) == ["us-east-1"]
    assert list(regions["pools"]) == [12]


def test_market_lists_source_and_age_of_everything(lab: Lab, open_page: Open) -> None:
    sources = open_page("market").dataframe[1].value
    assert set(sources["kind"]) == {"advisor", "price history", "on demand", "specs"}
    assert sources["source"].str.endswith("of a test").all()


def test_records_set_aside_are_listed_with_their_reason(lab: Lab, open_page: Open) -> None:
    newest = lab.store.archive.latest(FeedKind.ADVISOR, lab.market().market)
    assert newest is not None
    reason = "us-east-1 > Linux > m5.large has bucket 7; expected an advisor bucket 0..4."
    lab.store.archive.save(replace(newest, digest="0" * 64, set_aside=(reason,)))

    for app in (open_page("market"), open_page("health", part="advisor scraper")):
        assert "1 record of 1 source could not be used; all others are in use." in said(app)
        assert any(
            "reason" in table.value and list(table.value["reason"]) == [reason]
            for table in app.dataframe
        )
    assert "could not be used" not in said(open_page("health", part="price scraper"))


def test_one_pools_price_history_has_every_change(lab: Lab) -> None:
    history = view.history_of(lab.market(), Pool("us-east-1", "us-east-1a", "m5.large"))
    assert list(history["spot_price_usd_per_hour"].round(5)) == [0.04532, 0.0412]
    assert history["event_time"].is_monotonic_increasing


def test_market_says_so_when_the_online_store_is_down(
    lab: Lab, online: DictStore, open_page: Open
) -> None:
    online.down = True
    app = open_page("market")
    assert any("SQL archive" in box.value for box in app.warning)


def test_market_before_the_first_collect_offers_it(bare_lab: Lab, open_page: Open) -> None:
    app = open_page("market")
    assert app.title[0].value == "No market has been collected yet"
    assert any(button.label == "Collect now" for button in app.button)


def test_a_collect_that_fails_is_explained_and_the_page_stays(lab: Lab, open_page: Open) -> None:
    app = open_page("market")
    next(button for button in app.button if button.label == "Collect now").click().run()
    finish(app, "collect")
    assert "No AWS in this test." in said(app)
    assert app.title[0].value.startswith("12 pools")


def test_health_says_when_nothing_was_recorded(lab: Lab, open_page: Open) -> None:
    assert "uptime is unknown" in said(open_page("health"))


def test_health_shows_a_parts_day(lab: Lab, online: DictStore, open_page: Open) -> None:
    assert isinstance(lab.clock, StillClock)
    for down in (False, True, False):
        online.down = down
        prober_of(lab).round(lab)
        lab.clock.forward(seconds=30)
    app = open_page("health", part="Redis cache")
    assert not app.exception
    assert "27 probes recorded" in said(app)
    assert "67 %" in said(app)
    failures = app.dataframe[0].value
    assert list(failures["state"]) == ["down"]
    assert "stopped" in failures["reason"][0]
    assert "**linear optimizer**" in said(app)
