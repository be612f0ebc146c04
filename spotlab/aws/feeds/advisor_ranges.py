"""The interruption rates that the buckets of an advisor feed stand for.

The feed names them itself: `ranges: [{index, label, …}]`, with labels such as "<5%" and "5-10%".
Its `max` is not used: AWS publishes 11 for the label "5-10%". Since 2021 the ranges have been those
of BUCKET_LABELS, on which models, policies and screens rely.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from spotlab.aws.feed_checks import reject
from spotlab.domain.risk import BUCKET_LABELS

Interval = tuple[float, float]
"""Lowest and highest interruption rate, percent a month."""

_LABEL: Final = re.compile(
    r"(?P<sign>[<>≤≥]=?)\s*(?P<bound>\d+(\.\d+)?)\s*%?"
    r"|(?P<low>\d+(\.\d+)?)\s*%?\s*[-\u2013]\s*(?P<high>\d+(\.\d+)?)\s*%?"
)
_EXPECTED: Final = f"ranges that each lie within one of {', '.join(BUCKET_LABELS)}"


class _Range(msgspec.Struct):
    index: int
    label: str


def bucket_of_index(ranges: Any, feed: str) -> Mapping[int, int]:
    """The bucket that each index of a feed means.

    A range within one of BUCKET_LABELS means that bucket, whatever its index. A range across two of
    them means none: nothing is known about how its instances divide among the two.

    Args:
        ranges: of the feed; None: it has none, and its indexes mean what AWS publishes.
        feed: display name of the feed.
    Raises:
        FeedRefused: a range cannot be read, or lies in more than one bucket; lists them all.
    """
    published = dict(enumerate(_PUBLISHED))
    if ranges is None:
        return {index: index for index in published}
    found = _intervals(ranges, feed)
    if all(published.get(index) == interval for index, interval in found.items()):
        return {index: index for index in published}
    buckets = {
        index: bucket
        for index, (low, high) in found.items()
        for bucket, (lowest, highest) in published.items()
        if lowest <= low and high <= highest
    }
    if len(buckets) < len(found):
        labels = ", ".join(each.label for each in msgspec.convert(ranges, list[_Range]))
        reject(feed, f"its buckets have changed their meaning: they are {labels}", _EXPECTED)
    return buckets


def _intervals(ranges: Any, feed: str) -> dict[int, Interval]:
    try:
        listed = msgspec.convert(ranges, list[_Range])
    except (msgspec.ValidationError, OverflowError) as exc:
        reject(feed, f"ranges: {exc}", "[{index, label}, …]")
    found: dict[int, Interval] = {}
    for each in listed:
        interval = _interval(each.label)
        if interval is None or not interval[0] < interval[1]:
            reject(feed, f"ranges > {each.index} has label {each.label!r}", "a label such as 5-10%")
        if found.setdefault(each.index, interval) != interval:
            reject(feed, f"ranges has the index {each.index} twice", "one range per index")
    if not found:
        reject(feed, "ranges is empty", _EXPECTED)
    return found


def _interval(label: str) -> Interval | None:
    """The rates of a label; None: it is not one.

    >>> _interval("<5%"), _interval("5-10%"), _interval(">20%")
    ((0.0, 5.0), (5.0, 10.0), (20.0, 100.0))
    """
    match = _LABEL.fullmatch(label.strip())
    if match is None:
        return None
    if match["bound"] is None:
        return float(match["low"]), float(match["high"])
    below = match["sign"][0] in "<≤"
    return (0.0, float(match["bound"])) if below else (float(match["bound"]), 100.0)


_PUBLISHED: Final = tuple(filter(None, map(_interval, BUCKET_LABELS)))
