"""`spotlab backtest`: one document with stable keys, even after a killed run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from spotlab.cli import main
from spotlab.domain.ports.backtests import SweepRecord
from spotlab.store import open_store
from spotlab.sweeps.run import running_sweep
from tests.support.dask_cluster import dask_cluster
from tests.support.traces import write_campaign

FIGURES = {
    *("cost_usd", "relative_to_on_demand", "misses", "moves", "downtime_h"),
    *("regret", "low", "high"),
}
SMALL = ("--windows", "3", "--work-h", "4", "--deadline-h", "5", "7")
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_campaign(tmp_path_factory.mktemp("traces") / "campaign")


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for tests that do not affect each other."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def arguments(shared_home: Path, campaign: Path) -> list[str]:
    return ["backtest", "--json", "--home", str(shared_home), "--trace-dir", str(campaign), *SMALL]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> Run:
    """Run the command; returns the exit code and stdout."""

    def run_command(*more: str) -> tuple[int, str]:
        code = main([*arguments, *more])
        return code, capsys.readouterr().out

    return run_command


def test_a_job_under_every_policy(run: Run) -> None:
    code, out = run()
    document = json.loads(out)
    policies = document["policies"]

    assert code == 0
    assert document["workload"] == "deadline"
    assert document["windows"] == 3
    assert document["oracle"]["cost"] == policies["oracle"]["cost_usd"] > 0
    assert {
        *("on_demand", "spot_greedy", "cheapest_pool", "lowest_advisor_bucket"),
        *("eager_failover", "uniform_progress", "uniform_progress_multi", "oracle"),
    } <= set(policies)
    for figures in policies.values():
        assert set(figures) >= FIGURES
        assert figures["misses"] == 0
        assert figures["regret"] >= -1e-9
        assert figures["low"] <= figures["regret"] <= figures["high"]
    assert policies["on_demand"]["relative_to_on_demand"] == pytest.approx(1.0)
    assert document["sources"].keys() == {"zone-a", "zone-b", "zone-c"}
    assert any("3.06 USD/h" in sentence for sentence in document["assumptions"])


def test_a_service_has_downtime_and_no_deadline(run: Run) -> None:
    code, out = run("--workload", "service", "--hours", "12")
    document = json.loads(out)
    assert code == 0, document
    assert document["workload"] == "service"
    assert document["policies"]["spot_greedy"]["downtime_h"] > 0
    assert "uniform_progress" not in document["policies"]
    assert "deadline" in document["left_out"]["uniform_progress"]


def test_the_same_sweep_again_is_read_from_what_was_kept(run: Run) -> None:
    first = run()
    assert run() == first


def test_a_text_for_people(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word for word in arguments if word != "--json"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split()[:2] == ["policy", "USD"]
    assert lines[1].startswith("oracle")
    assert "means per window" in captured.out
    assert "100%" in captured.err


def test_prices_and_buckets_from_a_file(run: Run, tmp_path: Path) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text(
        "trace,spot_usd_per_hour,advisor_bucket\nzone-a,1,3\nzone-b,2,1\nzone-c,3,0\n"
    )
    names = "cheapest_pool,lowest_advisor_bucket"
    _, out = run("--prices-file", str(prices), "--on-demand-usd", "4", "--policies", names)
    document = json.loads(out)
    policies = document["policies"]
    assert set(policies) == {"cheapest_pool", "lowest_advisor_bucket", "oracle"}
    assert policies["cheapest_pool"]["cost_usd"] < policies["lowest_advisor_bucket"]["cost_usd"]
    assert "Spot prices are those of prices.csv, at all times." in document["assumptions"]


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (("--trace-dir", "nowhere"), 1, "no folder nowhere"),
        (("--policies", "spot_greedy,luck"), 1, "no policy 'luck'"),
        (("--policies", ","), 1, "--policies is empty"),
        (("--policies", "spotlab:luck"), 1, "No model 'luck'"),
        (("--model", "luck"), 1, "No model 'luck'"),
        (("--policies", "spotlab:advisor-lgbm"), 1, "a model of the task advisor"),
        (("--deadline-h", "7000"), 1, "is shorter than 7000 h"),
        (("--work-h", "9"), 1, "too short for 9 h of work"),
        (("--spot-usd", "1"), 2, "Use --on-demand-usd together"),
        (("--prices-file", "none.csv", "--on-demand-usd", "2"), 1, "none.csv: it cannot be read"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    assert main([*arguments, *more]) == code
    captured = capsys.readouterr()
    assert says in json.loads(captured.out)["error"]
    assert says in captured.err.splitlines()[-1]


@pytest.mark.parametrize(
    "more",
    [
        ("--deadline-h", "9", "8"),
        ("--work-h", "-1"),
        ("--changeover-h", "nan"),
        ("--windows", "0"),
        ("--workers", "0"),
    ],
    ids="_".join,
)
def test_a_number_that_cannot_be_is_wrong_usage(
    arguments: list[str], more: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, *more])
    assert stopped.value.code == 2


def test_a_scheduler_that_does_not_answer_is_not_available(
    arguments: list[str],
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPOTLAB_DASK_SCHEDULER", "tcp://127.0.0.1:1")
    monkeypatch.setattr("spotlab.processes.dask_pool.CONNECT_TIMEOUT_S", 0.2)
    assert main([*arguments, "--home", str(home)]) == 3
    assert "No Dask scheduler answered at tcp://127.0.0.1:1" in capsys.readouterr().err


HELD = """
import signal, sys
from spotlab.cli import main

