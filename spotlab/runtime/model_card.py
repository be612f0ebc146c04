"""Writes the card of a bare LightGBM model.

What the model's text and the feature engine say is not asked. Asked is what nobody can know from
them: what the label was, the model's name and version, and the horizons of a capacity model.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from spotlab.domain.features import Feature
from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.features.capacity_model.registry import CAPACITY_FEATURES, HORIZON, OTHERS
from spotlab.features.views import NAMES, feature
from spotlab.inference.artefacts import CARD, SUMS, with_unix_lines
from spotlab.inference.card import CAPACITY, CARD_FORMAT, MAX_CARD_BYTES
from spotlab.inference.model_text import TreeModel
from spotlab.inference.objectives import log_odds_per_score
from spotlab.inference.tree_limits import TreeLimits
from spotlab.inference.tree_structure import validate_trees


@dataclass(frozen=True, slots=True)
class Label:
    """What a model may predict.

    Args:
        task: of the model.
        meaning: of its probability.
    """

    task: str
    meaning: str


ADVISOR: Final = "advisor"
LABELS: Final[Mapping[str, Label]] = {
    "high-bucket": Label(ADVISOR, "P(next advisor bucket >= 3, that is over 15 % a month)"),
    "rate": Label(
        ADVISOR,
        "position of the next monthly rate between that of the lowest and the highest bucket",
    ),
    "capacity-loss": Label(
        CAPACITY,
        "P(capacity cannot be had at some probe of the next H hours, given that it can be had now)",
    ),
}
MODEL_FILE: Final = "model.txt"
_FEATURES: Final[Mapping[str, Mapping[str, Feature]]] = {
    ADVISOR: {name: feature(name) for name in NAMES},
    CAPACITY: {entry.feature.name: entry.feature for entry in CAPACITY_FEATURES},
}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_COLUMNS: Final = re.compile(rb"^feature_names=([^\r\n]*)", re.MULTILINE)
_LAST_RANGE: Final = re.compile(
    rb"^feature_infos=(?:[^\r\n]* )?\[(-?[0-9]+(?:\.[0-9]+)?):(-?[0-9]+(?:\.[0-9]+)?)\]\r?$",
    re.MULTILINE,
)
_MAX_LN: Final = 50.0
"""Of a horizon in hours: far beyond any."""
_AS_SCORED: Final = {"kind": "platt", "slope": 1.0, "intercept": 0.0}
_LIGHTGBM: Final = b"tree"
_NOT_MEASURED: Final = (
    "The card was written from the model: no figure on it is measured, and its "
    "probabilities are not calibrated."
)


@dataclass(frozen=True, slots=True)
class CardAnswers:
    """What only the person who trained a model knows.

    Args:
        label: what the model predicts, a key of LABELS.
        name: of the model.
        version: of the model.
        summary: one sentence for readers of the card.
        horizons_h: horizons of the rows that a capacity model was trained on, hours.
    """

    label: str
    name: str
    version: str = "1.0.0"
    summary: str = ""
    horizons_h: tuple[float, ...] = ()


def is_bare_model(content: bytes) -> bool:
    """Whether a file is a LightGBM text model, and not an archive with a card."""
    return content[:6].partition(b"\n")[0].rstrip(b"\r") == _LIGHTGBM


def possible_labels(model: bytes) -> tuple[str, ...]:
    """The labels of the task whose features a bare model's columns are; all, if of neither task."""
    found = _COLUMNS.search(model[:MAX_CARD_BYTES])
    columns = set(found[1].decode("ascii", "replace").split()) - {HORIZON} if found else set()
    tasks = [task for task, features in _FEATURES.items() if columns and columns <= {*features}]
    return tuple(name for name, label in LABELS.items() if not tasks or label.task in tasks)


def training_horizons_h(model: bytes) -> tuple[float, float] | None:
    """The shortest and the longest horizon in the training of a bare capacity model, hours.

    None: its text does not say, or its last column is another one; `card_of` then says why.
    """
    columns = _COLUMNS.search(model[:MAX_CARD_BYTES])
    ends = _LAST_RANGE.search(model[:MAX_CARD_BYTES])
    if columns is None or ends is None or columns[1].split()[-1:] != [HORIZON.encode()]:
        return None
    low, high = (float(end) for end in ends.groups())
    return (math.exp(low), math.exp(high)) if -_MAX_LN < low < high < _MAX_LN else None


def card_of(model: bytes, answers: CardAnswers, limits: TreeLimits | None = None) -> dict[str, Any]:
    """The card of a model.

    Args:
        model: its text.
        answers: what the text does not say.
        limits: largest size of its trees; None: the defaults.
    Raises:
        InvalidInput: an answer is missing or wrong; says what is valid.
        ArtefactRefused: the text is no valid model, or uses features that SpotLab does not compute.
    """
    _check(answers)
    trees = validate_trees(with_unix_lines(model), limits)
    scale = log_odds_per_score(trees)
    label = LABELS[answers.label]
    of_task = _capacity_part if label.task == CAPACITY else _advisor_part
    return {
        "format": CARD_FORMAT,
        "name": answers.name,
        "version": answers.version,
        "task": label.task,
        "kind": "lightgbm",
        "file": MODEL_FILE,
        "summary": answers.summary,
        "label": {"what": f"{label.meaning}."},
        "training": {"objective": trees.objective, "trees": len(trees.trees), "sigmoid": scale},
        **of_task(trees, answers),
    }


