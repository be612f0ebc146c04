"""The process that runs one model: `python -m spotlab.inference.model_worker`.

It receives the model's bytes over a pipe, opens no files, and returns plain numbers. The model may
compromise it, so the parent process validates everything it sends.

Request frames begin with an operation: OPEN (length of the card, digest, card, model), SCORE or
CONTRIBUTIONS (horizon in hours, number of rows, the rows as float64). Response frames begin with
DONE, followed by float64 numbers, or with an error code, followed by a message.
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
from spotlab.inference.kernel_loader import KERNELS
from spotlab.inference.lightgbm_import import lightgbm
from spotlab.inference.tree_limits import TreeLimits
from spotlab.processes.frames import Buffer, PipeClosed, receive, send
from spotlab.processes.limits import (
    Limits,
    address_space_mb,
    apply_limits,
    confine,
    die_with_parent,
)

Opener = Callable[[Artefact, Path, TreeLimits], CheckedModel | CapacityModel]

OPEN: Final = b"o"
SCORE: Final = b"s"
CONTRIBUTIONS: Final = b"p"
DONE: Final = b"+"
REJECTED: Final = b"r"
"""The model cannot be opened; the message gives the reason."""
OUT_OF_MEMORY: Final = b"m"
"""The memory limit was exceeded."""
INVALID: Final = b"i"
"""The model does not support the request, such as one without explanations; the message gives the
reason."""
FAILED: Final = b"f"
"""This request failed; another one may succeed."""
OPEN_HEADER: Final = struct.Struct("<cQ64s")
REQUEST_HEADER: Final = struct.Struct("<cdQ")
MAX_MESSAGE_BYTES: Final = 2000
MAX_FRAME_BYTES: Final = 2**28


def main(arguments: Sequence[str], opener: Opener = open_verified) -> int:
    """Serve requests until the parent closes the pipe.

    Args:
        arguments: process id of the parent, memory in addition to the libraries in MB, processor
            seconds, the model's kind, and the tree limits as JSON.
        opener: opens a verified artefact; replaced in tests.
    """
    parent, memory_mb, cpu_s = (int(word) for word in arguments[:3])
    die_with_parent(parent)
    trees = msgspec.json.decode(arguments[4], type=TreeLimits)
    responses = _reserve_stdout()
    KERNELS.disable("this process only evaluates one model and starts no other")
    _import_libraries(arguments[3])
    limits = Limits(address_space_mb() + memory_mb, cpu_s, open_files=0)
    confine()
    apply_limits(limits)
    send(responses, [DONE])
    model: Any = None
    try:
        while True:
            request = receive(0, MAX_FRAME_BYTES)
            if bytes(request[:1]) == OPEN:
                model, response = _open(request, opener, trees)
            else:
                response = _respond(model, request)
            send(responses, response)
    except PipeClosed:
        return 0


def _reserve_stdout() -> int:
    """Move the response pipe away from descriptor 1, because libraries print there."""
    responses = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return responses


def _import_libraries(kind: str) -> None:
    """Import before the time limit starts, and before files can no longer be opened."""
    if kind == "lightgbm":
        lightgbm()
    elif kind == "sklearn":
        _warm_up()


def _warm_up() -> None:
    """Use scikit-learn, skops and shap once, because they import many modules only when used."""
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
        opened.contributions(rows)


def _open(request: memoryview, opener: Opener, trees: TreeLimits) -> tuple[Any, list[Buffer]]:
    _, card_bytes, digest = OPEN_HEADER.unpack_from(request)
    card_end = OPEN_HEADER.size + card_bytes
    try:
        card = parse_card(bytes(request[OPEN_HEADER.size : card_end]))
        artefact = Artefact(card, bytes(request[card_end:]), digest.decode())
        return opener(artefact, Path(card.spec.name) / card.spec.version, trees), [DONE]
    except ArtefactRefused as exc:
        return None, _error_frame(REJECTED, exc.message)
    except MemoryError:
        return None, [OUT_OF_MEMORY]
    except Exception as exc:
        return None, _error_frame(REJECTED, f"It cannot be opened ({type(exc).__name__}: {exc})")


def _respond(model: Any, request: memoryview) -> list[Buffer]:
    operation, horizon_h, count = REQUEST_HEADER.unpack_from(request)
    rows = np.frombuffer(request[REQUEST_HEADER.size :], dtype=np.float64).reshape(count, -1)
    try:
        return [DONE, *(array.data for array in _predict(model, operation, rows, horizon_h))]
    except MemoryError:
        return [OUT_OF_MEMORY]
    except InvalidInput as exc:
        return _error_frame(INVALID, exc.message)
    except Exception as exc:
        return _error_frame(FAILED, f"{type(exc).__name__}: {exc}")


def _predict(
    model: Any, operation: bytes, rows: NDArray[np.float64], horizon_h: float
) -> list[NDArray[np.float64]]:
    """Scores, or contributions and bases, from the model's library, C-contiguous.

    These private methods return values before the card is applied; the parent applies it.
    """
    parts = operation == CONTRIBUTIONS
    if isinstance(model, CapacityModel):
        outputs = (model._tree_scores(rows, horizon_h, contributions=parts),)
    else:
        outputs = model._score_contributions(rows) if parts else (model._score(rows),)
    return [np.ascontiguousarray(output, dtype=np.float64) for output in outputs]


def _error_frame(code: bytes, message: str) -> list[Buffer]:
    return [code, " ".join(message.split()).encode("utf-8", "replace")[:MAX_MESSAGE_BYTES]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
