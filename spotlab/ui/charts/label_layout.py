"""Positions of labels next to their marks, with as little overlap as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDE_PX: Final = 760.0
"""Width of the narrowest chart; in a wider one, labels are further apart."""
HIGH_PX: Final = 360.0
LETTER_PX: Final = 7.4
LINE_PX: Final = 18.0

_STEPS_PX: Final = (0.0, -20.0, 20.0, -40.0, 40.0, -60.0, 60.0, -80.0, 80.0, -100.0, 100.0)
_OFFSETS_PX: Final = (14.0, -14.0, 60.0, -60.0, 120.0, -120.0)


@dataclass(frozen=True, slots=True)
class Box:
    """Where a label begins, in pixels from its mark; negative: to the left, or above."""

    right_px: float
    down_px: float


def place_labels(
    marks: Sequence[tuple[float, float]],
    names: Sequence[str],
    bars: Sequence[tuple[float, float, float]] = (),
    width_px: float = WIDE_PX,
) -> list[Box]:
    """A position for each label: near its mark, and clear of other marks and labels if possible.

    Args:
        marks: (x, y) as shares of the chart's width and height.
        names: texts of the labels.
        bars: horizontal lines to avoid: (from x, to x, y), in the same shares.
        width_px: of the narrowest chart in which the labels have to fit.
    """
    points = [(x * width_px, (1.0 - y) * HIGH_PX) for x, y in marks]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    taken += [
        (left * width_px, (1.0 - y) * HIGH_PX - 3, right * width_px, (1.0 - y) * HIGH_PX + 3)
        for left, right, y in bars
    ]
    boxes = []
    for (x, y), name in zip(points, names, strict=True):
        box, rectangle = _best(x, y, LETTER_PX * len(name), taken, len(points), width_px)
        taken += [rectangle, *_leader(x, y, box)]
        boxes.append(box)
    return boxes


_Rectangle = tuple[float, float, float, float]


def _best(
    x: float,
    y: float,
    width: float,
    taken: Sequence[_Rectangle],
    marks: int,
    width_px: float,
) -> tuple[Box, _Rectangle]:
    options = []
    for offset in _OFFSETS_PX:
        for step in _STEPS_PX:
            left = x + offset if offset > 0 else x + offset - width
            rectangle = (left, y + step - LINE_PX / 2, left + width, y + step + LINE_PX / 2)
            distance = abs(offset) + 1.5 * abs(step)
            box = Box(offset, step)
            crossed = sum(_overlap(dot, taken[marks:], width_px) for dot in _leader(x, y, box))
            options.append(
                (_overlap(rectangle, taken, width_px) + crossed, distance, box, rectangle)
            )
    _, _, box, rectangle = min(options, key=lambda option: option[:2])
    return box, rectangle


def _leader(x: float, y: float, box: Box) -> list[_Rectangle]:
    """The line from a mark to its label as dots, without the first third, which is the mark's."""
    dots = []
    for share in (0.4, 0.6, 0.8, 0.95):
        across, down = x + share * box.right_px, y + share * box.down_px
        dots.append((across - 2, down - 2, across + 2, down + 2))
    return dots


def _overlap(rectangle: _Rectangle, taken: Sequence[_Rectangle], width_px: float) -> float:
    left, top, right, bottom = rectangle
    outside = max(0.0, -left) + max(0.0, right - width_px) + 10 * max(0.0, -top)
    outside += 10 * max(0.0, bottom - HIGH_PX)
    overlap = sum(
        max(0.0, min(right, x1) - max(left, x0)) * max(0.0, min(bottom, y1) - max(top, y0))
        for x0, y0, x1, y1 in taken
    )
    return overlap + 20 * outside