write = sys.stderr.write

def write_and_wait(text):
    write(text)
    sys.stderr.flush()
    if "% 3 of 36 cells" in text:
        signal.pause()

sys.stderr.write = write_and_wait
raise SystemExit(main())
"""
"""The command, which waits for a signal after three cells: all of them take a tenth of a second."""


def started(arguments: list[str]) -> subprocess.Popen[str]:
    """The command in a separate process, with one worker."""
    return subprocess.Popen(
        [sys.executable, "-c", HELD, *arguments, "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_some_cells(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    assert any("% 3 of 36 cells" in line for line in iter(process.stderr.readline, ""))


TWELVE = ("--windows", "12", "--policies", "spot_greedy,eager_failover")


def kept(home: Path) -> list[SweepRecord]:
    store = open_store(None, home / "spotlab.db")
    try:
        return store.sweeps.list()
    finally:
        store.close()


def test_after_kill_9_it_gives_the_same_bytes(arguments: list[str], home: Path, run: Run) -> None:
    arguments = [*arguments, "--home", str(home), *TWELVE]
    with started(arguments) as process:
        until_some_cells(process)
        process.kill()
    (record,) = kept(home)
    assert (record.state, running_sweep(home)) == ("running", None)
    assert 3 <= record.done < record.total == 36

    resumed = run(*TWELVE, "--home", str(home))

    assert resumed[0] == 0
    assert [again.sweep_id for again in kept(home)] == [record.sweep_id], "it was gone on with"
    assert run(*TWELVE) == resumed, "in a home where nothing was stopped"


def test_ctrl_c_says_that_it_can_go_on(arguments: list[str], home: Path) -> None:
    arguments = [*arguments, "--home", str(home), *TWELVE]
    with started(arguments) as process:
        until_some_cells(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "resumes from there" in err
    assert "Traceback" not in err
    assert json.loads(out)["exit_code"] == 1
    assert [record.state for record in kept(home)] == ["cancelled"]


def test_on_a_dask_cluster_it_gives_the_same_bytes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = run(*TWELVE)
    with dask_cluster(tmp_path) as cluster:
        monkeypatch.setenv("SPOTLAB_DASK_SCHEDULER", cluster.address)
        assert run(*TWELVE, "--home", str(tmp_path / "another home")) == here
