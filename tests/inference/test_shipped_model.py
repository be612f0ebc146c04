"""The shipped artefact has the properties stated in its card."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from spotlab.domain.features import Matrix
from spotlab.domain.risk import risk_within
from spotlab.errors import ArtefactRefused
from spotlab.inference import artefacts
from spotlab.inference.adapters import CheckedModel
from spotlab.settings import Settings

FOLDER = Settings().models_dir / "advisor-lgbm" / "1.2.0"


@pytest.fixture(scope="module")
def model() -> CheckedModel:
    return artefacts.load(FOLDER)


def rows(model: CheckedModel, count: int) -> Matrix:
    """Random rows within the card's bounds, with some unknown values where the card allows them."""
    rng = np.random.default_rng(4)
    matrix = np.empty((count, len(model.feature_names)))
    for column, feature in enumerate(model.card["features"]):
        low, high = feature["low"], min(feature["high"], feature["low"] + 100.0)
        matrix[:, column] = rng.uniform(low, high, count)
        if feature["nullable"]:
            matrix[rng.random(count) < 0.1, column] = np.nan
    bucket = model.feature_names.index("advisor_bucket")
    matrix[:, bucket] = np.round(matrix[:, bucket])
    return matrix


def test_every_risk_is_a_probability(model: CheckedModel) -> None:
    risk = risk_within(model.hazard_per_hour(rows(model, 2_000)), 24.0)
    assert ((risk >= 0.0) & (risk <= 1.0)).all()


def test_its_contributions_add_up(model: CheckedModel) -> None:
    matrix = rows(model, 300)
    parts, base = model.contributions(matrix)

    assert np.abs(parts.sum(axis=1) + base - model.raw_score(matrix)).max() < 1e-9


@pytest.mark.parametrize("age_h", [1.0, 24.0 * 60, np.nan])
def test_a_higher_bucket_never_lowers_the_risk(model: CheckedModel, age_h: float) -> None:
    matrix = rows(model, 200)
    bucket, age = (model.feature_names.index(n) for n in ("advisor_bucket", "advisor_age_h"))
    matrix[:, age] = age_h
    rates = []
    for value in range(5):
        matrix[:, bucket] = value
        rates.append(model.monthly_rate(matrix))

    assert (np.diff(rates, axis=0) >= 0.0).all()


def test_it_takes_back_what_a_fresh_bucket_leaves_no_time_for(
    model: CheckedModel, tmp_path: Path
) -> None:
    text = json.loads((FOLDER / "card.json").read_bytes())
    del text["persistence"]["level_drift"]
    trees = (FOLDER / "model.txt").read_bytes()
    drifting = artefacts.load(artefacts.save(tmp_path, json.dumps(text).encode(), trees))
    matrix = rows(model, 200)
    age = model.feature_names.index("advisor_age_h")
    listed = ~np.isnan(matrix[:, model.feature_names.index("advisor_bucket")])
    lower = {}
    for age_h in (1.0, 24.0 * 60, 10_320.0):
        matrix[:, age] = age_h
        lower[age_h] = drifting.monthly_rate(matrix) - model.monthly_rate(matrix)

    assert (lower[1.0][listed] > 0.0).all()
    assert (lower[24.0 * 60][listed] > 0.0).all()
    assert not lower[1.0][~listed].any(), "no bucket tells how old what is known is"
    assert not lower[10_320.0].any(), "the gap that the trees were trained across"


def test_its_level_fits_every_snapshot_that_training_may_read(model: CheckedModel) -> None:
    for said in model.card["level_where_the_advisor_is_fresh"].values():
        assert said["mean_forecast"] == pytest.approx(said["share_at_bucket_3_or_4_now"], abs=0.03)
        assert said["mean_monthly_rate"] == pytest.approx(
            said["mean_rate_of_buckets_now"], abs=0.003
        )


def test_its_trees_do_not_look_at_the_age(model: CheckedModel) -> None:
    """The training data has only one age, so only the persistence term may use it."""
    text = (FOLDER / "model.txt").read_text()
    age = model.feature_names.index("advisor_age_h")
    used = {
        int(number)
        for line in text.splitlines()
        if line.startswith("split_feature=")
        for number in line.partition("=")[2].split()
    }

    assert age not in used
    assert model.feature_names.index("advisor_bucket") in used


def test_its_card_says_what_it_is_and_what_it_is_not(model: CheckedModel) -> None:
    card = model.card

    assert card["metrics"]["model"]["auc"] > card["metrics"]["last_bucket_only"]["auc"] + 0.12
    assert card["metrics"]["model"]["brier"] < card["metrics"]["last_bucket_only"]["brier"]
    assert card["metrics"]["interval_95"]["auc"][0] < card["metrics"]["model"]["auc"]
    assert card["metrics"]["model"]["auc"] >= 0.80
    assert card["metrics"]["model"]["pr_auc"] >= 0.785
    assert card["metrics"]["model"]["brier"] <= 0.183
    assert card["training"]["base_rate"] == pytest.approx(0.462, abs=1e-3)
    assert {source["licence"] for source in card["sources"]} == {"Apache-2.0", "MIT"}
    assert card["label"]["what_it_is_not"]
    assert len(card["limits"]) >= 5
    assert not re.search(r'[" ](/\w+){2}', (FOLDER / "card.json").read_text()), "a machine's path"


def test_one_flipped_bit_is_enough_to_refuse_it(tmp_path: Path) -> None:
    copy = tmp_path / "advisor-lgbm" / "1.2.0"
    shutil.copytree(FOLDER, copy)
    content = bytearray((copy / "model.txt").read_bytes())
    content[1000] ^= 1
    (copy / "model.txt").write_bytes(bytes(content))

    with pytest.raises(ArtefactRefused, match=r"model\.txt: its SHA-256"):
        artefacts.load(copy)
