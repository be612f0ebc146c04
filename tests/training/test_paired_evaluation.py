"""Two models get the same rows of the same files, and a file they learned from is named."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotlab.domain.availability_traces import TracePanel
from spotlab.errors import Cancelled
from spotlab.recorded.traces import read_traces
from spotlab.training.capacity.evaluation import TraceOptions
from spotlab.training.capacity.rows import CapacityRows
from spotlab.training.paired_evaluation import FloatArray, comparison_digest, pair_on_traces
from spotlab.training.provenance import training_traces


@dataclass(frozen=True)
class Named:
    name: str
    version: str = "1.0.0"
    card: dict[str, Any] = field(default_factory=dict)


def constant(share: float) -> Any:
    def forecast(_panel: TracePanel, rows: CapacityRows) -> FloatArray:
        return np.full(len(rows), share)

    return forecast


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    path = tmp_path / "zone-a.json"
    data = (rng.random(6 * 24 * 6) < 0.9).astype(int).tolist()
    path.write_text(json.dumps({"metadata": {"gap_seconds": 600}, "data": data}))
    return path


def meet(models: tuple[Named, Named], trace: Path, **stopped: Any) -> Any:
    return pair_on_traces(
        models,
        (constant(0.2), constant(0.3)),
        [trace],
        1.0,
        TraceOptions(),
        lambda _text, _share: None,
        stopped.get("stopped", lambda: False),
    )


def test_both_forecast_every_row_and_each_row_says_where_it_is(trace: Path) -> None:
    rows = meet((Named("one"), Named("other")), trace)
    assert len(rows.outcome) == len(rows.first) == len(rows.second) == len(rows.table) > 300
    assert set(rows.table["trace"]) == {"zone-a"}
    assert rows.table["at"].isna().all(), "the file carries no time, and none is invented"
    assert rows.table["elapsed_h"].min() >= 24.0
    assert (rows.block, rows.warnings, rows.notes) == ("day", (), ())


def test_a_model_that_learned_from_a_file_is_named(trace: Path) -> None:
    known = training_traces(read_traces([trace]), [trace])
    rows = meet((Named("one", card={"training_traces": known}), Named("other")), trace)
    assert rows.warnings == (
        "one@1.0.0 was trained on 1 of 1 files, which flatters it: zone-a (the same file).",
    )


def test_it_stops_between_steps(trace: Path) -> None:
    with pytest.raises(Cancelled):
        meet((Named("one"), Named("other")), trace, stopped=lambda: True)


def test_a_digest_tells_content_and_options_apart(trace: Path, tmp_path: Path) -> None:
    same = tmp_path / "renamed.json"
    same.write_bytes(trace.read_bytes())
    plain = comparison_digest(["a", "b"], [trace], [1.0])
    assert comparison_digest(["a", "b"], [same], [1.0]) == plain
    assert comparison_digest(["a", "b"], [trace], [3.0]) != plain
    assert comparison_digest(["b", "a"], [trace], [1.0]) != plain
