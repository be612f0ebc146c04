"""Long work beside the page: progress, a way out, and an end that is noticed.

The work runs in a thread of its own, so it survives a reload and a change of page; the page only
looks at it.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import streamlit as st

from spotlab.telemetry import logs
from spotlab.ui.common import errors, identity
from spotlab.ui.common.formatting import plain

T = TypeVar("T")
Progress = Callable[[str, float], None]
Work = Callable[[Progress, Callable[[], bool]], T]
LOOK_EVERY_S = 0.4


@dataclass(slots=True)
class Run(Generic[T]):
    """One piece of work, running or done.

    Args:
        title: what it does, for a person.
        text: what is being done now.
        share: how much is done, 0..1.
        result: what it gave; None while running or when it failed.
        error: why it failed.
        correlation_id: on every log line of it; "" before it began.
    """

    title: str
    text: str = "starting"
    share: float = 0.0
    result: T | None = None
    error: Exception | None = None
    correlation_id: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _done: threading.Event = field(default_factory=threading.Event)

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self._done.is_set()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask it to stop at the next safe point."""
        self._stop.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False when it has not come by then."""
        return self._done.wait(timeout_s)

    def tell(self, text: str, share: float) -> None:
        """Called by the work: what is being done, and how much is done."""
        self.text, self.share = text, min(1.0, max(0.0, share))

    def _work(self, work: Work[T]) -> None:
        try:
            with logs.correlated() as self.correlation_id:
                self.result = work(self.tell, self._stop.is_set)
        except Exception as exc:
            self.error = exc
        finally:
            self._done.set()


def start(title: str, work: Work[T]) -> Run[T]:
    """Start work in a thread of its own."""
    run: Run[T] = Run(title)
    about = contextvars.copy_context()  # its log lines belong to the click that began it
    threading.Thread(target=about.run, args=(run._work, work), name=title, daemon=True).start()
    return run


def current(slot: str) -> Run[Any] | None:
    """This reader's run in a slot, if there is one."""
    run: Run[Any] | None = st.session_state.get(f"run:{slot}")
    return run


def begin(slot: str, title: str, work: Work[Any]) -> None:
    """Start work in a slot, unless some is running there."""
    running = current(slot)
    if running is None or running.finished:
        st.session_state[f"run:{slot}"] = start(title, work)


def take(slot: str) -> Run[Any] | None:
    """The finished run of a slot, once; what it failed with is shown."""
    run = current(slot)
    if run is None or not run.finished:
        return None
    del st.session_state[f"run:{slot}"]
    if run.error is not None:
        errors.show(run.error)
    return run


def watch(slot: str) -> bool:
    """Show the running work of a slot, with a way out; the page reruns when it ends.

    Returns:
        Whether work is running.
    """
    run = current(slot)
    if run is None or run.finished:
        return False
    look(run, stoppable=True)
    return True


@st.fragment(run_every=LOOK_EVERY_S)
def look(run: Run[Any], *, stoppable: bool = False) -> None:
    """A run's progress; the page reruns when it ends."""
    if run.finished:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(run.share, text=plain(f"{run.title}: {run.text}"))
        if stoppable:
            label = "Stopping…" if run.stopping else "Cancel"
            st.button(
                label, key=f"stop {run.title}", on_click=_stop, args=(run,), disabled=run.stopping
            )


def _stop(run: Run[Any]) -> None:
    """For who clicks now: they may be signed out since the button was drawn."""
    identity.current()
    run.stop()
