"""A kept sweep can be asked for again, and is the same one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spotlab.errors import NotAvailable
from spotlab.runtime.lab import Lab
from spotlab.sweeps.plan import ALL_POLICIES, plan_sweep, spec_of
from spotlab.sweeps.spec import Jobs, Prices, Services, SweepSpec
from tests.support.campaigns import JOBS, SERVICES, spec_for, write_campaign
from tests.support.lab import empty_lab, save_toy_model


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    made = empty_lab(tmp_path / "home", tmp_path / "models")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_campaign(tmp_path / "traces")


def planned_twice(lab: Lab, spec: SweepSpec) -> tuple[str, str]:
    first = plan_sweep(lab, spec).plan
    stored = json.loads(json.dumps(first.config))
    return first.sweep_id, plan_sweep(lab, spec_of(stored)).plan.sweep_id


@pytest.mark.parametrize("workloads", [JOBS, SERVICES], ids=["jobs", "services"])
@pytest.mark.parametrize("policies", [(ALL_POLICIES,), ("spot_greedy",)], ids=["all", "one"])
def test_the_same_is_asked_again(
    lab: Lab, folder: Path, workloads: Jobs | Services, policies: tuple[str, ...]
) -> None:
    first, again = planned_twice(lab, spec_for(folder, workloads, policies))
    assert first == again


def test_prices_of_a_file_are_found_again(lab: Lab, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("trace,spot_usd_per_hour\nzone-a,0.3\nzone-b,0.4\nzone-c,0.5\n")
    first, again = planned_twice(lab, replace(spec_for(folder), prices=Prices(1.0, 0.0, file)))
    assert first == again


def test_files_without_header_lines_and_zone_names_are_read_again(
    lab: Lab, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("zone-a,0.3\nzone-b,0.4\nzone-c,0.5\n")
    prices = Prices(1.0, 0.0, file, columns=("trace", "spot_usd_per_hour"))
    traces = replace(
        spec_for(folder).traces,
        columns=("tick", "time", "fail"),
        zone_ids=(("use1-az6", "us-east-1b"),),
    )
    spec = replace(spec_for(folder), prices=prices, traces=traces)
    first, again = planned_twice(lab, spec)
    assert first == again
    config = json.loads(json.dumps(plan_sweep(lab, spec).plan.config))
    assert (spec_of(config).traces, spec_of(config).prices) == (traces, prices)


def test_what_was_kept_says_what_it_rests_on(lab: Lab, folder: Path) -> None:
    config = plan_sweep(lab, spec_for(folder, policies=(ALL_POLICIES,))).plan.config
    assert config["gap_s"] == 600
    assert any("without a record" in told for told in config["assumptions"])
    assert set(config["sources"]) == {"zone-a", "zone-b", "zone-c"}
    assert "No champion" in config["left_out"]["spotlab:MODEL"]


def test_a_record_that_says_too_little_is_named() -> None:
    with pytest.raises(NotAvailable, match="did not store its whole specification"):
        spec_of({"toy": True})
