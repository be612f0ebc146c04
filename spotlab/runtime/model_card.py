"""Writes the card of a bare LightGBM model.

What the model's text and the feature engine say is not asked. Asked is what nobody can know from
them: what the label was, and the model's name and version.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, get_args

from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.features.views import NAMES, feature
from spotlab.inference.artefacts import CARD, SUMS, with_unix_lines
from spotlab.inference.card import CAPACITY, CARD_FORMAT
from spotlab.inference.objectives import log_odds_per_score
from spotlab.inference.tree_limits import TreeLimits
from spotlab.inference.tree_structure import validate_trees

Label = Literal["high-bucket", "rate"]
LABELS: Final[Mapping[str, str]] = {
    "high-bucket": "P(next advisor bucket >= 3, that is over 15 % a month)",
    "rate": "position of the next monthly rate between that of the lowest and the highest bucket",
}
MODEL_FILE: Final = "model.txt"
ADVISOR: Final = "advisor"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_AS_SCORED: Final = {"kind": "platt", "slope": 1.0, "intercept": 0.0}
_LIGHTGBM: Final = b"tree"


@dataclass(frozen=True, slots=True)
class CardAnswers:
    """What only the person who trained a model knows.

    Args:
        task: "advisor".
        label: what the model predicts, a key of LABELS.
        name: of the model.
        version: of the model.
        summary: one sentence for readers of the card.
    """

    task: str
    label: str
    name: str
    version: str = "1.0.0"
    summary: str = ""


def is_bare_model(content: bytes) -> bool:
    """Whether a file is a LightGBM text model, and not an archive with a card."""
    return content[:6].partition(b"\n")[0].rstrip(b"\r") == _LIGHTGBM


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
    for name in trees.feature_names:
        if name not in NAMES:
            nearest = ", ".join(get_close_matches(name, NAMES, n=3))
            raise ArtefactRefused(
                f"{name!r} is not a feature that SpotLab computes.",
                remedy=f"{f'Nearest: {nearest}. ' if nearest else ''}docs/features.md lists them; "
                "train with their names as the columns.",
            )
    return {
        "format": CARD_FORMAT,
        "name": answers.name,
        "version": answers.version,
        "task": answers.task,
        "kind": "lightgbm",
        "file": MODEL_FILE,
        "summary": answers.summary,
        "label": {"what": LABELS[answers.label]},
        "features": [_feature(name) for name in trees.feature_names],
        "calibration": {"rate": _AS_SCORED, "high_bucket": _AS_SCORED},
        "training": {"objective": trees.objective, "trees": len(trees.trees), "sigmoid": scale},
        "limits": [
            "The card was written from the model: no figure on it is measured, and its "
            "probabilities are not calibrated.",
            f"The label is the {LABELS[answers.label]}. The same probability is used for the other "
            "meaning, of which it gives the order but not the level.",
        ],
    }


def write_artefact(model: bytes, card: Mapping[str, Any], folder: Path) -> None:
    """Write the three files of an artefact into a folder."""
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    files = {CARD: text.encode(), str(card["file"]): with_unix_lines(model)}
    sums = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    files[SUMS] = "".join(sums).encode()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _feature(name: str) -> dict[str, Any]:
    known = feature(name)
    return {
        "name": name,
        "unit": known.unit,
        "low": known.low,
        "high": known.high,
        "nullable": known.missing != "",
        "meaning": known.meaning,
    }


def _check(answers: CardAnswers) -> None:
    if answers.task == CAPACITY:
        raise InvalidInput(
            "A capacity card cannot be written from a model alone.",
            remedy="It has a logistic term and calibrations, which are fitted with "
            "the trees: spotlab train capacity.",
            field="task",
        )
    if answers.task != ADVISOR:
        raise InvalidInput(
            f"There is no task {answers.task!r}.", remedy="Use advisor.", field="task"
        )
    if answers.label not in get_args(Label):
        asked = f"{answers.label!r} is not a label." if answers.label else "The label is missing."
        meanings = "; ".join(f"{label}: {meaning}" for label, meaning in LABELS.items())
        raise InvalidInput(
            f"{asked} Only you know what the model predicts.",
            remedy=f"Use --label with one of: {meanings}.",
            field="label",
        )
    for field, value in (("name", answers.name), ("version", answers.version)):
        if not _NAME.fullmatch(value):
            raise InvalidInput(
                f"The {field} {value!r} is not valid.",
                remedy="Use 1 to 64 lower-case letters, digits, dots, hyphens, underscores, such "
                f"as {'my-model' if field == 'name' else '1.0.0'}: --{field}.",
                field=field,
            )
