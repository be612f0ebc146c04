"""The features as a page for people: docs/features.md.

`python -m spotlab.features.docs_table > docs/features.md` renews it; a test fails when it is old.
"""

from __future__ import annotations

import sys

from spotlab.domain.features import Feature
from spotlab.domain.market import FeedKind
from spotlab.domain.ports import OnlineView
from spotlab.features.views import BASICS, FEATURES, VIEWS, names_from

_HEAD = """# Features

What every model may see of a pool: {count} numbers, computed by `spotlab.features.engine.compute`
online, in training and in a backtest alike. NaN means unknown; nothing is filled in. A value
outside its range comes from bad input, and a model refuses it.

| feature | meaning | unit | range | unknown when | from | stale after |
| --- | --- | --- | --- | --- | --- | --- |
"""
_AFTER_FEATURES = """
**{basics}** are the basics every model card may count on.

{advisor} of them use the Spot Advisor: {names}. Training leaves them out where the advisor's
snapshot is too old or too close to the label (`views.names_from(FeedKind.ADVISOR)`).

## Online views

| view | key | kept as | TTL |
| --- | --- | --- | --- |
"""


def markdown() -> str:
    """The page, from the registry."""
    advisor = names_from(FeedKind.ADVISOR)
    between = _AFTER_FEATURES.format(
        basics=", ".join(BASICS), advisor=len(advisor), names=", ".join(advisor)
    )
    return (
        _HEAD.format(count=len(FEATURES))
        + "".join(map(_line, FEATURES))
        + between
        + "".join(map(_view_line, VIEWS))
    )


def _view_line(view: OnlineView) -> str:
    storage = "hash" if view.as_hash else "JSON"
    return f"| `{view.name}` | {', '.join(view.entity)} | {storage} | {view.ttl_s} s |\n"


def _line(feature: Feature) -> str:
    unknown = feature.missing.removeprefix("NaN: ")
    sources = ", ".join(kind.value for kind in feature.source)
    bounds = f"{feature.low:,g} … {feature.high:,g}".replace("-", "−")
    cells = (f"`{feature.name}`", feature.meaning, feature.unit, bounds, unknown, sources)
    return "| " + " | ".join(cells) + f" | {feature.ttl_s / 3600:g} h |\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
