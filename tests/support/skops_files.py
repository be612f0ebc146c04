"""Unpacking, editing and packing skops files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.support import models

SCHEMA = "schema.json"
Files = dict[str, bytes]


def boosting(rounds: int = 3) -> Any:
    """Fitted trees that a test may change."""
    return deepcopy(_boosting(rounds))


@cache
def _boosting(rounds: int) -> Any:
    matrix = models.rows(300)
    fitted = HistGradientBoostingClassifier(max_iter=rounds, random_state=0)
    return fitted.fit(models.frame_of(matrix), models.outcomes(matrix))


def linear() -> Any:
    """A fitted pipeline of an imputer, a scaler and a linear model."""
    matrix = models.rows(300)
    fitted = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    return fitted.fit(models.frame_of(matrix), models.outcomes(matrix))


def taken_apart(content: bytes) -> Files:
    """The content of each member by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def put_together(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of the files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def edited(fitted: Any, edit: Callable[[Any, Files], None]) -> bytes:
    """The estimator's file after `edit` changed its schema and arrays in place."""
    files = taken_apart(skops.io.dumps(fitted))
    schema = json.loads(files[SCHEMA])
    edit(schema, files)
    return put_together(files | {SCHEMA: json.dumps(schema).encode()})


def nodes(schema: Any, loader: str) -> Iterator[dict[str, Any]]:
    """The nodes of the schema that a loader builds."""
    if isinstance(schema, dict):
        if schema.get("__loader__") == loader:
            yield schema
        for value in schema.values():
            yield from nodes(value, loader)
    elif isinstance(schema, list):
        for value in schema:
            yield from nodes(value, loader)


def first_array(schema: Any) -> dict[str, Any]:
    """The first node whose array is stored in a file."""
    return next(node for node in nodes(schema, "NdArrayNode") if node["type"] == "numpy")


def node(name: str, loader: str, content: Any, own_id: int | None = None) -> dict[str, Any]:
    """One node of a schema, of a type such as "builtins.list"."""
    module, _, kind = name.rpartition(".")
    known = {} if own_id is None else {"__id__": own_id}
    return {
        "__module__": module,
        "__class__": kind,
        "__loader__": loader,
        "content": content,
        **known,
    }


def saved_array(array: NDArray[Any]) -> bytes:
    """An array in numpy's file format."""
    saved = io.BytesIO()
    np.save(saved, array, allow_pickle=False)
    return saved.getvalue()
