"""The palette, for the light and the dark theme.

The colours are those of Okabe and Ito (2008), which colour-blind readers can distinguish, darkened
or lightened until they meet WCAG AA on their background. Each colour has one meaning, which a word
or a shape also conveys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import streamlit as st

from spotlab.domain.decision import Decision
from spotlab.ui.common.formatting import RiskLevel


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one theme, as #RRGGBB.

    Args:
        background: of the page.
        text: most text, at least 7:1 on the background.
        quiet: secondary text and axes, at least 4.5:1.
        line: grid lines and borders.
        good: low risk, STAY, healthy.
        move: SWITCH and the chosen pool.
        warn: medium risk, degraded.
        bad: high risk, FALLBACK_ONDEMAND, down.
        dots: marks without a meaning of their own, at least 3:1.
        scale: five steps for ordered values, lowest first.
    """

    background: str
    text: str
    quiet: str
    line: str
    good: str
    move: str
    warn: str
    bad: str
    dots: str
    scale: tuple[str, ...]

    def of_decision(self, decision: Decision | None) -> str:
        """The colour of a decision; quiet where none was made."""
        if decision is None:
            return self.quiet
        return {
            Decision.STAY: self.good,
            Decision.SWITCH: self.move,
            Decision.FALLBACK_ONDEMAND: self.bad,
        }[decision]

    def of_state(self, state: str) -> str:
        """The colour of a component's state."""
        return {"healthy": self.good, "degraded": self.warn, "down": self.bad}.get(
            state, self.quiet
        )

    def of_risk(self, level: RiskLevel | None) -> str:
        """The colour of a risk level."""
        if level is None:
            return self.quiet
        return {
            RiskLevel.LOW: self.good,
            RiskLevel.MEDIUM: self.warn,
            RiskLevel.HIGH: self.bad,
        }[level]


LIGHT: Final = Palette(
    background="#FFFFFF",
    text="#101418",
    quiet="#535C67",
    line="#DDE2E7",
    good="#006B4E",
    move="#005F96",
    warn="#7A5200",
    bad="#9E4300",
    dots="#7C8794",
    scale=("#E9F4FB", "#B9DBF0", "#7FB9DE", "#3B8FC4", "#005F96"),
)
DARK: Final = Palette(
    background="#14171C",
    text="#E6E9ED",
    quiet="#AEB7C2",
    line="#323A44",
    good="#5FD0AE",
    move="#7CC4EE",
    warn="#F2BC4B",
    bad="#F59B60",
    dots="#7F8B99",
    scale=("#1B2733", "#1F4661", "#2A6B95", "#3F95CB", "#7CC4EE"),
)


def palette() -> Palette:
    """The palette of the browser's theme."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio of two #RRGGBB colours, 1..21.

    >>> contrast("#000000", "#FFFFFF")
    21.0
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return round((light + 0.05) / (dark + 0.05), 2)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
