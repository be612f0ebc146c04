"""The process that opens one model and answers for it: `python -m spotlab.inference.model_worker`.

It is sent the model's bytes, opens no file of it, and answers with plain numbers.
What it reads may subvert it, so whoever asks takes nothing that it says for granted.

Frames to it begin with an operation: OPEN (length of the card, digest, card, model), or SCORE or
PARTS (horizon in hours, number of rows, the rows as float64). Frames from it begin with DONE and
hold float64 numbers, or with why there are none and a sentence.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.inference.adapters import CheckedModel
from spotlab.inference.artefacts import Artefact, open_verified
from spotlab.inference.capacity import CapacityModel
from spotlab.inference.card import parse_card
from spotlab.inference.estimators import open_estimator
from spotlab.inference.lightgbm_import import lightgbm
from spotlab.inference.tree_limits import TreeLimits
from spotlab.processes.frames import Buffer, Ended, receive, send
from spotlab.processes.limits import Limits, address_space_mb, confine, die_with, restrict

Opener = Callable[[Artefact, Path, TreeLimits], CheckedModel | CapacityModel]

OPEN: Final = b"o"
SCORE: Final = b"s"
PARTS: Final = b"p"
DONE: Final = b"+"
REFUSED: Final = b"r"
"""The model cannot be opened; the sentence says why."""
TOO_LARGE: Final = b"m"
"""It takes more memory than it may."""
INVALID: Final = b"i"
"""It does not answer such a question, as one without explanations; the sentence says why."""
FAILED: Final = b"f"
"""This question was too much for it; another may not be."""
OPENING: Final = struct.Struct("<cQ64s")
QUESTION: Final = struct.Struct("<cdQ")
SENTENCE_BYTES: Final = 2000
MAX_BYTES: Final = 2**28


def main(arguments: Sequence[str], opener: Opener = open_verified) -> int:
    """Answer until nobody asks any more.

    Args:
        arguments: process id of whoever asks, memory beyond the libraries' in MB, processor
            seconds, the model's kind, how large its trees may be as JSON.
        opener: opens a verified artefact; a test gives another.
    """
    parent, memory_mb, cpu_s = (int(word) for word in arguments[:3])
    die_with(parent)
    trees = msgspec.json.decode(arguments[4], type=TreeLimits)
    answers = _own_stdout()
    _import_libraries(arguments[3])
    limits = Limits(address_space_mb() + memory_mb, cpu_s, open_files=0)
    confine()
    restrict(limits)
    send(answers, [DONE])
    model: Any = None
    try:
        while True:
            question = receive(0, MAX_BYTES)
            if bytes(question[:1]) == OPEN:
                model, answer = _opened(question, opener, trees)
            else:
                answer = _answer(model, question)
            send(answers, answer)
    except Ended:
        return 0


def _own_stdout() -> int:
    """The pipe of answers, away from descriptor 1: libraries print there."""
    answers = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return answers


def _import_libraries(kind: str) -> None:
    """Before the model's time is counted, and before nothing can be read any more."""
    if kind == "lightgbm":
        lightgbm()
    else:
        _rehearse()


def _rehearse() -> None:
    """Let scikit-learn, skops and shap answer once: much of them is imported by then only."""
    import pandas as pd
    import skops.io
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.arange(60.0).reshape(-1, 1)
    frame = pd.DataFrame(rows, columns=["feature"])
    for estimator in (
        make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
        HistGradientBoostingClassifier(max_iter=1),
    ):
        fitted = estimator.fit(frame, rows[:, 0] > 30.0)
        opened = open_estimator(skops.io.dumps(fitted), np.zeros(1))
        opened.log_odds(rows)
        opened.parts(rows)


def _opened(question: memoryview, opener: Opener, trees: TreeLimits) -> tuple[Any, list[Buffer]]:
    _, card_bytes, digest = OPENING.unpack_from(question)
    card_end = OPENING.size + card_bytes
    try:
        card = parse_card(bytes(question[OPENING.size : card_end]))
        artefact = Artefact(card, bytes(question[card_end:]), digest.decode())
        return opener(artefact, Path(card.spec.name) / card.spec.version, trees), [DONE]
    except ArtefactRefused as exc:
        return None, _without(REFUSED, exc.message)
    except MemoryError:
        return None, [TOO_LARGE]
    except Exception as exc:
        return None, _without(REFUSED, f"It cannot be opened ({type(exc).__name__}: {exc})")


def _answer(model: Any, question: memoryview) -> list[Buffer]:
    operation, horizon_h, count = QUESTION.unpack_from(question)
    rows = np.frombuffer(question[QUESTION.size :], dtype=np.float64).reshape(count, -1)
    try:
        return [DONE, *(part.data for part in _numbers(model, operation, rows, horizon_h))]
    except MemoryError:
        return [TOO_LARGE]
    except InvalidInput as exc:
        return _without(INVALID, exc.message)
    except Exception as exc:
        return _without(FAILED, f"{type(exc).__name__}: {exc}")


def _numbers(
    model: Any, operation: bytes, rows: NDArray[np.float64], horizon_h: float
) -> list[NDArray[np.float64]]:
    """What the model's own library says: scores, or contributions and bases, C-contiguous.

    That is private to the models: whoever asks applies the card to it, as they do themselves.
    """
    parts = operation == PARTS
    if isinstance(model, CapacityModel):
        said = (model._trees(rows, horizon_h, contributions=parts),)
    else:
        said = model._score_parts(rows) if parts else (model._score(rows),)
    return [np.ascontiguousarray(each, dtype=np.float64) for each in said]


def _without(why: bytes, sentence: str) -> list[Buffer]:
    return [why, " ".join(sentence.split()).encode("utf-8", "replace")[:SENTENCE_BYTES]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
