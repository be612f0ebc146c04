"""A trace that a model learned from is found again, whatever its file looks like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spotlab.recorded.traces import read_trace, read_traces
from spotlab.training.provenance import CARD_KEY, learned_from, training_traces
from tests.support import trace_files as toys

DATA = toys.ups_and_downs(4000, 11)


@pytest.fixture
def card(tmp_path: Path) -> dict[str, object]:
    path = toys.write_counts(tmp_path / "known.json.gz", DATA)
    return {CARD_KEY: training_traces([read_trace(path)], [path])}


def reasons(card: dict[str, object], path: Path) -> dict[str, str]:
    polarity = "unavailable" if path.suffix == ".csv" else None
    traces = read_traces(path, polarity=polarity, gap_s=600.0)  # type: ignore[arg-type]
    return learned_from(card, traces, [path])


def test_the_same_file_is_found_compressed_or_not(card: dict[str, object], tmp_path: Path) -> None:
    path = toys.write_counts(tmp_path / "other" / "renamed.json", DATA)

    assert reasons(card, path) == {"renamed": "the same file"}


@pytest.mark.parametrize("form", ["rebuilt", "csv", "cut"])
def test_the_same_record_in_another_form_is_found(
    card: dict[str, object], tmp_path: Path, form: str
) -> None:
    values: list[int | None] = [int(x) for x in DATA]
    if form == "csv":
        path = toys.write_csv(tmp_path / "renamed.csv", [1 - int(x) for x in DATA])
    elif form == "cut":
        path = toys.write_counts(tmp_path / "renamed.json", values[1000:3000])
    else:
        values[500:520] = [None] * 20
        path = toys.write_rebuilt(tmp_path / "renamed.json", values, {0: 0.0})

    assert reasons(card, path) == {"renamed": "the same record as known"}


def test_another_record_is_not(card: dict[str, object], tmp_path: Path) -> None:
    for seed in range(3):
        path = toys.write_counts(tmp_path / f"{seed}.json", toys.ups_and_downs(4000, seed))
        assert reasons(card, path) == {}
    flat = toys.write_counts(tmp_path / "flat.json", np.ones(4000))
    assert reasons(card, flat) == {}
