"""The curve of a what-if: every point is shown, and labels keep clear of it."""

from __future__ import annotations

from spotlab.ui.charts import FleetPoint, fleet_curve
from spotlab.ui.common.theme import LIGHT

CURVE = [FleetPoint(f"{n} USD", 5.0 - n / 4, 4.0 + n / 2, moves=n) for n in range(9)]
RUNNING = FleetPoint("as it runs now", 4.6, 6.6)
TODAY = FleetPoint("today's settings", 3.4, 11.4, moves=22)


def test_the_marks_are_labelled_and_the_curve_has_its_ends_named() -> None:
    chart = fleet_curve(CURVE, RUNNING, TODAY, CURVE[3], LIGHT, "Cost of an interruption")
    texts = [each.text for each in chart.layout.annotations]
    assert texts == [
        "<b>as it runs now</b>",
        "<b>today's settings</b>",
        "<b>3 USD</b>",
        "0 USD",
        "8 USD",
    ]
    assert list(chart.data[0].y) == [each.usd_per_hour for each in CURVE]
    assert "Cost of an interruption 2 USD" in chart.data[0].text[2]
    assert "2 would move" in chart.data[0].text[2]
    for axis in ("xaxis", "yaxis"):
        assert "a month" in chart.layout.xaxis.title.text
        low, high = chart.layout[axis].range
        assert low < high


def test_a_setting_without_effect_is_one_labelled_point() -> None:
    same = [FleetPoint(f"{n} h", 1.0, 2.0, moves=0) for n in range(4)]
    now, today = FleetPoint("as it runs now", 1.0, 2.0), FleetPoint("today's settings", 1.0, 2.0)
    chart = fleet_curve(same, now, today, None, LIGHT, "Horizon")
    assert len(chart.layout.annotations) == 2
    places = {(each.ax, each.ay) for each in chart.layout.annotations}
    assert len(places) == 2, "labels of one place do not cover each other"
