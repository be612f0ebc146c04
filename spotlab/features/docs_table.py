"""Generator of docs/features.md.

`python -m spotlab.features.docs_table > docs/features.md` updates the page; a test fails if it is
out of date.
"""

from __future__ import annotations

import sys

from spotlab.domain.features import Feature
from spotlab.domain.market import FeedKind
from spotlab.domain.ports import OnlineView
from spotlab.features.views import BASICS, FEATURES, VIEWS, names_from

_HEAD = """# Features

The {count} features of a pool that a model can use. `spotlab.features.engine.compute` computes them
in the same way online, in training and in backtests. NaN means unknown; values are never imputed. A
value outside its range indicates bad input, and models reject it.

| feature | meaning | unit | range | unknown if | feeds | TTL |
| --- | --- | --- | --- | --- | --- | --- |
"""
_AFTER_FEATURES = """
**{basics}** are the basic features that every model card may rely on.

{advisor} features use the Spot Advisor: {names}. Training excludes them if the advisor snapshot is
too old or too close to the label (`views.names_from(FeedKind.ADVISOR)`).

## Online views

| view | key | stored as | TTL |
| --- | --- | --- | --- |
"""


def markdown() -> str:
    """The page as Markdown."""
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
