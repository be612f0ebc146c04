"""The commands with real components: a Valkey server, the emulated AWS, recorded feeds."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spotlab.cli import main
from spotlab.domain.decision import Decision

Run = Callable[..., tuple[int, dict[str, Any]]]
FLEET_SIZE = 24


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; returns the exit code and the printed document."""

    def run_command(*argv: str) -> tuple[int, dict[str, Any]]:
        code = main([*argv, "--json"])
        out = capsys.readouterr().out
        assert out.count("\n") == 1, "one document, one line"
        return code, json.loads(out)

    return run_command


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def recorded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recorded")


@pytest.fixture
def at_home(demo_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPOTLAB_HOME", str(demo_home))
    monkeypatch.setenv("SPOTLAB_MARKET", "simulated")
    return demo_home


def stop_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the server, so that the online store does not respond."""
    monkeypatch.setenv("SPOTLAB_REDIS_URL", "redis://127.0.0.1:1/0")


def test_a_fresh_home_decides_about_the_whole_fleet(run: Run, at_home: Path) -> None:
    code, document = run("evaluate", "--all")
    decisions = document["decisions"]
    assert code == 0
    assert len(decisions) == FLEET_SIZE
    assert {decision["decision"] for decision in decisions} <= {str(word) for word in Decision}
    assert all(decision["reason"] and decision["experiment_id"] for decision in decisions)
    assert len({decision["experiment_id"] for decision in decisions}) == FLEET_SIZE
    assert all(decision["shadow"] for decision in decisions)
    assert not any(decision["degraded"] for decision in decisions)
    assert {decision["market"] for decision in decisions} == {"simulated"}
    assert all(decision["candidates_evaluated"] > 0 for decision in decisions)
    before, after = (document["spread"][when] for when in ("before", "after"))
    assert before["instances"] == after["instances"] == FLEET_SIZE
    assert 1 <= before["largest"] <= before["on_spot"]
    assert set(after["pool"]) == {"region", "availability_zone", "instance_type"}
    assert after["expected"] >= 1.0
    assert document["spread"]["correlation"]["source"]
    assert (at_home / "spotlab.db").is_file()


def test_without_the_online_store_it_decides_from_sql_and_says_so(
    run: Run, at_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("evaluate", "--all")
    stop_server(monkeypatch)
    code, document = run("evaluate", "--all")
    assert code == 0
    assert len(document["decisions"]) == FLEET_SIZE
    for decision in document["decisions"]:
        assert decision["decision"]
        assert decision["degraded"]
        assert "SQL archive" in decision["degraded_reasons"][0]


def test_doctor_sees_every_part(run: Run, at_home: Path) -> None:
    run("evaluate", "--all")
    code, document = run("doctor")
    assert code == 0
    assert document["ok"]
    assert document["online_store"]["server"] == "Valkey"
    assert document["market"]["active"] == "simulated"
    assert document["fleet"]["instances"] == FLEET_SIZE
    states = {part["name"]: part["state"] for part in document["components"]}
    no_server = {"API/app server": "unknown", "scheduler": "unknown"}
    assert states == dict.fromkeys(states, "healthy") | no_server
    assert {"database", "Redis cache", "ML inference", "advisor scraper"} <= set(states)


def test_doctor_fails_when_a_part_is_down(
    run: Run, at_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_server(monkeypatch)
    code, document = run("doctor")
    assert code == 1
    assert not document["online_store"]["available"]


def test_an_unknown_instance_is_named(run: Run, at_home: Path) -> None:
    code, document = run("evaluate", "i-does-not-exist")
    assert code == 1
    assert "i-does-not-exist" in document["error"]


def test_evaluate_wants_ids_or_all(run: Run, at_home: Path) -> None:
    assert run("evaluate")[0] == 2
    assert run("evaluate", "--all", "i-1")[0] == 2


@pytest.mark.shared_data
class TestRecorded:
    """With the feeds that AWS published in June 2025."""

    @pytest.fixture(autouse=True)
    def _at_home(self, recorded_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SPOTLAB_HOME", str(recorded_home))
        monkeypatch.setenv("SPOTLAB_MARKET", "simulated")

    @pytest.fixture
    def files(self, shared_data: Path) -> list[str]:
        return [
            "--advisor-file",
            str(shared_data / "advisor" / "2025-06-28.json.gz"),
            "--spot-prices-file",
            str(shared_data / "spot-prices" / "2025-06-15.json.gz"),
        ]

    def test_collect_counts_and_sees_that_nothing_changed(self, run: Run, files: list[str]) -> None:
        code, document = run("collect", *files)
        assert code == 0
        counts = document["counts"]
        assert counts["advisor_linux"] == 14962
        assert counts["advisor_all"] == 25323
        assert counts["spot_prices_linux"] == 15341
        assert document["regions"] == 33
        code, document = run("collect", *files)
        assert code == 0
        assert document["unchanged"] is True
        for source in document["sources"]:
            assert source["event_time"].startswith("2025-06-")
            assert source["records"] > 0

    def test_score_ranks_with_risk_cost_reasons_and_sources(
        self, run: Run, files: list[str]
    ) -> None:
        run("collect", *files)
        ask = ["--region", "us-east-1", "--vcpu-min", "4", "--memory-gb-min", "16"]
        code, document = run("score", *ask, "--arch", "x86_64", "--top", "10")
        assert code == 0
        candidates = document["candidates"]
        assert [candidate["rank"] for candidate in candidates] == list(range(1, 11))
        costs = [candidate["expected_cost_usd_per_hour"] for candidate in candidates]
        assert costs == sorted(costs)
        assert document["model"].startswith("advisor-lgbm@")
        assert sum(document["dropped"].values()) + document["candidates_found"] == 15341
        for candidate in candidates:
            assert candidate["availability_zone"] is None
            assert 0 < candidate["risk"] < 1
            assert candidate["horizon_h"] == 24
            assert candidate["expected_cost_usd_per_hour"] > candidate["spot_price_usd_per_hour"]
            assert candidate["reasons"]
            sources = candidate["sources"]
            assert all(source["age_s"] > 300 * 86400 for source in sources)
            assert [source["approximate"] for source in sources].count(True) >= 1

    def test_a_truncated_feed_is_refused_and_the_last_good_one_stays(
        self, run: Run, files: list[str], tmp_path: Path
    ) -> None:
        run("collect", *files)
        whole = gzip.decompress(Path(files[1]).read_bytes())
        broken = tmp_path / "2025-07-01.json"
        broken.write_bytes(whole[: len(whole) // 2])
        code, document = run("collect", "--advisor-file", str(broken))
        assert code == 1
        assert "2025-07-01.json" in document["sources"][0]["error"]
        code, document = run("score", "--region", "us-east-1", "--top", "1")
        assert code == 0
        assert document["pools"] == 15341
        code, document = run("evaluate", "--all")
        assert code == 0
        assert len(document["decisions"]) == FLEET_SIZE
        assert {decision["market"] for decision in document["decisions"]} == {"recorded"}
        assert all("last good" in d["degraded_reasons"][0] for d in document["decisions"])

    def test_an_unknown_region_says_which_there_are(self, run: Run, files: list[str]) -> None:
        run("collect", *files)
        code, document = run("score", "--region", "moon-north-1")
        assert code == 2
        assert "us-east-1" in document["error"]


def test_scoring_an_empty_home_says_what_to_do(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path))
    code, document = run("score")
    assert code == 3
    assert "spotlab collect" in document["error"]
