"""The few processes that answer for models which somebody sent.

One process a model: one that is subverted can answer for no other. A model whose process crashes,
takes too long or answers what is no answer has failed, and is not asked again for RESTS_FOR_S.
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
from spotlab.processes.child import Keeper
from spotlab.processes.frames import Buffer, Lost
from spotlab.telemetry import metrics

log = logging.getLogger("spotlab.inference.model_workers")

RESTS_FOR_S: Final = 300.0
"""A model that failed is not asked again for so long: requests must not start a process each."""
IDLE_S: Final = 300.0
"""A process that was not asked for so long is ended."""


@dataclass(slots=True)
class _Place:
    """A process and how it is used."""

    process: ModelProcess
    busy: bool = True
    idle_since: float = 0.0


class ModelWorkers:
    """The model processes of this one; safe to share between threads.

    Args:
        limits: what they may take.
        program: module that they run.
        now: monotonic seconds.
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
        self._places: dict[str, _Place] = {}
        self._failed: dict[str, tuple[float, SpotlabError]] = {}
        self._changed = threading.Condition()
        self._keeper = Keeper(self.end_idle, IDLE_S / 10)
        self._closed = False

    def ask(self, source: Source, question: Sequence[Buffer], most: int) -> memoryview:
        """The numbers with which a model's process answers a question.

        Args:
            source: the model; its process is started where there is none.
            question: parts of a frame; see `model_worker`.
            most: bytes that the answer has, exactly.
        Raises:
            ModelFailed: it crashed, took too long or too much, or gave no such answer.
            ArtefactRefused, InvalidInput: it cannot be opened, or does not answer such questions.
            NotAvailable: all processes are busy, or none can be started.
        """
        place = self._take(source)
        process = place.process
        try:
            if process.child is None:
                process.start(self._keeper.start, self._program)
                process.open()
            answer = process.ask(question, most)
        except Lost as exc:
            raise self._fail(place, exc) from None
        except ArtefactRefused as exc:
            self._end(place)
            raise self._let_rest(source, exc) from None
        except (ModelFailed, InvalidInput):
            self._give_back(place)
            raise
        except BaseException:  # also Ctrl-C: an answer may still be on its way
            self._end(place)
            self._refuse_closed()
            raise
        self._give_back(place)
        return answer

    def refuse_failed(self, source: Source) -> None:
        """Nothing, unless the model failed a short time ago; then raises what it failed with."""
        with self._changed:
            until, why = self._failed.get(source.digest, (0.0, None))
            left_s = until - self._now()
            if why is not None and left_s > 0:
                raise _again(why, left_s)
            self._failed.pop(source.digest, None)

    def pids(self) -> dict[str, int]:
        """Process ids, by the models' digests."""
        with self._changed:
            children = {digest: place.process.child for digest, place in self._places.items()}
            return {digest: child.pid for digest, child in children.items() if child is not None}

    def end_idle(self) -> None:
        """End those that were not asked for IDLE_S."""
        with self._changed:
            since = self._now() - IDLE_S
            for place in [p for p in self._places.values() if not p.busy and p.idle_since <= since]:
                self._end(place)

    def close(self) -> None:
        """End them all; nothing is asked any more."""
        with self._changed:
            self._closed = True
            for place in [*self._places.values()]:
                if not place.busy:
                    self._end(place)
                elif place.process.child is not None:
                    place.process.child.kill()  # whoever asks it finds that out
            self._changed.notify_all()
        self._keeper.close()

    def _take(self, source: Source) -> _Place:
        """The model's process for this thread alone; a new one where there is none."""
        until = self._now() + START_S + self._limits.wall_s
        with self._changed:
            while True:
                self._refuse_closed()
                self.refuse_failed(source)
                place = self._places.get(source.digest)
                if place is not None and not place.busy:
                    child = place.process.child
                    if child is not None and child.alive():
                        place.busy = True
                        return place
                    self._end(place)  # it was ended by somebody else, between two questions
                elif place is None and self._has_room():
                    place = _Place(ModelProcess(source, self._limits))
                    self._places[source.digest] = place
                    return place
                elif not self._changed.wait(until - self._now()):
                    raise NotAvailable(
                        f"Model {source.reference} was not asked: all model processes are busy.",
                        remedy="Try again, or raise SPOTLAB_MODEL_WORKERS.",
                    )

    def _has_room(self) -> bool:
        """Whether another may start; the one that was idle for longest makes room."""
        idle = [place for place in self._places.values() if not place.busy]
        if len(self._places) >= self._limits.workers and idle:
            self._end(min(idle, key=lambda place: place.idle_since))
        return len(self._places) < self._limits.workers

    def _give_back(self, place: _Place) -> None:
        if place.process.spent or self._closed:
            self._end(place)
            return
        with self._changed:
            place.busy, place.idle_since = False, self._now()
            self._changed.notify_all()

    def _end(self, place: _Place) -> None:
        child = place.process.child
        if child is not None:
            child.end()
        with self._changed:
            digest = place.process.source.digest
            if self._places.get(digest) is place:
                del self._places[digest]
            self._changed.notify_all()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise NotAvailable("This process is leaving: no model is asked any more.")

    def _fail(self, place: _Place, exc: Lost) -> SpotlabError:
        """End the process, tell it, and let the model rest."""
        reason, what = place.process.lost(exc)
        self._end(place)
        self._refuse_closed()
        source = place.process.source
        metrics.MODEL_FAILURES.labels(reason=reason).inc()
        return self._let_rest(source, ModelFailed(f"Model {source.reference} {what}.", what=what))

    def _let_rest(self, source: Source, why: SpotlabError) -> SpotlabError:
        log.error("%s It is not asked again for %g s.", why.message, RESTS_FOR_S)
        with self._changed:
            self._failed[source.digest] = self._now() + RESTS_FOR_S, why
            self._changed.notify_all()
        return _again(why, RESTS_FOR_S)


def _again(why: SpotlabError, left_s: float) -> SpotlabError:
    minutes = max(1, round(left_s / 60))
    remedy = f"It is asked again in {minutes} min; use another model until then."
    if isinstance(why, ModelFailed):
        return ModelFailed(why.message, remedy=remedy, what=why.what, retry_after_s=left_s)
    return type(why)(why.message, remedy=remedy)
