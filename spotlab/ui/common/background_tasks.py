"""Background tasks of a page, with progress, cancellation and a result.

A task runs in its own thread, so it continues when the page is reloaded or left.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import streamlit as st

from spotlab.domain.access import Right
from spotlab.telemetry import logs
from spotlab.ui.common import errors, identity, permissions
from spotlab.ui.common.formatting import plain

T = TypeVar("T")
Progress = Callable[[str, float], None]
Work = Callable[[Progress, Callable[[], bool]], T]
LOOK_EVERY_S = 0.4


@dataclass(slots=True)
class Run(Generic[T]):
    """One background task, running or finished.

    Args:
        title: for a person.
        text: the present step.
        share: progress, 0..1.
        result: of the work; None while running, or if it failed.
        error: why it failed.
        correlation_id: of its log lines; "" before it starts.
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
        """Whether it has ended."""
        return self._done.is_set()

    @property
    def stopping(self) -> bool:
        """Whether it was requested to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Request it to stop at the next safe point."""
        self._stop.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False after a timeout."""
        return self._done.wait(timeout_s)

    def tell(self, text: str, share: float) -> None:
        """Report progress; called by the work."""
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
    """Start work in its own thread."""
    run: Run[T] = Run(title)
    context = contextvars.copy_context()  # its log lines belong to the click that started it
    threading.Thread(target=context.run, args=(run._work, work), name=title, daemon=True).start()
    return run


def current(slot: str) -> Run[Any] | None:
    """This session's run in a slot, if there is one."""
    run: Run[Any] | None = st.session_state.get(f"run:{slot}")
    return run


def begin(slot: str, title: str, work: Work[Any]) -> None:
    """Start work in a slot, unless the slot is busy."""
    run = current(slot)
    if run is None or run.finished:
        st.session_state[f"run:{slot}"] = start(title, work)


def start_button(
    label: str,
    slot: str,
    right: Right,
    on_click: Callable[..., None],
    args: tuple[object, ...] = (),
    *,
    icon: str,
    key: str | None = None,
) -> None:
    """The main button of a page, which starts a run; disabled during a run or without the right."""
    run, reason = current(slot), permissions.why_not(right)
    st.button(
        label,
        type="primary",
        icon=icon,
        on_click=on_click,
        args=args,
        disabled=reason is not None or (run is not None and not run.finished),
        help=reason,
        key=key,
        width="stretch",
    )


def take(slot: str) -> Run[Any] | None:
    """The finished run of a slot, once; its error is shown."""
    run = current(slot)
    if run is None or not run.finished:
        return None
    del st.session_state[f"run:{slot}"]
    if run.error is not None:
        errors.show(run.error)
    return run


def watch(slot: str) -> bool:
    """Show the progress of a slot's run, with a button to cancel it; the page reruns at its end.

    Returns:
        Whether a run is in progress.
    """
    run = current(slot)
    if run is None or run.finished:
        return False
    look(run, stoppable=True)
    return True


@st.fragment(run_every=LOOK_EVERY_S)
def look(run: Run[Any], *, stoppable: bool = False) -> None:
    """Show a run's progress; the page reruns at its end."""
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
    identity.current()  # raises if the session has ended since the button was shown
    run.stop()
