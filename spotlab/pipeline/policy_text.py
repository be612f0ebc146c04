"""Amounts, risks and pools in the reasons of decisions."""

from __future__ import annotations

from spotlab.domain.decision import Candidate


def usd(amount: float) -> str:
    """USD per hour to four decimals.

    >>> usd(-0.01)
    '−0.0100 USD/h'
    """
    return f"{'−' if amount < 0 else ''}{abs(amount):.4f} USD/h"


def cost_text(expected: float) -> str:
    """Five decimals: the hourly cost of interruptions is often below 0.0001 USD."""
    return f"{expected:.5f} USD/h"


def percent(risk: float) -> str:
    """A probability as a percentage to two decimals."""
    return f"{100 * risk:.2f} %"


def saving_text(saving: float) -> str:
    """Says whether a move saves or costs more."""
    return f"saves {usd(saving)}" if saving >= 0 else f"costs {usd(-saving)} more"


def pool_at_price(candidate: Candidate) -> str:
    """The pool and its spot price."""
    return f"{candidate.pool.label} at {usd(candidate.spot_price_usd_per_hour)}"
