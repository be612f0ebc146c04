"""Earned autonomy: may a policy act alone on a workload, by the outcomes of its decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spotlab.domain.outcomes import Estimate, wilson

GOOD_MEANS: Final = (
    "A decision to switch is good if the instance was then interrupted on its old pool within the "
    "horizon, or if, at the prices of 24 h later, the switch would still have saved money. It is "
    "not good if an own instance was interrupted on the chosen pool within the horizon, or if the "
    "switch would have cost money. A switch that was carried out is good if it has saved money, by "
    "billed hours and prices, and not good if it has not, or if it needed a person. Of one "
    "instance and policy, only the first decision of each day (UTC) counts. Decisions to stay do "
    "not count. Neither do fallbacks to on-demand, unless they needed a person: they pay for "
    "safety, so their cost says nothing, and an interruption that did not come does not show that "
    "a fallback was wrong. A policy that acts alone also approves its fallbacks."
)
"""What counts, for screens and the command line."""


@dataclass(frozen=True, slots=True)
class AutonomyFigures:
    """Outcomes of a policy's decisions about a workload in an account.

    Args:
        account: name of the account.
        policy: "name@version".
        workload: name of the workload.
        good, bad: decisions and switches whose outcome is known; see GOOD_MEANS.
        unknown: decisions whose outcome will never be known.
        pending: decisions whose outcome is not known yet.
        wanted_decisions, wanted_share: by the guards of the installation.
    """

    account: str
    policy: str
    workload: str
    good: int
    bad: int
    unknown: int
    pending: int
    wanted_decisions: int
    wanted_share: float

    @property
    def known(self) -> int:
        """Number of decisions whose outcome is known."""
        return self.good + self.bad

    @property
    def share(self) -> Estimate | None:
        """Share of good ones with its 95 % Wilson interval; None: no outcome is known."""
        return wilson(self.good / self.known, self.known) if self.known else None

    @property
    def earned(self) -> bool:
        """Whether the policy may act alone."""
        share = self.share
        return (
            share is not None
            and self.known >= self.wanted_decisions
            and share.low >= self.wanted_share
        )

    @property
    def sentence(self) -> str:
        """The figures, for a person."""
        whose = f"{self.policy} on the workload {self.workload}"
        share = self.share
        found = f"{self.good} of {self.known} known outcomes were good"
        if share is not None:
            found += f" (at least {100 * share.low:.1f} % by the 95 % interval)"
        needed = f"{self.wanted_decisions} and {100 * self.wanted_share:g} %"
        if self.earned:
            return f"{whose} acts alone: {found}; {needed} were required."
        return f"{whose} does not act alone: {found}; {needed} are required."
