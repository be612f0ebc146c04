"""What the engine asks of others: preflight, guards, health checks, evidence and prices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from spotlab.domain.market import Pool
from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_moves import HealthCheck, MovePlan
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import Realised, Refusal, Switch
from spotlab.store.launch_allowances import Allowance

Plan = Callable[[Switch], MovePlan | Refusal]
"""Preflight: what to launch and move, or why not."""
MayProceed = Callable[[Switch, Step], Refusal | None]
"""Guards, asked before a launch and before the instance is terminated."""
OnCapacity = Callable[[Pool, str, datetime], None]
"""Evidence of a spot pool: AWS refused a launch with this code."""
OnLaunched = Callable[[Pool, datetime], None]
"""Evidence of a spot pool: AWS launched an instance there."""
OnInterrupted = Callable[[str, Pool, datetime], None]
"""Evidence of a pool: AWS took this instance of it."""
CheckHealth = Callable[[HealthCheck, InstanceView], str]
"""One try of a user's health check; "" is healthy, else why not."""
Measure = Callable[[Switch, datetime], Realised | None]
"""What a switch has saved so far; None: unknown."""


class LaunchAllowances(Protocol):
    """Launches into pools that lack capacity; `store.launch_allowances` is the implementation."""

    def claim(self, pool: Pool, switch_id: str, now: datetime) -> Allowance | None:
        """Claim a launch. None: launch now; otherwise why not."""
        ...

    def refused(self, pool: Pool, switch_id: str, code: str, now: datetime) -> None:
        """The pool had no capacity."""
        ...

    def succeeded(self, pool: Pool, switch_id: str, now: datetime) -> None:
        """A launch succeeded."""
        ...

    def release(self, switch_id: str) -> None:
        """Give up the claims of a switch."""
        ...


@dataclass(frozen=True, slots=True)
class Hooks:
    """The engine's collaborators; see the types above."""

    plan: Plan
    may_proceed: MayProceed
    on_capacity: OnCapacity
    on_interrupted: OnInterrupted
    check_health: CheckHealth
    measure: Measure
    allowances: LaunchAllowances
    on_launched: OnLaunched = lambda _pool, _at: None
