"""The views of one backtest, each with an address of its own. Screens floor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from spotlab.ui import widgets

VIEWS: Final[Mapping[str, str]] = {
    "results": "Results",
    "replay": "One window replayed",
}


def pick() -> str:
    """The view that the URL names; the first where it names none."""
    return widgets.pick_view(VIEWS, "backtest-view")
