"""The first pass of an evaluation of a large fleet, divided by account and region among workers.

An instance is first decided as if it were alone, on the scored market and with the places that the
fleet occupies before the run. Nothing in that depends on another decision of the run, so the parts
may be decided anywhere; `spread.decide_fleet` then places the moves, in one process, as always.
Workers get the scored markets and no model, database or account (docs/adr/0039-fleet-parts.md).
"""

from __future__ import annotations

import copyreg
import io
import logging
import pickle
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from spotlab.domain.decision import Instance
from spotlab.domain.performance import PerformanceIndex
from spotlab.domain.workload import AppliedWorkload
from spotlab.errors import Cancelled, NotAvailable, SpotlabError
from spotlab.pipeline.evaluate import Evaluation, Unrecorded, evaluate
from spotlab.pipeline.recorded_candidates import reference_to
from spotlab.processes.dask_pool import DaskWorkers
from spotlab.processes.process_pool import Workers
from spotlab.runtime.evaluation_run import PendingDecision, Run, select
from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.runtime.evaluation")

PARTITION_FROM: Final = 500
"""Smaller fleets are decided sooner than a cluster receives the market."""
PART: Final = 250
"""Instances decided between two checks for a cancellation."""

copyreg.pickle(MappingProxyType, lambda mapping: (MappingProxyType, (dict(mapping),)))


@dataclass(frozen=True, slots=True)
class Question:
    """What is decided about one instance.

    Args:
        instance: the instance.
        evaluation, performance: numbers of both in `Shared`.
        applied: its workload.
        unavailable: the pools that the fleet leaves no place on, by key, and why.
        last_switch_at: when its last switch was decided, or None.
        now: time of the decision.
    """

    instance: Instance
    evaluation: int
    performance: int
    applied: AppliedWorkload
    unavailable: Mapping[str, str]
    last_switch_at: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Shared:
    """What all parts of a run use; sent once to each worker.

    Args:
        evaluations: scored markets, one for each assigned model.
        performances: performance indices, one for each workload.
        rankings: whether challengers need the rankings, 20 to 80 kB each.
    """

    evaluations: tuple[Evaluation, ...]
    performances: tuple[PerformanceIndex, ...]
    rankings: bool

    def known(self) -> list[object]:
        """Objects that both sides have, so that no answer contains them."""
        found: list[object] = [*self.performances]
        for each in self.evaluations:
            found += (each, each.scored, each.policy, each.shared_stages)
        return found


def workers_for(lab: Lab, instances: int) -> Workers | None:
    """The cluster of the settings for a fleet of this size; None: it is decided here."""
    if not lab.settings.dask_scheduler or instances < PARTITION_FROM:
        return None
    return DaskWorkers(lab.settings.dask_scheduler)


def first_pass(
    lab: Lab,
    instances: Sequence[Instance],
    run: Run,
    unavailable: Callable[[str], Mapping[str, str]],
    workers: Workers,
    stopped: Callable[[], bool],
) -> dict[str, PendingDecision]:
    """Decisions of the first pass by instance id; what is missing has to be decided here.

    Args:
        lab: opens the models.
        instances: to decide about.
        run: their common state.
        unavailable: the pools that an instance cannot get, before any move of the run.
        workers: decide the parts.
        stopped: whether to stop.
    Raises:
        Cancelled: `stopped` returned True.
    """
    decided: dict[str, PendingDecision] = {}
    parts = _Parts(lab, run)
    for instance in instances:
        parts.add(instance, unavailable(instance.instance_id))
    shared = parts.shared()

    def receive(name: str, answer: bytes) -> None:
        for question, unrecorded in zip(parts.parts[name], _loaded(answer, shared), strict=True):
            decided[question.instance.instance_id] = PendingDecision(
                unrecorded,
                question.last_switch_at,
                shared.evaluations[question.evaluation],
                shared.performances[question.performance],
            )

    try:
        failed = workers.run(decide_part, shared, parts.parts, receive, stopped)
    except Cancelled:
        raise Cancelled(f"Stopped after 0 of {len(instances)} instances.") from None
    except NotAvailable as exc:
        log.warning("the fleet is evaluated by one process: %s", exc)
        return decided
    for each in failed:
        log.warning("part %s is evaluated by this process: %s", each.name, each.reason)
    return decided


class _Parts:
    """Questions by part, and what they share."""

    def __init__(self, lab: Lab, run: Run) -> None:
        self.parts: dict[str, list[Question]] = {}
        self._lab, self._run = lab, run
        self._evaluations: dict[int, tuple[int, Evaluation]] = {}
        self._performances: dict[int, tuple[int, PerformanceIndex]] = {}
        self._sizes: defaultdict[tuple[str, str], int] = defaultdict(int)

    def add(self, instance: Instance, unavailable: Mapping[str, str]) -> None:
        """Add an instance to a part of its account and region, unless its model cannot be used."""
        try:
            evaluation = select(self._lab, instance, self._run)
        except SpotlabError:
            return  # deciding here raises it again, as in a small fleet
        applied = self._run.applied_workload(instance)
        performance = self._run.performance(applied.workload, evaluation.scored)
        place = (instance.account, instance.pool.region)
        part = f"{place[0]}/{place[1]}/{self._sizes[place] // PART}"
        self._sizes[place] += 1
        self.parts.setdefault(part, []).append(
            Question(
                instance,
                _number(self._evaluations, evaluation),
                _number(self._performances, performance),
                applied,
                unavailable,
                self._run.last_switches.get(instance.instance_id),
                self._run.decided_at.setdefault(instance.instance_id, self._lab.clock.now()),
            )
        )

    def shared(self) -> Shared:
        """What the questions refer to."""
        return Shared(
            tuple(each for _, each in self._evaluations.values()),
            tuple(each for _, each in self._performances.values()),
            rankings=bool(self._run.shadow_policies) or self._run.has_challengers(),
        )


def _number(known: dict[int, tuple[int, Any]], value: object) -> int:
    return known.setdefault(id(value), (len(known), value))[0]


def decide_part(shared: Shared, questions: Sequence[Question]) -> bytes:
    """The decisions about the instances of a part, pickled; runs on a worker."""
    answers = []
    for each in questions:
        unrecorded = evaluate(
            each.instance,
            shared.evaluations[each.evaluation],
            each.last_switch_at,
            each.now,
            each.applied,
            each.unavailable,
            shared.performances[each.performance],
        )
        if not shared.rankings:
            reference = reference_to(0, unrecorded.ranking, unrecorded.experiment.verdict)
            unrecorded = replace(unrecorded, ranking=None, reference=reference)
        answers.append(unrecorded)
    numbers = {id(known): number for number, known in enumerate(shared.known())}

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: object) -> int | None:
            return numbers.get(id(value))

    content = io.BytesIO()
    Pickler(content, pickle.HIGHEST_PROTOCOL).dump(answers)
    return content.getvalue()


def _loaded(answer: bytes, shared: Shared) -> list[Unrecorded]:
    known = shared.known()

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, number: Any) -> object:
            return known[number]

    found: list[Unrecorded] = Unpickler(io.BytesIO(answer)).load()
    return found
