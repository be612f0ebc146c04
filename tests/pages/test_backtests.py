"""The Backtests page: set up, watch, cancel and resume, read, replay."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spotlab.runtime.lab import Lab
from spotlab.sweeps.plan import ALL_POLICIES, Sweep, plan_sweep
from spotlab.sweeps.sweep_summary import figures_of
from spotlab.training.advisor.datasets import DATA_VARIABLE
from spotlab.ui.backtests import actions, replay_cache, results
from spotlab.ui.common.export import as_csv, as_html, as_latex
from tests.pages.conftest import Open, finish, said
from tests.support.campaigns import POLICIES, SERVICES, spec_for, swept, write_campaign

LONG_S = 120.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up campaign where the page looks for recorded data."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    return write_campaign(tmp_path / "data" / "traces" / "made-up")


@pytest.fixture
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "nothing"))


def cut_short(lab: Lab, sweep: Sweep, kept: int) -> None:
    """Let the sweep look as if its process had been killed after so many cells."""
    whole = lab.store.sweeps.finished(sweep.plan.sweep_id)
    other = "cut short"
    lab.store.sweeps.open(other, sweep.plan.config, len(whole), lab.clock.now())
    lab.store.sweeps.begin(other)
    for key in sorted(whole)[:kept]:
        lab.store.sweeps.store_cell(other, key, whole[key])


def to_its_end(app: AppTest) -> AppTest:
    assert actions.jobs().wait(LONG_S)
    return app.run()


def test_without_a_trace_the_page_says_how_to_bring_one(
    no_data: None, lab: Lab, open_page: Open
) -> None:
    app = open_page("backtests")
    assert app.title[0].value.startswith("0 backtests yet")
    assert "no recorded traces" in app.info[0].value
    assert "CSV" in app.info[0].value
    assert app.button(key="backtest-start").disabled


def test_a_backtest_is_set_up_run_and_answered_in_the_first_line(
    folder: Path, lab: Lab, open_page: Open
) -> None:
    app = open_page("backtests")
    for key, value in (("work", 6.0), ("deadline-from", 8.0), ("deadline-to", 10.0)):
        app.number_input(key=f"backtest-{key}").set_value(value)
    app.number_input(key="backtest-windows").set_value(2)
    app.run()
    assert "16 cells" in said(app), "2 windows, 7 policies and the oracle"
    assert "No champion model" in said(app)
    app.button(key="backtest-start").click().run()
    app = to_its_end(app)
    assert not app.exception
    title = app.title[0].value
    assert title.startswith("On 2 windows of 3 zones, ")
    assert "finishes the 6 h job for" in title
    assert "less than on-demand" in title
    assert "more than the oracle" in title
    (record,) = lab.store.sweeps.list()
    assert (record.state, record.done) == ("done", 16)

    again = open_page("backtests")
    assert again.title[0].value == title, "the list says what the newest one came to"
    assert again.dataframe[0].value["id"].tolist() == [record.sweep_id]


def test_what_cannot_be_is_named_and_cannot_be_started(
    folder: Path, lab: Lab, open_page: Open
) -> None:
    app = open_page("backtests")
    app.number_input(key="backtest-deadline-to").set_value(500.0).run()
    assert any("is shorter than 500 h" in box.value for box in app.warning)
    assert app.button(key="backtest-start").disabled


def test_the_same_question_is_not_asked_twice(folder: Path, lab: Lab, open_page: Open) -> None:
    app = open_page("backtests", workload="service")
    app.number_input(key="backtest-hours").set_value(12.0)
    app.number_input(key="backtest-windows").set_value(1).run()
    app.button(key="backtest-start").click().run()
    to_its_end(app)
    again = open_page("backtests", workload="service")
    again.number_input(key="backtest-hours").set_value(12.0)
    again.number_input(key="backtest-windows").set_value(1).run()
    assert again.button(key="backtest-start").label == "Open"
    assert "already exists (● done" in said(again)


def test_results_compare_every_policy_with_hindsight(
    folder: Path, lab: Lab, open_page: Open
) -> None:
    report = swept(lab, spec_for(folder))
    app = open_page("backtests", sweep=report.sweep.plan.sweep_id)
    assert not app.exception
    assert [box.value for box in app.error] == []
    policies, pairs = app.dataframe[0].value, app.dataframe[1].value
    assert policies["policy"].iloc[0] == "★ oracle (hindsight)"
    assert policies["regret"].is_monotonic_increasing
    figures = report.summary["policies"]
    shown = policies.set_index("policy").loc["on-demand only"]
    assert shown["cost_usd"] == figures["on_demand"]["cost_usd"]
    assert shown["regret"] == figures["on_demand"]["regret"]
    assert "downtime_h" not in policies, "a job has none"
    assert len(pairs) == len(policies) - 1
    assert pairs.set_index("policy").loc["on-demand only", "verdict"] == "▲ more expensive"
    text = said(app)
    for part in ("without a record counts as not available", "Prices are as given", "600 s"):
        assert part in text


def test_a_pair_reads_the_same_from_both_sides(folder: Path, lab: Lab, open_page: Open) -> None:
    sweep_id = swept(lab, spec_for(folder)).sweep.plan.sweep_id
    on_demand = open_page("backtests", sweep=sweep_id, against="on_demand").dataframe[1].value
    greedy = open_page("backtests", sweep=sweep_id, against="spot_greedy").dataframe[1].value
    less = on_demand.set_index("policy").loc["spot greedy", "cost"]
    more = greedy.set_index("policy").loc["on-demand only", "cost"]
    assert less < 0 < more
    assert (1 + less) * (1 + more) == pytest.approx(1)


def test_a_service_shows_its_downtime(folder: Path, lab: Lab, open_page: Open) -> None:
    spec = spec_for(folder, SERVICES, ("on_demand", "spot_greedy"))
    app = open_page("backtests", sweep=swept(lab, spec).sweep.plan.sweep_id)
    assert "keeps the service up" in app.title[0].value
    policies = app.dataframe[0].value
    assert "misses" not in policies
    assert (policies.set_index("policy").loc["spot greedy", "downtime_h"]) > 0


def test_a_killed_one_shows_what_it_has_and_that_it_is_partial(
    folder: Path, lab: Lab, open_page: Open
) -> None:
    report = swept(lab, spec_for(folder))
    cut_short(lab, report.sweep, kept=len(POLICIES) * 2 + 3)
    app = open_page("backtests", sweep="cut short")
    assert app.title[0].value.startswith("On 2 of 4 windows so far, 3 zones, ")
    (box,) = app.warning
    assert "killed" in box.value
    assert "9 of 16 cells are finished and stored" in box.value
    app.button(key="backtest-on").click().run()
    assert any("cannot be mixed" in box.value for box in app.warning), "it has another id"


def test_a_cancelled_one_goes_on_to_the_same_result(
    folder: Path, lab: Lab, open_page: Open
) -> None:
    sweep = plan_sweep(lab, spec_for(folder))
    sweep_id = sweep.plan.sweep_id
    lab.store.sweeps.open(sweep_id, sweep.plan.config, len(sweep.plan.cells), lab.clock.now())
    lab.store.sweeps.cancel(sweep_id)
    app = open_page("backtests", sweep=sweep_id)
    assert "cancelled" in app.warning[0].value
    assert app.title[0].value.startswith("0 of 16 cells done")
    app.button(key="backtest-on").click().run()
    app = to_its_end(app)
    assert app.title[0].value.startswith("On 4 windows of 3 zones")
    assert not app.warning


def test_a_queued_one_can_be_cancelled_by_any_session(
    folder: Path, lab: Lab, open_page: Open
) -> None:
    sweep = plan_sweep(lab, spec_for(folder))
    sweep_id = sweep.plan.sweep_id
    lab.store.sweeps.open(sweep_id, sweep.plan.config, len(sweep.plan.cells), lab.clock.now())
    app = open_page("backtests", sweep=sweep_id)
    app.button(key="backtest-cancel").click().run()
    assert lab.store.sweeps.get(sweep_id).state == "cancelled"


def test_an_unknown_id_is_named(lab: Lab, open_page: Open) -> None:
    app = open_page("backtests", sweep="none-such")
    assert any("none-such" in box.value for box in app.warning)


def test_a_window_is_replayed_with_the_reason_of_every_move(
    folder: Path, lab: Lab, open_page: Open
) -> None:
    report = swept(lab, spec_for(folder))
    app = open_page(
        "backtests",
        sweep=report.sweep.plan.sweep_id,
        view="replay",
        window="1",
        first="spot_greedy",
        second="oracle",
    )
    app = finish(app, replay_cache.SLOT)
    assert not app.exception
    assert app.title[0].value.startswith("In window 2, spot greedy meets its deadline: ")
    greedy, oracle = (table.value for table in app.dataframe)
    assert greedy["what"].iloc[0] == "▶ start"
    assert greedy["why"].str.len().gt(0).all()
    assert oracle["what"].iloc[-1] == "✓ done"
    assert not app.warning, "the stored cells gave the result"


def test_a_window_cannot_be_replayed_once_its_traces_are_gone(
    folder: Path, lab: Lab, open_page: Open
) -> None:
    report = swept(lab, spec_for(folder))
    for path in folder.iterdir():
        path.unlink()
    app = open_page("backtests", sweep=report.sweep.plan.sweep_id, view="replay")
    app = finish(app, replay_cache.SLOT)
    assert any("folder has no trace" in box.value for box in app.warning)
    assert app.button(key="replay-again")


def test_the_table_travels_with_its_assumptions(folder: Path, lab: Lab) -> None:
    report = swept(lab, spec_for(folder, policies=(ALL_POLICIES,)))
    record = lab.store.sweeps.get(report.sweep.plan.sweep_id)
    cells = lab.store.sweeps.finished(record.sweep_id)
    figures = figures_of(record, cells)
    assert figures is not None
    table = results.exported(record, figures, lab.clock.now())
    assert as_csv(table).decode().splitlines()[0].startswith("policy,cost_usd,")
    for written in (as_latex(table).decode(), as_html(table).decode()):
        assert "Prices are as given" in written
        assert record.sweep_id in written
        assert "Uniform Progress, multi-zone" in written


def test_files_without_header_lines_can_be_used(no_data: None, lab: Lab, open_page: Open) -> None:
    app = open_page("backtests")
    ticks = "".join(f"{tick},{600 * tick},{tick % 7 == 0:d}\n" for tick in range(1500))
    app.selectbox(key="backtest-polarity").select("unavailable").run()
    app.file_uploader(key="backtest-traces").upload("zone-a.csv", ticks.encode(), "text/csv").run()
    assert app.button(key="backtest-start").disabled
    assert "--columns" in said(app)
    app.text_input(key="backtest-columns").set_value("tick, time, fail").run()
    app.number_input(key="backtest-gap").set_value(600.0).run()
    assert not app.exception
    assert not app.button(key="backtest-start").disabled


def test_zone_names_that_are_no_such_file_are_refused_in_words(
    no_data: None, lab: Lab, open_page: Open
) -> None:
    app = open_page("backtests")
    zones = app.file_uploader(key="backtest-zones")
    zones.upload("zones.json", b"{}", "application/json").run()
    assert not app.exception
    assert "it has no AvailabilityZones" in said(app)
