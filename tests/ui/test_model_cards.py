"""Figures are read from every form of card, and an uploaded card is harmless."""

from __future__ import annotations

import math

import pytest

from spotlab.services import card_facts, card_parser
from spotlab.ui.common import formatting
from tests.support.cards import CAPACITY, DETAILS


def test_an_advisor_card_gives_figures_beside_its_baseline() -> None:
    told = card_parser.read(DETAILS)
    main = told.main
    assert main is not None
    assert str(main.figure("auc")) == "0.788 (0.757 to 0.817)"
    assert str(main.figure("log_loss")) == "0.545"
    best = main.best_baseline("brier")
    assert best is not None
    assert (best[0], best[1].value) == ("last bucket only", 0.221)
    assert main.base_rate_brier == pytest.approx(0.4623 * 0.5377)
    assert (main.on, main.rows) == ("5 folds by instance family", 14_518)
    assert [row.rows for row in main.reliability] == [567, 900]
    assert main.subgroups["region eu-*"]["rows"] == 4021
    assert told.not_label == ("It is not a forecast of capacity.",)


def test_a_capacity_card_stands_for_its_hour() -> None:
    told = card_parser.read(CAPACITY)
    assert [test.on.partition(":")[0] for test in told.measured] == ["within 1 h", "within 3 h"]
    main = told.main
    assert main is not None
    assert str(main.figure("brier")) == "0.107 (0.090 to 0.120)"
    assert set(main.baselines) == {"base rate", "streak only"}
    best = main.best_baseline("auc")
    assert best is not None
    assert best[0] == "streak only", "the highest AUC is the best one"
    assert main.subgroups["us-east-1a"]["rows"] == 100
    assert len(main.reliability) == 1
    assert card_facts.trained_on(told) == "21,500 rows, 1 availability trace"
    assert told.sources[0]["licence"] == "MIT"


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"metrics": None, "label": None, "sources": 3, "limits": {"a": 1}},
        {"metrics": {"model": [], "reliability": [{"rows": "x"}], "subgroups": [1]}},
        {"metrics": {"auc": "high", "interval_95": {"auc": [1]}}, "training": "long"},
        {"metrics": {"model": {"auc": True}, "interval_95": 4}, "features": ["a"]},
        {"tests_on_data_never_trained_on": {"shipped": {"shipped": 3}, "x": {"shipped": {}}}},
        {"tests_on_data_never_trained_on": "none", "label": "a word"},
    ],
    ids=["empty", "nulls", "lists", "words", "booleans", "unseen", "text"],
)
def test_a_card_of_another_form_says_nothing_and_harms_nothing(card: dict[str, object]) -> None:
    told = card_parser.read(card)
    for test in told.measured:
        assert all(isinstance(figure.value, float) for figure in test.figures.values())


def test_an_unknown_figure_is_a_dash_and_never_zero() -> None:
    assert str(card_facts.UNKNOWN) == "—"
    assert card_facts.number(math.nan) == "—"
    assert card_facts.signed(math.nan) == "—"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0124, "+0.012"), (-0.0039, "−0.004"), (0.0001, "0.000")]
)
def test_a_difference_has_its_sign(value: float, shown: str) -> None:
    assert card_facts.signed(value) == shown


def test_a_strangers_text_is_no_markdown() -> None:
    shown = formatting.plain("![x](http://a) <b> $y$ :red[z] *w*")
    assert shown == r"!\[x\](http://a) \<b> \$y\$ \:red\[z\] \*w\*"
