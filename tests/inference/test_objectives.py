"""Scores are log-odds, as LightGBM's own prediction says, or the objective is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.features.capacity_model.registry import HORIZON
from spotlab.features.views import NAMES
from spotlab.inference.artefacts import load
from spotlab.inference.boosters import ValidatedBooster
from spotlab.inference.capacity import CapacityModel
from spotlab.runtime.model_card import (
    CardAnswers,
    card_of,
    is_bare_model,
    possible_labels,
    training_horizons_h,
    write_artefact,
)
from tests.support.bare_models import bare_booster

COLUMNS = NAMES[:3]
ROWS = np.random.default_rng(1).random((400, 3))
LABELS = (ROWS[:, 0] + 0.2 * ROWS[:, 1] > 0.6).astype(float)
ANSWERS = CardAnswers("high-bucket", "mine")


def trained(label: Any = LABELS, **options: Any) -> lightgbm.Booster:
    data = lightgbm.Dataset(ROWS, label, feature_name=list(COLUMNS))
    settings = {"verbosity": -1, "num_leaves": 5, "num_threads": 1, "min_data_in_leaf": 5}
    return lightgbm.train(settings | options, data, 5)


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "binary"},
        {"objective": "binary", "sigmoid": 2.5},
        {"objective": "cross_entropy"},
        {"objective": "binary", "boosting": "dart"},
    ],
)
def test_an_accepted_score_gives_the_librarys_probability(options: dict[str, Any]) -> None:
    booster = trained(**options)
    ours = ValidatedBooster(booster.model_to_string().encode(), COLUMNS, None)

    score, parts = ours.raw_score(ROWS), ours.contributions(ROWS)

    np.testing.assert_allclose(1 / (1 + np.exp(-score)), booster.predict(ROWS), atol=1e-12)
    np.testing.assert_allclose(parts.sum(axis=1), score, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"objective": "regression"}, "not log-odds"),
        ({"objective": "poisson"}, "the logarithm of a count"),
        ({"objective": "cross_entropy_lambda"}, "the logarithm of an intensity"),
        ({"objective": "multiclass", "num_class": 2}, "num_class is '2'"),
        ({"objective": "binary", "linear_tree": True}, "Linear trees"),
        (
            {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
            "boosting=rf",
        ),
    ],
)
def test_another_score_is_refused_with_what_to_train(options: dict[str, Any], words: str) -> None:
    text = trained(**options).model_to_string().encode()
    with pytest.raises(ArtefactRefused, match=words) as refused:
        card_of(text, ANSWERS)
    assert "Train" in refused.value.remedy


def test_a_card_is_written_and_its_artefact_opens_with_windows_line_ends(tmp_path: Path) -> None:
    text = trained(objective="binary").model_to_string().encode()
    windows = text.replace(b"\n", b"\r\n")
    assert is_bare_model(windows)
    assert is_bare_model(text)
    assert not is_bare_model(b"treehouse")
    card = card_of(windows, ANSWERS)
    write_artefact(windows, card, tmp_path / "mine" / "1.0.0")

    model = load(tmp_path / "mine" / "1.0.0")

    assert [each["name"] for each in card["features"]] == list(COLUMNS)
    assert model.feature_names == COLUMNS
    assert json.loads((tmp_path / "mine" / "1.0.0" / "card.json").read_text()) == card


def test_what_only_the_author_knows_is_asked() -> None:
    text = trained(objective="binary").model_to_string().encode()
    with pytest.raises(InvalidInput, match="Labels: high-bucket: P") as refused:
        card_of(text, CardAnswers("", "mine"))
    assert refused.value.field == "label"
    with pytest.raises(ArtefactRefused, match="is a feature of advisor models") as other_task:
        card_of(text, CardAnswers("capacity-loss", "mine"))
    assert other_task.value.remedy == "Labels of advisor models: high-bucket, rate."
    other = text.replace(COLUMNS[0].encode(), b"price_positoin")
    with pytest.raises(ArtefactRefused, match="is not a feature that SpotLab computes"):
        card_of(other, ANSWERS)


HORIZONS_H = (0.25, 1.0, 3.0)
CAPACITY_COLUMNS = ("available_1h", "others_surprise", HORIZON)


def test_a_capacity_card_gives_the_boosters_own_probability(tmp_path: Path) -> None:
    booster = bare_booster(*CAPACITY_COLUMNS, horizons_h=HORIZONS_H)
    text = booster.model_to_string().encode()
    answers = CardAnswers("capacity-loss", "own", horizons_h=HORIZONS_H)
    assert possible_labels(text) == ("capacity-loss",)
    assert training_horizons_h(text) == pytest.approx((0.25, 3.0))
    write_artefact(text, card_of(text, answers), tmp_path / "own" / "1.0.0")

    model = load(tmp_path / "own" / "1.0.0")

    assert isinstance(model, CapacityModel)
    rows = np.random.default_rng(3).random((50, 2))
    rows[::5, 1] = np.nan
    theirs = np.stack(
        [booster.predict(np.column_stack([rows, np.full(50, np.log(h))])) for h in HORIZONS_H]
    )
    for number, horizon_h in enumerate(HORIZONS_H):
        # A longer horizon never has a lower risk.
        expected = theirs[: number + 1].max(axis=0)
        np.testing.assert_allclose(model.loss_probability(rows, horizon_h), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("columns", "trained", "answered", "words"),
    [
        (CAPACITY_COLUMNS, HORIZONS_H, (), "two or more, in hours.*from 0.25 to 3 h"),
        (CAPACITY_COLUMNS, HORIZONS_H, (1.0, 3.0), "horizons 1, 3 h are not.*from 0.25 to 3 h"),
        (CAPACITY_COLUMNS, HORIZONS_H, (3.0, 1.0, 0.25), "not increasing"),
        (CAPACITY_COLUMNS, (2.0,), (2.0,), "did not vary in training.*two or more horizons"),
        (("available_1h", "streak_h"), (), (1.0,), "as the last column"),
        ((HORIZON, "available_1h"), HORIZONS_H, HORIZONS_H, "as the last column"),
        (("availabel_1h", HORIZON), HORIZONS_H, HORIZONS_H, "Nearest: .*available_1h"),
        (("discount_depth", HORIZON), HORIZONS_H, HORIZONS_H, "a feature of advisor models"),
    ],
)
def test_a_capacity_model_without_a_card_of_its_own_says_what_to_give(
    columns: tuple[str, ...], trained: tuple[float, ...], answered: tuple[float, ...], words: str
) -> None:
    text = bare_booster(*columns, horizons_h=trained).model_to_string().encode()
    with pytest.raises(InvalidInput, match=words):
        card_of(text, CardAnswers("capacity-loss", "own", horizons_h=answered))
