"""One run of a job, in its own thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from spotlab.domain.ports import RunState
from spotlab.errors import Cancelled, Fenced, SpotlabError, one_line
from spotlab.runtime.lab import Lab
from spotlab.runtime.leader_election import Monotonic
from spotlab.runtime.shutdown import CAUSE, SHUTDOWN
from spotlab.scheduling.job_catalogue import Job
from spotlab.scheduling.job_process import JobProcess
from spotlab.store.engine import Fence, fenced
from spotlab.telemetry import metrics, traces
from spotlab.telemetry.logs import correlated, redact

log = logging.getLogger("spotlab.scheduling")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended; see JobRun."""

    state: RunState
    cause: str
    result: Mapping[str, Any]


class ActiveRun:
    """A run in progress.

    Python cannot end a thread from outside: a run is asked to stop, and its writes are rejected
    once it is recorded in SQL as ended.

    Args:
        lab: the lab that the job works on.
        job: the job.
        fence: of this run.
        correlation_id: of its log lines.
        started_at: aware UTC.
        monotonic: a clock in seconds that never jumps.
        on_end: set when the thread is about to end.
    """

    def __init__(
        self,
        lab: Lab,
        job: Job,
        fence: Fence,
        correlation_id: str,
        started_at: datetime,
        monotonic: Monotonic,
        on_end: threading.Event,
    ) -> None:
        assert fence.run is not None
        self.job, self.token, self.run_id = job, fence.token, fence.run
        self.recorded = False
        self.outcome: Outcome | None = None
        self._lab, self._fence, self._correlation_id = lab, fence, correlation_id
        self._monotonic, self._on_end = monotonic, on_end
        self._started_at, self._began = started_at, monotonic()
        self._elapsed_s: float | None = None
        self._stop: tuple[RunState, str] | None = None
        self._thread = threading.Thread(target=self._work, name=f"job {job.name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether its thread is running."""
        return self._thread.is_alive()

    @property
    def elapsed_s(self) -> float:
        """How long it has run, in seconds."""
        return self._monotonic() - self._began if self._elapsed_s is None else self._elapsed_s

    @property
    def ended_at(self) -> datetime:
        """Start plus duration, which a jump of the wall clock does not change; aware UTC."""
        return self._started_at + timedelta(seconds=self.elapsed_s)

    def stop(self, state: RunState, cause: str) -> None:
        """Ask it to stop; the state and cause of the first call count."""
        if self._stop is None:
            self._stop = (state, cause)

    def must_stop(self) -> bool:
        """Whether it has been asked to stop, or this process is about to end."""
        if SHUTDOWN.requested:
            self.stop(RunState.CANCELLED, CAUSE)
        return self._stop is not None

    def join(self, within_s: float) -> None:
        """Wait for its end, at most `within_s` seconds."""
        self._thread.join(max(0.0, within_s))

    def _work(self) -> None:
        with correlated(self._correlation_id), fenced(self._fence):
            log.info("%s started (run %d)", self.job.name, self.run_id)
            with traces.span("job", job=self.job.name):
                outcome = self._outcome()
            level = logging.INFO if outcome.state is RunState.DONE else logging.WARNING
            log.log(
                level, "%s is %s: %s", self.job.name, outcome.state, outcome.cause or "no error"
            )
        self._elapsed_s = self._monotonic() - self._began
        metrics.JOB_RUNS.labels(job=self.job.name, state=str(outcome.state)).inc()
        metrics.JOB_SECONDS.labels(job=self.job.name).observe(self._elapsed_s)
        self.outcome = outcome
        self._on_end.set()

    def _outcome(self) -> Outcome:
        try:
            result = dict(self._result())
        except Cancelled as exc:
            self.must_stop()  # sets the cause if the job itself saw that the process is leaving
            state, cause = self._stop or (RunState.CANCELLED, "")
            return Outcome(state, f"{cause} {exc}".strip(), {})
        except Fenced as exc:
            return Outcome(RunState.LOST, str(exc), {})
        except SpotlabError as exc:
            return Outcome(RunState.FAILED, redact(one_line(exc)), {})
        except Exception as exc:
            log.exception("%s failed", self.job.name)
            return Outcome(RunState.FAILED, redact(one_line(exc)), {})
        if failed := str(result.pop("failed", "")):
            return Outcome(RunState.FAILED, redact(failed), result)
        return Outcome(RunState.DONE, str(result.pop("note", "")), result)

    def _result(self) -> Mapping[str, Any]:
        process = self._lab.process_state(JobProcess)
        if self.job.heavy and process.enabled:
            return process.run(self.job.name, self._tell, self.must_stop)
        return self.job.run(self._lab, self._tell, self.must_stop)

    def _tell(self, text: str, share: float) -> None:
        log.debug("%s: %s (%.0f %%)", self.job.name, text, 100 * share)
