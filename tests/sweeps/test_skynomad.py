"""The published SkyNomad setting: its files, and its figures reproduced."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from spotlab.errors import InvalidInput
from spotlab.recorded.skynomad import read_egress, read_published_windows, read_tick_prices
from spotlab.sweeps.results import skynomad


def written(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_prices_per_tick_are_in_the_order_of_the_traces(tmp_path: Path) -> None:
    prices = {"b_v100_1": [0.9, 1.0], "a_v100_1": [1.3, 1.2]}
    path = written(tmp_path / "prices.json.gz", json.dumps(prices))
    usd = read_tick_prices(path, ["a_v100_1", "b_v100_1"], 2)
    assert usd.tolist() == [[1.3, 0.9], [1.2, 1.0]]


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        ({"a": [1.0]}, "'a' has no list of 2 prices"),
        ({"b": [1.0, 1.0]}, "'a' has no list of 2 prices"),
        ({"a": [1.0, -1.0]}, "'a' has a price that is no number"),
        ({"a": [1.0, None]}, "'a' has a price that is no number"),
        ([1.0], "'a' has no list"),
    ],
)
def test_odd_prices_are_refused_by_name(tmp_path: Path, prices: object, words: str) -> None:
    path = written(tmp_path / "prices.json", json.dumps(prices))
    with pytest.raises(InvalidInput, match=words):
        read_tick_prices(path, ["a"], 2)


EGRESS = "from_region,to_region,price_usd_per_gb\neast,west,0.02\nwest,east,0.03\n"


def test_moving_within_a_region_is_free(tmp_path: Path) -> None:
    usd = read_egress(written(tmp_path / "egress.csv", EGRESS), ["east", "west", "east"])
    assert usd.tolist() == [[0.0, 0.02, 0.0], [0.03, 0.0, 0.03], [0.0, 0.02, 0.0]]


def test_a_pair_of_regions_without_a_price_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "egress.csv", EGRESS)
    with pytest.raises(InvalidInput, match="no price from east to north"):
        read_egress(path, ["east", "north"])
    odd = written(tmp_path / "odd.csv", EGRESS.replace("0.03", "free"))
    with pytest.raises(InvalidInput, match="'free'"):
        read_egress(odd, ["east", "west"])


def test_windows_have_the_costs_of_strategies_on_several_regions(tmp_path: Path) -> None:
    text = (
        "strategy,task_type,window_index,env_start_hours,cost\n"
        "one,multi_region,0,10.5,40.0\nalone,single_region,0,10.5,99.0\n"
        "two,multi_region,1,20.0,41.0\none,multi_region,1,20.0,42.0\n"
    )
    first, second = read_published_windows(written(tmp_path / "table.csv", text))
    assert (first.start_h, first.usd) == (10.5, {"one": 40.0})
    assert (second.start_h, second.usd) == (20.0, {"two": 41.0, "one": 42.0})


def test_a_missing_file_is_named_in_the_section(tmp_path: Path) -> None:
    assert "is not in the data folder" in skynomad.skynomad_section(tmp_path, print).skipped


@pytest.mark.shared_data
def test_the_published_optimum_and_uniform_progress_are_reproduced(shared_data: Path) -> None:
    world = skynomad.world_of(shared_data)
    windows = read_published_windows(shared_data / skynomad.PUBLISHED)
    for name, theirs in skynomad.NAMES.items():
        results = skynomad.replay(world, windows, name)
        usd = np.mean([one.cost_usd for one in results])
        published = np.mean([window.usd[theirs] for window in windows])
        assert usd == pytest.approx(published, rel=0.01 if name == "oracle" else 0.02), name
        assert not any(one.missed for one in results), name


@pytest.mark.shared_data
def test_the_price_of_slack_costs_less_than_skynomad_in_its_own_setting(shared_data: Path) -> None:
    world = skynomad.world_of(shared_data)
    windows = read_published_windows(shared_data / skynomad.PUBLISHED)
    for name, most in ((skynomad.PAYING, 41.7), ("slack_price", 40.0)):
        results = skynomad.replay(world, windows, name)
        assert not any(one.missed for one in results)
        assert np.mean([one.cost_usd for one in results]) <= most, name
