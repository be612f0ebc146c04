"""Instances prepared for decisions under other settings, shared by what-ifs and consequences."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from spotlab.domain.decision import Instance
from spotlab.domain.market import MarketName, Provenance
from spotlab.domain.ports import Topic
from spotlab.domain.workload import AppliedWorkload
from spotlab.errors import SpotlabError
from spotlab.pipeline.preparation import prepare
from spotlab.pipeline.prepared_instance import PreparedInstance
from spotlab.pipeline.score import ScoredMarket
from spotlab.pipeline.what_if import PreparedFleet
from spotlab.runtime.lab import Lab

MAX_PREPARED: Final = 1_000
"""Instances whose arrays are kept; each takes about 30 KB."""
PREPARED_FOR_S: Final = 120.0
_TOPICS: Final = (Topic.MARKET, Topic.FLEET, Topic.MODELS, Topic.EXPERIMENTS, Topic.POLICIES)


@dataclass(frozen=True, slots=True)
class Moment:
    """The market that a what-if was computed on.

    Args:
        market: which one.
        as_of: when it was read.
        pools: number of pools.
        models: "name@version" of the models that scored it.
        origins: provenance of its feeds.
        degraded: why less data than usual was used; empty if healthy.
    """

    market: MarketName
    as_of: datetime
    pools: int
    models: tuple[str, ...]
    origins: tuple[Provenance, ...]
    degraded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preparation:
    """An instance prepared.

    Args:
        result: the arrays; or why there are none.
        scored: the market that they were read from.
        note: why it was not scored by the assigned model, or "".
    """

    result: PreparedInstance | str
    scored: ScoredMarket
    note: str


@dataclass(slots=True)
class Preparations:
    """Prepared instances of one market moment, shared by all users of this process."""

    versions: tuple[int, ...] = ()
    until: float = 0.0
    scored: dict[str | None, ScoredMarket] = field(default_factory=dict)
    by_id: OrderedDict[str, Preparation] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fleet(
        self,
        lab: Lab,
        instances: Sequence[Instance],
        workloads_of: Callable[[Sequence[Instance]], Mapping[str, AppliedWorkload]],
    ) -> tuple[PreparedFleet, Moment | None]:
        """The instances prepared, and their market; what is missing or outdated is prepared."""
        with self.lock:
            self._forget_outdated(lab)
            missing = [each for each in instances if each.instance_id not in self.by_id]
            applied = workloads_of(missing) if missing else {}
            for each in missing:
                self.by_id[each.instance_id] = self._prepare(lab, each, applied[each.instance_id])
            found = [(each, self.by_id[each.instance_id]) for each in instances]
            while len(self.by_id) > MAX_PREPARED:
                self.by_id.popitem(last=False)
        ready = [each.result for _, each in found if isinstance(each.result, PreparedInstance)]
        failures = [(one, each.result) for one, each in found if isinstance(each.result, str)]
        return PreparedFleet(ready, failures), _moment([each for _, each in found])

    def _forget_outdated(self, lab: Lab) -> None:
        versions = tuple(lab.bus.version(topic) for topic in _TOPICS)
        if versions != self.versions or time.monotonic() >= self.until:
            self.scored.clear()
            self.by_id.clear()
            self.versions, self.until = versions, time.monotonic() + PREPARED_FOR_S

    def _prepare(self, lab: Lab, instance: Instance, applied: AppliedWorkload) -> Preparation:
        model, note = lab.deciding_model(instance)
        if model not in self.scored:
            self.scored[model] = lab.scored(model)
        scored = self.scored[model]
        try:
            return Preparation(prepare_instance(lab, instance, scored, applied), scored, note)
        except (SpotlabError, ValueError) as exc:
            return Preparation(str(exc), scored, note)


def prepare_instance(
    lab: Lab, instance: Instance, scored: ScoredMarket, applied: AppliedWorkload
) -> PreparedInstance:
    """An instance with the pools that could take over its work.

    Raises:
        ValueError: its type is no instance type.
    """
    index = lab.performance(applied.workload, scored)
    types = tuple(scored.table["instance_type"])
    performance = index.ratios(instance.pool.instance_type, types)
    last_switch_at = lab.store.ledger.last_switch_at(instance.instance_id)
    return prepare(instance, scored, last_switch_at, applied, performance)


def _moment(preparations: Sequence[Preparation]) -> Moment | None:
    if not preparations:
        return None
    scored = preparations[0].scored
    notes = [each.note for each in preparations if each.note]
    return Moment(
        scored.data.market,
        scored.data.as_of,
        len(scored.table),
        tuple(sorted({each.scored.model for each in preparations})),
        tuple(scored.data.origins.values()),
        tuple(dict.fromkeys((*scored.data.degraded, *notes))),
    )
