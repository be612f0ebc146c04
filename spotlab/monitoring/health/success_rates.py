"""Success rates and latencies of the components, from their recorded work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from spotlab.domain.components import (
    APP_SERVER,
    COMPONENTS,
    DEGRADED,
    DOWN,
    HEALTHY,
    LINEAR_OPTIMIZER,
)
from spotlab.domain.ports import Probe, Work
from spotlab.domain.request_stats import RequestCounts, merge_latencies, percentile_ms
from spotlab.domain.uptime import QUANTILES, Rate, percentile

if TYPE_CHECKING:
    from spotlab.runtime.lab import Lab

_OK: Final = frozenset({HEALTHY, DEGRADED})


@dataclass(frozen=True, slots=True)
class WorkSummary:
    """A component's work in a window.

    Args:
        rate: successes and failures.
        latency_ms: p50, p95 and p99; None each: none was measured.
        measured: number of measured latencies.
        last_ok_at: last success; None: none in the window.
        asked: whether its probes are counted, because it records no work.
    """

    rate: Rate
    latency_ms: tuple[float | None, ...]
    measured: int
    last_ok_at: datetime | None
    from_probes: bool


def read_work(lab: Lab, since: datetime) -> list[Work]:
    """All work recorded since then: collects, listings, evaluations and jobs."""
    evaluated = [Work(LINEAR_OPTIMIZER, *each) for each in lab.store.ledger.evaluations(since)]
    return [
        *lab.store.health.outcomes(since),
        *lab.store.heartbeats.job_outcomes(since),
        *evaluated,
    ]


def summarise(
    written: Iterable[Work], probes: Iterable[Probe], served: Sequence[RequestCounts] = ()
) -> Mapping[str, WorkSummary]:
    """Each component's work: its recorded work, or else its probes.

    For app servers, the requests that all of them answered.
    """
    by_work: dict[str, list[Work]] = {}
    for work in written:
        by_work.setdefault(work.component, []).append(work)
    by_probe: dict[str, list[Work]] = {}
    for probe in probes:
        if probe.state in _OK or probe.state == DOWN:
            answer = Work(probe.component, probe.at, probe.state in _OK, probe.latency_ms)
            by_probe.setdefault(probe.component, []).append(answer)
    found = {
        name: _summary(by_work.get(name) or by_probe.get(name, []), name not in by_work)
        for name in COMPONENTS
    }
    return found | {APP_SERVER: _summary_of_requests(served)}


def _summary_of_requests(served: Sequence[RequestCounts]) -> WorkSummary:
    took = merge_latencies(served)
    return WorkSummary(
        rate=Rate(took.total(), sum(each.failed for each in served)),
        latency_ms=tuple(percentile_ms(took, share) for share in QUANTILES),
        measured=took.total(),
        last_ok_at=max((each.at for each in served if each.took), default=None),
        from_probes=False,
    )


def _summary(work: Sequence[Work], asked: bool) -> WorkSummary:
    ok = [each for each in work if each.ok]
    took = [each.latency_ms for each in ok if each.latency_ms is not None]
    return WorkSummary(
        rate=Rate(len(ok), len(work) - len(ok)),
        latency_ms=tuple(percentile(took, share) for share in QUANTILES),
        measured=len(took),
        last_ok_at=max((each.at for each in ok), default=None),
        from_probes=asked,
    )
