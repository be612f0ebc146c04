"""Labels of backtests, and uploaded traces."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest

from spotlab.gym.policies import SPOTLAB, policies_for
from spotlab.gym.workloads import DeadlineJob
from spotlab.sweeps.sweep_summary import Difference
from spotlab.sweeps.uploaded_files import store_files
from spotlab.training.advisor.datasets import DATA_VARIABLE
from spotlab.training.comparison_files import UploadedFile
from spotlab.ui.backtests import labels, policy_pairs, time_estimate, uploads
from spotlab.ui.charts import backtests as charts
from tests.gym.worlds import world_of


@pytest.mark.parametrize(
    "module", [labels, time_estimate, charts], ids=["naming", "timing", "charts"]
)
def test_examples_are_true(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert (found.failed, found.attempted > 0) == (0, True)


def test_every_policy_has_a_name_and_a_rule_for_people() -> None:
    pools = (np.ones((60, 2)), [1.0, 1.0])
    world = world_of(*pools, buckets=np.array([1.0, 1.0]), egress=1.0 - np.eye(2))
    every = policies_for(world, DeadlineJob(0.5, 1.0, 0.0, 0.0, 10.0))
    named = {name for name in every if not name.startswith(SPOTLAB)}
    assert labels.POLICY_WORDS.keys() == labels.POLICY_RULES.keys() == named


def test_a_model_is_named_with_its_version() -> None:
    models = {"capacity": ["capacity-lgbm@1.0.0", "digest"]}
    assert labels.policy("spotlab:capacity", models) == "SpotLab (capacity-lgbm@1.0.0)"
    assert labels.policy("spotlab:other", {}) == "SpotLab (other)"
    assert labels.policy("a_policy_of_tomorrow", {}) == "a_policy_of_tomorrow"


def test_workloads_in_words() -> None:
    job = {"kind": "Jobs", "work_h": 48.0, "deadlines_h": [52.0, 92.0]}
    assert labels.workload({"workloads": job}) == "job of 48 h, deadline 52 to 92 h"
    same = job | {"deadlines_h": [72.0, 72.0]}
    assert labels.workload({"workloads": same}) == "job of 48 h, deadline 72 h"
    assert labels.workload({"workloads": {"kind": "Services", "hours": 168.0}}) == (
        "service of 168 h"
    )


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        ((-0.1, -0.2, -0.05), "▼ cheaper"),
        ((0.1, 0.05, 0.2), "▲ more expensive"),
        ((0.1, -0.05, 0.2), "○ no significant difference"),
        ((0.1, None, None), "—"),
    ],
    ids=["cheaper", "more expensive", "alike", "unknown"],
)
def test_a_verdict_rests_on_the_interval_alone(gap: Difference, said: str) -> None:
    assert policy_pairs.verdict(gap) == said


def test_sent_files_are_kept_once_and_offered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "nothing"))
    sent = [UploadedFile("a.json", b"{}"), UploadedFile("b.json", b"[]")]
    first, new = store_files(tmp_path, uploads.TRACES, uploads.unique_names(sent))
    assert new
    assert store_files(tmp_path, uploads.TRACES, uploads.unique_names(sent[::-1])) == (first, False)
    assert sorted(path.name for path in first.iterdir()) == ["a.json", "b.json"]
    ((told, folder),) = uploads.folders(tmp_path).values()
    assert folder == first
    assert told == "uploaded: a.json, b.json"
    assert not list(tmp_path.glob("sent-*")), "nothing is left lying about"


def test_two_sent_files_of_one_name_are_both_kept(tmp_path: Path) -> None:
    sent = [UploadedFile("a.json", b"1"), UploadedFile("a.json", b"2")]
    place, _ = store_files(tmp_path, uploads.TRACES, uploads.unique_names(sent))
    assert sorted(path.read_bytes() for path in place.iterdir()) == [b"1", b"2"]


def test_traces_without_a_licence_come_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    for part in ("evaluation-only/traces/x", "traces/y"):
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "a.json").write_text("{}")
    assert list(uploads.folders(tmp_path / "home")) == ["traces/y", "evaluation-only/traces/x"]
