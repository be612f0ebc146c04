"""Bootstrap: a lab survives the death of a helper process, and applies its settings."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from spotlab.demo.endpoint import read_ready, ready_file
from spotlab.errors import ArtefactRefused
from spotlab.runtime.bootstrap import bootstrap
from spotlab.settings import load
from tests.support.lab import DictStore, no_aws, save_toy_model


def test_the_fleet_is_listed_again_after_the_emulated_aws_was_killed(tmp_path: Path) -> None:
    save_toy_model(tmp_path / "models")
    settings = load(home=tmp_path / "home", models_dir=tmp_path / "models", market="simulated")
    with bootstrap(settings) as lab:
        assert lab.sync_fleet() == []
        before = [instance.instance_id for instance in lab.store.fleet.instances()]
        path = ready_file(settings.home, settings.demo_seed, None)
        killed, deadline = read_ready(path), time.monotonic() + 30
        assert killed is not None
        os.kill(killed["pid"], signal.SIGKILL)
        while lab.sync_fleet() or read_ready(path) == killed:
            assert time.monotonic() < deadline, "the emulated AWS does not come back"
        assert [instance.instance_id for instance in lab.store.fleet.instances()] == before


def test_the_settings_say_how_large_a_model_may_be(tmp_path: Path) -> None:
    save_toy_model(tmp_path / "models")
    settings = load(home=tmp_path / "home", models_dir=tmp_path / "models", model_trees=29)
    with (
        bootstrap(settings, online=DictStore(), cloud=no_aws) as lab,
        pytest.raises(ArtefactRefused, match="tree_sizes has 30 entries, not 1 to 29"),
    ):
        lab.predictor.get("toy")