def _advisor_part(trees: TreeModel, answers: CardAnswers) -> dict[str, Any]:
    return {
        "features": [_feature(name, ADVISOR) for name in trees.feature_names],
        "calibration": {"rate": _AS_SCORED, "high_bucket": _AS_SCORED},
        "limits": [
            _NOT_MEASURED,
            f"The label is the {LABELS[answers.label].meaning}. The same probability is used for "
            "the other meaning, of which it gives the order but not the level.",
        ],
    }


def _capacity_part(trees: TreeModel, answers: CardAnswers) -> dict[str, Any]:
    """The trees alone: weights of 0, and each knot as scored."""
    *names, last = trees.feature_names
    features = [_feature(name, CAPACITY) for name in trees.feature_names if name != HORIZON]
    if last != HORIZON:
        raise ArtefactRefused(
            f"The last column of a capacity model is {HORIZON}; here it is {last}.",
            remedy=f"Train one model for all horizons: repeat each row for every horizon, with "
            f"{HORIZON} = ln(horizon in hours) as the last column and whether capacity was lost "
            "within that horizon as its label.",
        )
    _check_horizons(trees.range_of(len(names)), answers.horizons_h)
    no_weights = [0.0] * (len(names) + 1)
    return {
        "features": features,
        "horizon_feature": HORIZON,
        "horizons_h": list(answers.horizons_h),
        "columns": [
            {
                **{"scale": "as_is", "offset": 0.0, "centre": 0.0, "spread": 1.0},
                **{"low": each["low"], "high": each["high"], "of_others": each["name"] in OTHERS},
            }
            for each in features
        ],
        "knots": [
            {
                **{"horizon_h": horizon_h, "with_others": no_weights, "alone": no_weights},
                **{"trees": True, "calibration": _AS_SCORED},
            }
            for horizon_h in answers.horizons_h
        ],
        "limits": [
            _NOT_MEASURED,
            "The forecast is that of the trees alone. Between the horizons of its training it is "
            "interpolated; below the first the hazard is constant, beyond the last it is that "
            "between the last two.",
        ],
    }


def _check_horizons(trained: tuple[float, float] | None, horizons_h: Sequence[float]) -> None:
    """Check the horizons against those that the model's text says it was trained on.

    Args:
        trained: smallest and largest ln(horizon in hours) in training; None: it did not vary.
        horizons_h: as answered.
    """
    if trained is None:
        raise ArtefactRefused(
            f"{HORIZON} did not vary in training, but a capacity model forecasts several horizons.",
            remedy="Train it on rows of two or more horizons.",
        )
    low, high = (math.exp(end) for end in trained)
    asked = f"it was trained on horizons from {low:g} to {high:g} h"
    rising = all(first < second for first, second in pairwise(horizons_h))
    if len(horizons_h) < 2 or not rising:
        raise InvalidInput(
            "The horizons of a capacity model are missing or not increasing.",
            remedy=f"Give two or more, in hours, as in its training: {asked}.",
            field="horizons_h",
        )
    if not (math.isclose(horizons_h[0], low) and math.isclose(horizons_h[-1], high)):
        given = ", ".join(f"{horizon_h:g}" for horizon_h in horizons_h)
        raise InvalidInput(
            f"The horizons {given} h are not those of its training.",
            remedy=f"{asked.capitalize()}: the first and the last are these.",
            field="horizons_h",
        )


def write_artefact(model: bytes, card: Mapping[str, Any], folder: Path) -> None:
    """Write the three files of an artefact into a folder."""
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    files = {CARD: text.encode(), str(card["file"]): with_unix_lines(model)}
    sums = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    files[SUMS] = "".join(sums).encode()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _feature(name: str, task: str) -> dict[str, Any]:
    known = _FEATURES[task].get(name)
    if known is None:
        raise _not_a_feature(name, task)
    return {
        "name": name,
        "unit": known.unit,
        "low": known.low,
        "high": known.high,
        "nullable": task == CAPACITY or known.missing != "",
        "meaning": known.meaning,
    }


def _not_a_feature(name: str, task: str) -> ArtefactRefused:
    for other, features in _FEATURES.items():
        if name in features:
            labels = ", ".join(key for key, label in LABELS.items() if label.task == other)
            return ArtefactRefused(
                f"{name!r} is a feature of {other} models, but the label is one of {task} models.",
                remedy=f"Labels of {other} models: {labels}.",
            )
    nearest = ", ".join(get_close_matches(name, _FEATURES[task], n=3))
    return ArtefactRefused(
        f"{name!r} is not a feature that SpotLab computes.",
        remedy=f"{f'Nearest: {nearest}. ' if nearest else ''}docs/features.md lists those of "
        "advisor models, docs/bring-your-own-model.md those of capacity models; train with their "
        "names as the columns.",
    )


def _check(answers: CardAnswers) -> None:
    if answers.label not in LABELS:
        asked = f"{answers.label!r} is not a label." if answers.label else "The label is missing."
        meanings = "; ".join(f"{name}: {label.meaning}" for name, label in LABELS.items())
        raise InvalidInput(
            f"{asked} Only you know what the model predicts.",
            remedy=f"Labels: {meanings}.",
            field="label",
        )
    for field, value in (("name", answers.name), ("version", answers.version)):
        if not _NAME.fullmatch(value):
            raise InvalidInput(
                f"The {field} {value!r} is not valid." if value else f"The {field} is missing.",
                remedy="Use 1 to 64 lower-case letters, digits, dots, hyphens, underscores, such "
                f"as {'my-model' if field == 'name' else '1.0.0'}.",
                field=field,
            )
