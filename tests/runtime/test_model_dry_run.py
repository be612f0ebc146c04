"""The trial prediction reaches every leaf and computes explanations, as the app may do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from spotlab.errors import ArtefactRefused
from spotlab.inference import artefacts
from spotlab.runtime.model_dry_run import DRAWN_ROWS, DryRunLimits, dry_run
from tests.support import hostile_models, models
from tests.support.hostile_models import resized
from tests.support.small_models import COLUMNS, small_models


def saved(models_dir: Path, text: str, names: tuple[str, ...], **bounds: object) -> Path:
    """An artefact of a model text; its columns are unbounded, or have `bounds`."""
    feature = {"unit": "1", "low": None, "high": None, "nullable": True} | bounds
    features = [{"name": name} | feature for name in names]
    card = models.card(features=features, persistence=None)
    return artefacts.save(models_dir, json.dumps(card).encode(), text.encode())


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [
        ("categorical", {}),
        ("zero is unknown", {"nullable": False}),
        ("dart", {"low": -1e308, "high": 1e308}),
        ("stump", {"low": 0, "high": 0}),
    ],
)
def test_a_sound_model_is_asked_for_rows_at_its_leaves(
    tmp_path: Path, kind: str, bounds: dict[str, object]
) -> None:
    text = small_models()[kind]
    run = dry_run(saved(tmp_path, text, COLUMNS, **bounds), DryRunLimits())

    leaves = sum(int(found) for found in re.findall(r"^num_leaves=(\d+)$", text, re.MULTILINE))
    assert DRAWN_ROWS < run.rows <= DRAWN_ROWS + leaves
    assert 0.0 <= run.risk_low <= run.risk_high <= 1.0


def test_a_leaf_that_no_drawn_row_reaches_is_asked_for(tmp_path: Path) -> None:
    """The leaf is behind a threshold far outside the drawn values, and has the highest risk."""
    rare = {"split_feature": "1 1", "threshold": "1e+299 1e+300", "leaf_value": "0 0 90"}
    card = json.dumps(models.card(persistence=None)).encode()
    texts = [models.booster_text(), hostile_models.with_tree(models.booster_text(), **rare)]

    plain, hidden = (
        dry_run(artefacts.save(tmp_path / str(number), card, text.encode()), DryRunLimits())
        for number, text in enumerate(texts)
    )

    assert hidden.risk_high > 1.1 * plain.risk_high


def test_linear_trees_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ArtefactRefused, match="Linear trees have no explanation") as caught:
        saved(tmp_path, small_models()["linear"], COLUMNS)
    assert caught.value.remedy == "Train with linear_tree=false."


def test_contributions_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    """Contributions to values of 1e12 do not add up to nine decimals."""

    def grown(match: re.Match[str]) -> str:
        values = np.array(match[1].split(" "), dtype=np.float64) * 1e12
        return "leaf_value=" + " ".join(f"{value:.17g}" for value in values)

    text = re.sub(r"^leaf_value=(.*)$", grown, small_models()["deep"], flags=re.MULTILINE)
    folder = saved(tmp_path, resized(text), COLUMNS)

    with pytest.raises(ArtefactRefused, match="contributions differ from its raw score"):
        dry_run(folder, DryRunLimits())


def test_a_shipped_capacity_model_is_asked_at_each_of_its_horizons() -> None:
    run = dry_run(hostile_models.CAPACITY, DryRunLimits())
    assert run.rows > DRAWN_ROWS
    assert 0.0 <= run.risk_low <= run.risk_high <= 1.0
