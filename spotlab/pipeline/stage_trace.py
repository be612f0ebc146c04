"""Duration and row counts of each stage of an evaluation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from spotlab.domain.decision import StageTrace
from spotlab.telemetry import metrics, traces


@dataclass(slots=True)
class Stage:
    """A running stage; set `rows_out` to the number of rows it passes on."""

    rows_out: int = 0


@dataclass(slots=True)
class Tracer:
    """Collects the stages of one evaluation, in order."""

    stages: list[StageTrace] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str, rows_in: int) -> Iterator[Stage]:
        """Time a stage; it is recorded even if it raises.

        >>> tracer = Tracer()
        >>> with tracer.stage("filter", rows_in=3) as stage:
        ...     stage.rows_out = 2
        >>> tracer.stages[0].rows_out
        2
        """
        stage = Stage()
        started = time.perf_counter()
        try:
            with traces.span(name, rows_in=rows_in):
                yield stage
        finally:
            duration_ms = (time.perf_counter() - started) * 1e3
            metrics.STAGE_SECONDS.labels(stage=name).observe(duration_ms / 1e3)
            self.stages.append(StageTrace(name, duration_ms, rows_in, stage.rows_out))
