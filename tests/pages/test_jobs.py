"""The Jobs page: jobs, leader and processes; run, pause and schedule."""

from __future__ import annotations

from datetime import timedelta

import pytest

from spotlab.domain.access import Role
from spotlab.domain.ports import By, ProcessInfo, RunState
from spotlab.runtime.lab import Lab
from tests.pages.conftest import Open, open_pages_as, said
from tests.support.people import person


def led(lab: Lab) -> None:
    """A worker leads for two hours, and probes are due in twelve seconds."""
    now = lab.clock.now()
    since = now - timedelta(hours=2)
    worker = ProcessInfo("worker-1", "worker", "host-a", 12, "1.0", since, now)
    lab.store.processes.record_heartbeat(worker, since)
    lab.store.leases.acquire("scheduler", "worker-1", None, since)
    lab.store.jobs.set_next_due("health-probes", now + timedelta(seconds=12))


def failed(lab: Lab, name: str, cause: str) -> None:
    now, jobs = lab.clock.now(), lab.store.jobs
    jobs.set_next_due(name, now)
    run_id = jobs.start(name, now, now, now + timedelta(hours=1), "worker-1", 1, "c0ffee")
    assert run_id is not None
    jobs.finish(run_id, RunState.FAILED, cause, {"sources": 9}, now + timedelta(seconds=3))


def test_the_first_line_says_who_leads_and_what_is_next(lab: Lab, open_page: Open) -> None:
    led(lab)
    failed(lab, "collect-feeds", "The feed does not answer.")
    app = open_page("jobs", job="collect-feeds")
    count = len(app.dataframe[0].value)
    assert app.title[0].value == (
        f"{count - 1} of {count} jobs on schedule; worker on host-a (pid 12) has been the leader "
        "for 2.0 h; next: Probe components, in 12 s"
    )
    row = app.dataframe[0].value.set_index("title").loc["Collect feeds"]
    assert (row["standing"], row["cause"]) == ("■ failed", "The feed does not answer.")
    assert row["took_s"] == 3.0
    history = app.dataframe[1].value
    assert list(history["state"]) == ["■ failed"]
    assert list(history["result"]) == ["sources 9"]
    assert list(app.dataframe[2].value["leads"]) == ["leader"]


def test_nobody_leads_is_said_with_what_to_do(lab: Lab, open_page: Open) -> None:
    app = open_page("jobs")
    assert app.title[0].value.startswith("0 of ")
    assert app.title[0].value.endswith(" jobs running: no process is the leader")
    assert "spotlab worker" in said(app)


def press(app: object, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()  # type: ignore[attr-defined]


def test_an_operator_runs_pauses_and_schedules(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_pages_as(monkeypatch, person(Role.OPERATOR))
    led(lab)
    app = open_page("jobs", job="outcomes")
    press(app, "Run now")
    press(app, "Pause")
    next(box for box in app.text_input if box.label == "Schedule").set_value("every 2 h")
    press(app, "Set")
    setting = lab.store.jobs.settings()["outcomes"]
    assert (setting.asked_by, setting.paused, setting.schedule) == (
        "the operator",
        True,
        "every 2 h",
    )
    row = app.dataframe[0].value.set_index("title").loc["Record outcomes"]
    assert (row["standing"], row["schedule"], row["next"]) == (
        "○ paused",
        "every 2 h*",
        "requested",
    )
    actions = [entry.action for entry in lab.store.audit.entries()]
    assert actions[:3] == ["job.schedule", "job.pause", "job.run"]


def test_a_schedule_that_is_none_is_explained(lab: Lab, open_page: Open) -> None:
    app = open_page("jobs", job="outcomes")
    next(box for box in app.text_input if box.label == "Schedule").set_value("every 2 parsecs")
    press(app, "Set")
    assert "'every 2 parsecs' is not a valid schedule" in said(app)
    assert "outcomes" not in lab.store.jobs.settings()


def test_a_viewer_looks_and_touches_nothing(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_pages_as(monkeypatch, person(Role.VIEWER))
    app = open_page("jobs")
    locked = {button.label: button.disabled for button in app.button}
    assert locked["Run now"]
    assert locked["Pause"]
    assert "Roles that may run, pause and schedule jobs: operator, admin." in said(app)


def test_what_was_asked_for_cannot_be_asked_for_again(lab: Lab, open_page: Open) -> None:
    lab.store.jobs.request_run("outcomes", By("ana", lab.clock.now(), "", "a test"))
    app = open_page("jobs", job="outcomes")
    assert next(button for button in app.button if button.label == "Run now").disabled
