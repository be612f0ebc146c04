"""Charts of backtests: nothing is hidden, and everything is labelled."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from spotlab.domain.availability_traces import TracePanel
from spotlab.gym.replay import Span
from spotlab.ui import charts
from spotlab.ui.backtests.replay import spells
from spotlab.ui.charts.label_layout import LETTER_PX, LINE_PX, place_labels
from spotlab.ui.common.theme import DARK, LIGHT, Palette

PALETTES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])


def outcome(name: str, x: float, y: float, role: str = "other") -> charts.Outcome:
    return charts.Outcome(name, (x, x * 0.8, x * 1.2), (y, y * 0.95, y * 1.05), role)  # type: ignore[arg-type]


MANY = [
    outcome("oracle (hindsight)", 1.0, 44.0, "oracle"),
    outcome("SpotLab", 4.0, 45.0, "ours"),
    outcome("spot greedy", 8.0, 45.7),
    outcome("cheapest pool", 8.0, 45.7),
    outcome("eager failover", 8.5, 47.0),
    outcome("on-demand only", 0.0, 147.0),
]


@PALETTES
def test_every_policy_is_named_once(palette: Palette) -> None:
    chart = charts.tradeoff(MANY, x="moves", y="cost (USD)", palette=palette)
    texts = [annotation.text for annotation in chart.layout.annotations]
    assert "<b>SpotLab</b>" in texts
    assert "spot greedy = cheapest pool" in texts, "one place is one mark"
    (edge,) = [text for text in texts if "on-demand only" in text]
    assert "above" in edge
    assert "147" in edge
    assert chart.layout.yaxis.range[1] < 100, "what is far off does not squeeze the others"


@PALETTES
def test_many_equal_policies_are_one_short_label_and_listed(palette: Palette) -> None:
    equal = [outcome(name, 7.0, 45.4) for name in ("a", "b", "c", "d", "e")]
    chart = charts.tradeoff([*MANY[:2], *equal], x="moves", y="cost (USD)", palette=palette)
    assert "a = 4 others" in [annotation.text for annotation in chart.layout.annotations]
    assert charts.equal_outcomes([*MANY[:2], *equal]) == [["a", "b", "c", "d", "e"]]
    assert charts.equal_outcomes(MANY) == [], "two names fit into the label"


@PALETTES
def test_the_line_connects_policies_and_not_the_oracle(palette: Palette) -> None:
    calm = outcome("calm", 2.0, 46.0)
    lines = [
        trace
        for trace in charts.tradeoff([*MANY, calm], x="moves", y="cost (USD)", palette=palette).data
        if trace.mode == "lines"
    ]
    assert [tuple(line.x) for line in lines] == [(2.0, 4.0)]
    assert [one.name for one in charts.line_through([*MANY, calm])] == ["calm", "SpotLab"]
    alone = charts.tradeoff(MANY[:2], x="moves", y="cost (USD)", palette=palette)
    assert not [trace for trace in alone.data if trace.mode == "lines"], "one point is no line"


@PALETTES
def test_the_oracle_and_spotlab_have_a_shape_of_their_own(palette: Palette) -> None:
    chart = charts.tradeoff(MANY, x="moves", y="cost (USD)", palette=palette)
    shapes = [trace.marker.symbol for trace in chart.data if trace.mode == "markers"]
    assert sorted(shapes) == ["circle", "circle", "diamond", "star"]
    assert all(trace.error_y.array[0] > 0 for trace in chart.data if trace.mode == "markers")


def test_a_chart_of_nothing_is_drawn() -> None:
    assert not charts.tradeoff([], x="moves", y="cost (USD)", palette=LIGHT).data


def test_names_of_near_marks_do_not_cover_each_other() -> None:
    marks = [(0.3 + 0.01 * n, 0.2 + 0.005 * n) for n in range(6)]
    names = ["a policy of some length"] * 6
    boxes = []
    for (x, y), box in zip(marks, place_labels(marks, names), strict=True):
        width = LETTER_PX * len(names[0])
        left = x * 760 + box.right_px - (width if box.right_px < 0 else 0)
        boxes.append((left, (1 - y) * 360 + box.down_px, width))
    for number, (left, middle, width) in enumerate(boxes):
        for other, other_middle, _ in boxes[number + 1 :]:
            apart = abs(middle - other_middle) >= LINE_PX - 1 or abs(left - other) >= width
            assert apart


SPANS = (
    Span("b", "starting", 0.0, 0.2),
    Span("b", "running", 0.2, 3.0),
    Span(None, "idle", 3.0, 4.0),
    Span("on-demand", "running", 4.0, 6.0),
)


@PALETTES
def test_a_timeline_has_a_row_a_zone_and_a_word_a_state(palette: Palette) -> None:
    course = charts.Course("SpotLab", SPANS)
    chart = charts.timeline(
        {"a": [(0.0, 5.0)], "b": [(0.0, 3.0)]},
        [course],
        length_h=6.0,
        deadline=True,
        palette=palette,
    )
    assert list(chart.layout.yaxis.ticktext) == ["a", "b", "on-demand", "nothing runs"]
    named = {trace.name: trace for trace in chart.data}
    assert named["SpotLab: on spot"].y == (1,)
    assert named["SpotLab: on-demand"].y == (2,)
    assert named["SpotLab: nothing"].y == (3,)
    assert named["SpotLab: on spot"].base == (0.2,)
    fills = {named[f"SpotLab: {s}"].marker.pattern.shape for s in ("on spot", "starting")}
    assert len(fills) == 2, "a state has a shape"


def test_two_policies_have_lanes_of_their_own() -> None:
    both = [charts.Course("one", SPANS), charts.Course("two", SPANS)]
    chart = charts.timeline({"b": []}, both, length_h=6.0, deadline=False, palette=LIGHT)
    rows = [trace.y[0] for trace in chart.data if trace.name in {"one: on spot", "two: on spot"}]
    assert rows[0] < 0 < rows[1]


def test_work_is_shown_beside_the_pace_and_the_deadline() -> None:
    course = charts.Course("SpotLab", SPANS, ((0.0, 0.0), (3.0, 2.0), (6.0, 4.0)))
    chart = charts.work_done([course], work_h=4.0, deadline_h=8.0, palette=LIGHT)
    texts = [annotation.text for annotation in chart.layout.annotations]
    assert {"even pace", "deadline", "SpotLab"} <= set(texts)
    assert chart.data[0].x == (0, 8.0)
    assert chart.layout.yaxis.range[0] == 0


def test_spells_begin_and_end_with_their_ticks() -> None:
    rows = np.array([[1.0, 0.0], [1.0, np.nan], [0.0, 1.0], [1.0, 1.0]])
    panel = TracePanel(
        ("a", "b"), (None, None), None, np.arange(4.0), rows, 3600.0, ("made", "made")
    )
    assert spells(panel) == {"a": [(0.0, 2.0), (3.0, 4.0)], "b": [(2.0, 4.0)]}
    assert all(first[1] < second[0] for first, second in pairwise(spells(panel)["a"]))
