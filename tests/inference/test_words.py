"""Sentences of explanations."""

from __future__ import annotations

import math

from spotlab.domain.market import Pool
from spotlab.domain.risk import Risk
from spotlab.inference.explain import Change, Difference, Explanation
from spotlab.inference.explanation_text import difference_sentences, feature_label, format_value
from spotlab.training.advisor import recipe


def told(zone: str, raw_score: float) -> Explanation:
    pool = Pool("us-east-1", zone, "m6i.large")
    return Explanation(pool, "toy@1", 0.0, (), raw_score, 0.1, Risk.from_hazard(1e-4, 24.0))


def test_a_value_that_is_the_same_on_both_is_not_set_against_itself() -> None:
    changes = (
        Change("advisor_bucket", 3.0, 3.0, "bucket", 0.93),
        Change("family_bucket_mean", 3.3, 1.5, "1", -0.74),
    )
    said = difference_sentences(
        Difference(told("us-east-1a", 0.0), told("us-east-1b", 0.19), 0.0, changes)
    )
    assert said[1].startswith("Its interruption bucket last month is 15-20 % for both, but has")
    assert "is about 10-15 % compared with about 15-20 %: safer" in said[2]


def test_a_price_gap_is_told_in_percent_and_not_as_a_logarithm() -> None:
    assert format_value("family_price_gap", math.log(1.25), "1") == "25 % above"
    assert format_value("series_price_gap", math.log(0.8), "1") == "20 % below"
    assert format_value("family_price_gap", 0.0, "1") == "the same"


def test_every_feature_of_the_shipped_model_has_words_of_its_own() -> None:
    assert not [name for name in recipe.FEATURES if feature_label(name) == name.replace("_", " ")]
