"""What a LightGBM model's score means, by the objective that its text names.

SpotLab reads scores as log-odds. Of an objective whose score is something else, a card can say
nothing right, so it is refused. Source: LightGBM 4.7, `ConvertOutput` of each objective.
"""

from __future__ import annotations

import re
from typing import Final

from spotlab.errors import ArtefactRefused
from spotlab.inference.model_text import TreeModel

_BINARY: Final = re.compile(r"binary sigmoid:(?P<sigmoid>\S+)")
_REMEDY: Final = (
    "Train with objective=binary, or with objective=cross_entropy if the label is a share 0..1."
)
_MEANINGS: Final = {
    "cross_entropy_lambda": "the logarithm of an intensity",
    "lambdarank": "a rank",
    "rank_xendcg": "a rank",
    "poisson": "the logarithm of a count",
    "gamma": "the logarithm of a size",
    "tweedie": "the logarithm of a size",
}


def log_odds_per_score(model: TreeModel) -> float:
    """The factor from the sum of a model's trees to log-odds.

    1 for cross_entropy and for binary with sigmoid=1; `sigmoid` for binary with another one, since
    the probability is 1 / (1 + exp(-sigmoid * score)).

    Raises:
        ArtefactRefused: the score is no log-odds, or cannot be explained; says what to train.
    """
    if model.linear:
        raise ArtefactRefused(
            "Linear trees have no explanation", remedy="Train with linear_tree=false."
        )
    if model.averaged:
        raise ArtefactRefused(
            "Its score is the mean of its trees (boosting=rf), whose explanation does not add up",
            remedy="Train with boosting=gbdt or boosting=dart.",
        )
    match = _BINARY.fullmatch(model.objective)
    if match is not None and float(match["sigmoid"]) > 0.0:
        return float(match["sigmoid"])
    if model.objective == "cross_entropy":
        return 1.0
    if not model.objective:
        raise ArtefactRefused(
            "It names no objective, so that the meaning of its score is unknown", remedy=_REMEDY
        )
    name = model.objective.split()[0]
    meaning = _MEANINGS.get(name, "the predicted value itself")
    raise ArtefactRefused(
        f"Its objective is {name}, whose score is {meaning}, not log-odds", remedy=_REMEDY
    )
