"""The Candidates page."""

from __future__ import annotations

import io
from datetime import timedelta

import pandas as pd
import pytest

from spotlab.domain.decision import Requirements
from spotlab.domain.market import Pool
from spotlab.domain.placement import PlacementResponse, Placements
from spotlab.runtime.lab import Lab
from spotlab.runtime.replay import open_experiment
from spotlab.ui.candidates import placement_scores
from spotlab.ui.candidates import table as candidates_table
from spotlab.ui.common import widgets
from tests.pages.conftest import Open, said
from tests.support.lab import FLEET, DictStore

WEB_1, TRAIN_1 = FLEET[0][0], FLEET[3][0]


def test_ranks_every_pool_when_nothing_is_asked(lab: Lab, open_page: Open) -> None:
    app = open_page("candidates")
    ranking = lab.rank(Requirements())
    table = app.dataframe[0].value
    assert list(table["rank"]) == list(range(1, len(ranking.candidates) + 1))
    assert table["cost"].is_monotonic_increasing
    assert f"best of {len(ranking.candidates)} candidates" in app.title[0].value
    assert f"{len(ranking.candidates)} of 12 pools" in said(app)


def test_an_instance_brings_its_own_requirements(lab: Lab, open_page: Open) -> None:
    app = open_page("candidates", instance=WEB_1)
    assert app.selectbox(key="pick instance").value == WEB_1
    assert "at least 2 vCPU" in said(app)
    assert set(app.dataframe[0].value["architecture"]) == {"x86_64"}
    assert "t3.large" not in set(app.dataframe[0].value["type"])


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
    app = open_page("candidates")
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
    app = open_page("candidates")
    table = app.dataframe[0].value.set_index(["type", "zone"])["placement"]
    assert table.dtype == "float64", "scores are sorted as numbers"
    assert table["m6i.large", "us-east-1a"] == 8
    assert table[[("m6i.large", "us-east-1b"), ("m6g.large", "us-east-1a")]].isna().all()
    assert "Placement scores: 3 of 10 known; 7 unknown." in said(app)


def test_a_used_up_quota_is_shown_as_such(lab: Lab, open_page: Open) -> None:
    keep_placement(lab)
    app = open_page("candidates")
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
