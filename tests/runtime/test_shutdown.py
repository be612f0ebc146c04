"""A process that shuts down waits for the current decision, and cancels the rest."""

from __future__ import annotations

import threading

from spotlab.runtime.shutdown import Shutdown


def test_work_is_asked_to_stop_when_the_process_is_about_to_end() -> None:
    leaving, pressed = Shutdown(), threading.Event()
    with leaving.uninterrupted(pressed.is_set) as stop, leaving.uninterrupted(None) as other:
        assert not stop()
        pressed.set()
        assert stop()
        assert not other()
        leaving.request()
        assert other()


def test_the_end_waits_for_whoever_is_at_work_but_not_for_ever() -> None:
    leaving, begun, go_on = Shutdown(), threading.Event(), threading.Event()

    def work() -> None:
        with leaving.uninterrupted(None):
            begun.set()
            go_on.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(10)
    assert not leaving.wait(0.01)
    go_on.set()
    assert leaving.wait(10)
    thread.join()
    assert leaving.wait(0)
