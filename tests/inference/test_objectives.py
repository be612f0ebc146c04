"""Scores are log-odds, as LightGBM's own prediction says, or the objective is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.features.views import NAMES
from spotlab.inference.artefacts import load
from spotlab.inference.boosters import ValidatedBooster
from spotlab.runtime.model_card import CardAnswers, card_of, is_bare_model, write_artefact

COLUMNS = NAMES[:3]
ROWS = np.random.default_rng(1).random((400, 3))
LABELS = (ROWS[:, 0] + 0.2 * ROWS[:, 1] > 0.6).astype(float)
ANSWERS = CardAnswers("advisor", "high-bucket", "mine")


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
    with pytest.raises(InvalidInput, match="--label with one of: high-bucket"):
        card_of(text, CardAnswers("advisor", "", "mine"))
    with pytest.raises(InvalidInput, match="A capacity card cannot be written"):
        card_of(text, CardAnswers("capacity", "rate", "mine"))
    other = text.replace(COLUMNS[0].encode(), b"price_positoin")
    with pytest.raises(ArtefactRefused, match="is not a feature that SpotLab computes"):
        card_of(other, ANSWERS)
