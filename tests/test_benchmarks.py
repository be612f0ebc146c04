"""The document of the benchmarks: every row is in it, reached or not, and each benchmark is run."""

from __future__ import annotations

import json
from dataclasses import asdict
from xml.etree import ElementTree

from benchmarks._comparison import Row
from benchmarks._report import Outcome, bars, document, parsed

REACHED = Row("scores", 0.02, "LightGBM", 0.26, 13.0, 10.0, True)
MISSED = Row("features of <pools> & zones", 0.2, "polars", 1.8, 9.0, 20.0, False)
OPEN = Row("one page", 0.5, "an empty page", 0.2, 0.4, None, None)


def test_rows_are_read_from_what_a_benchmark_prints() -> None:
    rows = json.dumps({"rows": [asdict(REACHED), asdict(OPEN)]})
    assert parsed(f"a warning\n{rows}\n") == ((REACHED, OPEN), "")
    assert parsed("12 ms\n") == ((), "12 ms")
    assert parsed('{"pages": 3}\n') == ((), '{"pages": 3}')


def test_the_document_says_what_is_reached_and_how_far_the_rest_is() -> None:
    outcomes = [
        Outcome("features", (REACHED, MISSED, OPEN), "", 3.0),
        Outcome("online_store", (), "15,000 rows", 1.0),
    ]
    text = document(outcomes, "images/benchmarks.svg")
    assert "**1 of 2 targets are reached.**" in text
    assert "| scores | 20 | LightGBM | 260 | 13 | ≥ 10: reached |" in text
    assert "≥ 20: not reached (45% of it)" in text
    assert "15,000 rows" in text
    assert "numpy " in text


def test_the_chart_is_valid_and_has_a_bar_and_a_mark_for_each_row() -> None:
    chart = ElementTree.fromstring(bars([REACHED, MISSED, OPEN]))
    names = [element.tag.rpartition("}")[2] for element in chart.iter()]
    assert names.count("rect") == 1 + 3
    assert sum(line.get("stroke") == "black" for line in chart.iter()) == 2
    assert "not reached" in "".join(chart.itertext())
