"""Pool of the processes that run uploaded models.

Each model has its own process, so that a compromised process cannot affect another model. A model
whose process crashes, exceeds a limit or sends an invalid response is blocked for BLOCKED_S.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from spotlab.errors import ArtefactRefused, InvalidInput, ModelFailed, NotAvailable, SpotlabError
from spotlab.inference.model_process import PROGRAM, START_S, ModelProcess, Source, WorkerLimits
from spotlab.processes.child import ChildStarter
from spotlab.processes.frames import Buffer, PipeError
from spotlab.telemetry import metrics

log = logging.getLogger("spotlab.inference.model_workers")

BLOCKED_S: Final = 300.0
"""How long a failed model is not used, so that each request does not start another process."""
IDLE_S: Final = 300.0
"""A process that has not been used for this long is ended."""


@dataclass(slots=True)
class _Slot:
    """A process and how it is used."""

    process: ModelProcess
    busy: bool = True
    idle_since: float = 0.0


class ModelWorkers:
    """The model processes of this process; thread-safe.

    Args:
        limits: their limits.
        program: the module that they run.
        now: monotonic clock, s.
    """

    def __init__(
        self,
        limits: WorkerLimits | None = None,
        program: str = PROGRAM,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits or WorkerLimits()
        self._program = program
        self._now = now
        self._slots: dict[str, _Slot] = {}
        self._failed: dict[str, tuple[float, SpotlabError]] = {}
        self._changed = threading.Condition()
        self._starter = ChildStarter(self.end_idle, IDLE_S / 10)
        self._closed = False

    def request(self, source: Source, parts: Sequence[Buffer], response_bytes: int) -> memoryview:
        """Send a request to a model's process and return the numbers of the response.

        Args:
            source: the model; its process is started if it is not running.
            parts: parts of the request frame; see `model_worker`.
            response_bytes: exact size of the response, bytes.
        Raises:
            ModelFailed: it crashed, exceeded a limit, or sent an invalid response.
            ArtefactRefused, InvalidInput: it cannot be opened, or does not support the request.
            NotAvailable: all processes are busy, or none can be started.
        """
        slot = self._acquire(source)
        process = slot.process
        try:
            if process.child is None:
                process.start(self._starter.start, self._program)
                process.open()
            response = process.request(parts, response_bytes)
        except PipeError as exc:
            raise self._end_failed(slot, exc) from None
        except ArtefactRefused as exc:
            self._end(slot)
            raise self._block(source, exc) from None
        except (ModelFailed, InvalidInput):
            self._release(slot)
            raise
        except BaseException:  # also Ctrl-C: a response may still be in the pipe
            self._end(slot)
            self._raise_if_closed()
            raise
        self._release(slot)
        return response

    def raise_if_failed(self, source: Source) -> None:
        """Raise the model's error if it failed within the last BLOCKED_S seconds."""
        with self._changed:
            until, error = self._failed.get(source.digest, (0.0, None))
            remaining_s = until - self._now()
            if error is not None and remaining_s > 0:
                raise _repeated(error, remaining_s)
            self._failed.pop(source.digest, None)

    def pids(self) -> dict[str, int]:
        """Process ids by model digest."""
        with self._changed:
            children = {digest: slot.process.child for digest, slot in self._slots.items()}
            return {digest: child.pid for digest, child in children.items() if child is not None}

    def end_idle(self) -> None:
        """End processes that have not been used for IDLE_S."""
        with self._changed:
            since = self._now() - IDLE_S
            for slot in [p for p in self._slots.values() if not p.busy and p.idle_since <= since]:
                self._end(slot)

    def close(self) -> None:
        """End all processes; later requests raise NotAvailable."""
        with self._changed:
            self._closed = True
            for slot in [*self._slots.values()]:
                if not slot.busy:
                    self._end(slot)
                elif slot.process.child is not None:
                    slot.process.child.kill()  # the thread that uses it gets an error
            self._changed.notify_all()
        self._starter.close()

    def _acquire(self, source: Source) -> _Slot:
        """The slot of the model's process, reserved for this thread; a new one if there is none."""
        until = self._now() + START_S + self._limits.wall_s
        with self._changed:
            while True:
                self._raise_if_closed()
                self.raise_if_failed(source)
                slot = self._slots.get(source.digest)
                if slot is not None and not slot.busy:
                    child = slot.process.child
                    if child is not None and child.alive():
                        slot.busy = True
                        return slot
                    self._end(slot)  # it was killed between two requests
                elif slot is None and self._has_room():
                    slot = _Slot(ModelProcess(source, self._limits))
                    self._slots[source.digest] = slot
                    return slot
                elif not self._changed.wait(until - self._now()):
                    raise NotAvailable(
                        f"Model {source.reference} is unavailable: all model processes are busy.",
                        remedy="Try again, or raise SPOTLAB_MODEL_WORKERS.",
                    )

    def _has_room(self) -> bool:
        """Whether another process may start; ends the one that was idle longest, if necessary."""
        idle = [slot for slot in self._slots.values() if not slot.busy]
        if len(self._slots) >= self._limits.workers and idle:
            self._end(min(idle, key=lambda slot: slot.idle_since))
        return len(self._slots) < self._limits.workers

    def _release(self, slot: _Slot) -> None:
        if slot.process.exhausted or self._closed:
            self._end(slot)
            return
        with self._changed:
            slot.busy, slot.idle_since = False, self._now()
            self._changed.notify_all()

    def _end(self, slot: _Slot) -> None:
        child = slot.process.child
        if child is not None:
            child.end()
        with self._changed:
            digest = slot.process.source.digest
            if self._slots.get(digest) is slot:
                del self._slots[digest]
            self._changed.notify_all()

    def _raise_if_closed(self) -> None:
        if self._closed:
            raise NotAvailable("This process is shutting down: models are no longer available.")

    def _end_failed(self, slot: _Slot, exc: PipeError) -> SpotlabError:
        """End the process, log and count the failure, and block the model."""
        reason, what = slot.process.end_failed(exc)
        self._end(slot)
        self._raise_if_closed()
        source = slot.process.source
        metrics.MODEL_FAILURES.labels(reason=reason).inc()
        return self._block(source, ModelFailed(f"Model {source.reference} {what}.", what=what))

    def _block(self, source: Source, error: SpotlabError) -> SpotlabError:
        log.error("%s It is not used for the next %g s.", error.message, BLOCKED_S)
        with self._changed:
            self._failed[source.digest] = self._now() + BLOCKED_S, error
            self._changed.notify_all()
        return _repeated(error, BLOCKED_S)


def _repeated(error: SpotlabError, remaining_s: float) -> SpotlabError:
    minutes = max(1, round(remaining_s / 60))
    remedy = f"It can be used again in {minutes} min; use another model until then."
    if isinstance(error, ModelFailed):
        return ModelFailed(error.message, remedy=remedy, what=error.what, retry_after_s=remaining_s)
    return type(error)(error.message, remedy=remedy)
