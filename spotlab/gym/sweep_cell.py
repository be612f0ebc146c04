"""A cell of a sweep: one workload in one window under one policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from spotlab.gym.compiled_replay import run_compiled
from spotlab.gym.policies import create_policy
from spotlab.gym.simulator import Step, simulate
from spotlab.gym.views import Action, Policy, View
from spotlab.gym.workloads import DeadlineJob, Service, Workload
from spotlab.gym.world import World


@dataclass(frozen=True, slots=True)
class Cell:
    """The inputs of one run.

    Args:
        workload: the job or service.
        first_tick, ticks: the window in the world; a policy may look back beyond its start.
        policy: a name such as "spot_greedy", "spotlab:capacity-lgbm" or "oracle".
        seed: for policies that use random numbers; none of the built-in ones does.
    """

    workload: Workload
    first_tick: int
    ticks: int
    policy: str
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """The cell as JSON values."""
        kind = "deadline" if isinstance(self.workload, DeadlineJob) else "service"
        return {
            "workload": {"kind": kind, **asdict(self.workload)},
            "first_tick": self.first_tick,
            "ticks": self.ticks,
            "policy": self.policy,
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Cell:
        """The cell from the output of `to_json`."""
        fields = dict(raw["workload"])
        kind = fields.pop("kind")
        workload: Workload = DeadlineJob(**fields) if kind == "deadline" else Service(**fields)
        return cls(workload, raw["first_tick"], raw["ticks"], raw["policy"], raw["seed"])


@dataclass(frozen=True, slots=True)
class CellResult:
    """The result of a cell.

    Args:
        cell: its inputs.
        cost_usd: cost of the instances. A job that misses its deadline is finished on-demand
            afterwards; this cost is included.
        on_demand_cost_usd: cost of the same workload on one on-demand instance.
        missed: whether the job missed its deadline.
        moves: instances started after the first one.
        downtime_h: hours in which the service was not up; 0 for a job.
        objective_usd: the quantity that the oracle minimises: cost_usd, plus the cost of downtime
            for a service.
        timeline: every step, if requested; otherwise empty.
    """

    cell: Cell
    cost_usd: float
    on_demand_cost_usd: float
    missed: bool
    moves: int
    downtime_h: float
    objective_usd: float
    timeline: tuple[Step, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "cell": self.cell.to_json(),
            "timeline": [step.to_json() for step in self.timeline],
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> CellResult:
        """The result from the output of `to_json`."""
        return cls(
            cell=Cell.from_json(raw["cell"]),
            timeline=tuple(Step.from_json(step) for step in raw["timeline"]),
            **{name: raw[name] for name in _PLAIN},
        )


_PLAIN = (
    "cost_usd",
    "on_demand_cost_usd",
    "missed",
    "moves",
    "downtime_h",
    "objective_usd",
)


def run_cell(
    world: World,
    cell: Cell,
    *,
    timeline: bool = False,
    watch: Callable[[View], None] | None = None,
) -> CellResult:
    """Run the cell's window under its policy. Deterministic: the same inputs, the same result.

    Args:
        timeline: whether to record every step.
        watch: called with the policy's view at each tick, before it decides.
    Raises:
        InvalidInput: there is no such policy, the policy needs data that the world lacks, or the
            window is not in the world.
    """
    window = (cell.workload, cell.first_tick, cell.ticks)
    outcome = None
    if not timeline and watch is None:
        outcome = run_compiled(world, *window, cell.policy)
    if outcome is None:
        policy = create_policy(cell.policy, world, *window)
        if watch is not None:
            policy = _ObservedPolicy(policy, watch)
        outcome = simulate(world, *window, policy, timeline=timeline)
    return CellResult(
        cell,
        outcome.cost_usd,
        outcome.on_demand_cost_usd,
        outcome.missed,
        outcome.moves,
        outcome.downtime_h,
        outcome.objective_usd,
        outcome.timeline,
    )


class _ObservedPolicy:
    """A policy whose views are passed to a callback."""

    def __init__(self, policy: Policy, watch: Callable[[View], None]) -> None:
        self._policy, self._watch = policy, watch

    def decide(self, view: View) -> Action:
        """The policy's decision."""
        self._watch(view)
        return self._policy.decide(view)
