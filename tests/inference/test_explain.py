"""An explanation adds up, compares two pools, and reads as sentences."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from spotlab.domain.features import FeatureFrame, Matrix
from spotlab.domain.market import Pool
from spotlab.errors import InvalidInput, NotFound
from spotlab.inference import artefacts
from spotlab.inference.adapters import CheckedModel
from spotlab.inference.explain import REST, difference, explain
from spotlab.inference.explanation_text import (
    LOG_ODDS_NOTE,
    difference_sentences,
    explanation_sentences,
    feature_label,
    format_value,
    percent,
)
from tests.support import models

SAFE = Pool("us-east-1", "us-east-1a", "m6i.large")
RISKY = Pool("us-east-1", None, "p3.16xlarge")
ODD = Pool("us-east-1", None, "m6i.unknown")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> CheckedModel:
    return artefacts.load(models.saved(tmp_path_factory.mktemp("models")))


@pytest.fixture
def frame() -> FeatureFrame:
    """The model's columns in another order, with an additional one."""
    values = np.array([[2.0, 0.0, 2.0, -2.0, 9.0], [64.0, 4.0, 2.0, math.nan, 9.0]])
    refused = np.array([[math.nan, 9.0, 2.0, 0.0, 9.0]])
    names = ("vcpu_count", "advisor_bucket", "advisor_age_h", "log_spot_price", "unused")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return FeatureFrame(at, (SAFE, RISKY, ODD), names, np.vstack([values, refused]))


def test_the_model_is_asked_once_for_what_it_says_in_three_ways(
    model: CheckedModel, frame: FeatureFrame
) -> None:
    rows = frame.select(model.feature_names)
    parts, base, score = model.explained(rows)
    np.testing.assert_array_equal(parts, model.contributions(rows)[0])
    np.testing.assert_array_equal(base, model.contributions(rows)[1])
    np.testing.assert_array_equal(score, model.raw_score(rows))
    np.testing.assert_array_equal(model.hazard_of(score), model.hazard_per_hour(rows))


def test_contributions_add_up_and_come_largest_first(
    model: CheckedModel, frame: FeatureFrame
) -> None:
    told = explain(model, frame, RISKY, 24.0)
    sizes = [abs(part.log_odds) for part in told.contributions]

    assert math.fsum([told.base, *(part.log_odds for part in told.contributions)]) == (
        pytest.approx(told.raw_score, abs=1e-9)
    )
    assert sizes == sorted(sizes, reverse=True)
    assert {part.feature for part in told.contributions} == set(models.FEATURES)
    assert told.model == "toy@1.0.0"
    assert 0.0 < told.risk.value < told.monthly_rate < 1.0


def test_each_contribution_carries_its_value_and_unit(
    model: CheckedModel, frame: FeatureFrame
) -> None:
    told = {part.feature: part for part in explain(model, frame, RISKY, 24.0).contributions}

    assert (told["vcpu_count"].value, told["vcpu_count"].unit) == (64.0, "count")
    assert math.isnan(told["log_spot_price"].value)


def test_the_top_and_the_rest_still_add_up(model: CheckedModel, frame: FeatureFrame) -> None:
    told = explain(model, frame, RISKY, 24.0)

    assert [part.feature for part in told.top(2)][2] == REST
    assert math.fsum(part.log_odds for part in told.top(2)) == pytest.approx(
        told.raw_score - told.base
    )
    assert told.top(10) == told.contributions


def test_a_difference_says_what_sets_two_pools_apart(
    model: CheckedModel, frame: FeatureFrame
) -> None:
    apart = difference(explain(model, frame, SAFE, 24.0), explain(model, frame, RISKY, 24.0))

    assert apart.base + math.fsum(c.log_odds for c in apart.changes) == pytest.approx(
        apart.log_odds, abs=1e-9
    )
    assert apart.changes[0].feature == "advisor_bucket"
    assert (apart.changes[0].before, apart.changes[0].after) == (0.0, 4.0)
    assert apart.log_odds > 0


def test_two_models_are_not_compared(model: CheckedModel, frame: FeatureFrame) -> None:
    told = explain(model, frame, SAFE, 24.0)

    with pytest.raises(InvalidInput, match=r"toy@2\.0\.0"):
        difference(told, replace(told, model="toy@2.0.0"))


def test_sentences_have_numbers_units_and_a_warning(
    model: CheckedModel, frame: FeatureFrame
) -> None:
    told = explain(model, frame, SAFE, 24.0)
    said = explanation_sentences(told)

    assert said[0].startswith("m6i.large in us-east-1a: 0.")
    assert "within 24 h" in said[0]
    assert said[1].startswith("Its interruption bucket last month (<5 %) lowers the risk most (−")
    assert said[-1] == LOG_ODDS_NOTE


def test_sentences_say_which_pool_is_safer(model: CheckedModel, frame: FeatureFrame) -> None:
    risky, safe = explain(model, frame, RISKY, 24.0), explain(model, frame, SAFE, 24.0)

    said = difference_sentences(difference(risky, safe))

    assert said[0].startswith("m6i.large in us-east-1a is safer than p3.16xlarge in us-east-1:")
    assert "bucket last month is <5 % compared with >20 %: safer (−" in said[1]
    assert "as risky as" in difference_sentences(difference(safe, safe))[0]


def test_a_refused_pool_has_no_explanation_but_a_reason(
    model: CheckedModel, frame: FeatureFrame
) -> None:
    with pytest.raises(InvalidInput, match=r"advisor_bucket is 9 .*vcpu_count is unknown"):
        explain(model, frame, ODD, 24.0)


def test_a_pool_or_feature_that_is_not_there_is_named(
    model: CheckedModel, frame: FeatureFrame
) -> None:
    thin = FeatureFrame(frame.as_of, frame.pools, frame.names[1:], frame.values[:, 1:])

    with pytest.raises(NotFound, match=r"c7g\.large in eu-west-1"):
        explain(model, frame, Pool("eu-west-1", None, "c7g.large"), 24.0)
    with pytest.raises(InvalidInput, match="vcpu_count"):
        explain(model, thin, SAFE, 24.0)


def test_contributions_that_do_not_add_up_are_not_shown(
    model: CheckedModel, frame: FeatureFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, base, score = model.explained(frame.select(model.feature_names)[:1])

    def off(matrix: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        return parts + 1e-6, base, score

    monkeypatch.setattr(model, "explained", off)

    with pytest.raises(InvalidInput, match="add up to"):
        explain(model, frame, SAFE, 24.0)


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.1234, "12 %"),
        (0.0123, "1.2 %"),
        (0.0041, "0.41 %"),
        (0.00041, "0.041 %"),
        (-0.2, "−20 %"),
    ],
)
def test_percent_has_sensible_digits(share: float, said: str) -> None:
    assert percent(share) == said


def test_values_are_spoken_with_their_units() -> None:
    assert format_value("memory_gb", 16.0, "GiB") == "16 GiB"
    assert format_value("advisor_bucket", 1.0, "1") == "5-10 %"
    assert format_value("is_metal", 1.0, "0 or 1") == "yes"
    assert format_value("price_change_30d", -0.05, "share") == "−5.0 %"
    assert format_value("advisor_bucket", math.nan, "1") == "unknown"
    assert format_value("log_spot_price", math.log(0.0432), "1") == "0.0432 USD/h"
    assert feature_label("log_spot_price") == "spot price"
    assert feature_label("price_change_7d") == "price change 7d"
