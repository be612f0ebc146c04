"""The job for placement scores: a daily limit of configurations, and recorded refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest

from spotlab.aws.session import Sessions
from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.demo.world import Clock
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.placement import PlacementState
from spotlab.domain.ports import Account, RunState
from spotlab.runtime import placement_scores
from spotlab.runtime.cloud import Cloud, FeedAddresses
from spotlab.runtime.lab import Lab
from spotlab.scheduling.job_catalogue import job
from tests.support import boto, emulated
from tests.support.lab import save_toy_model, small_lab
from tests.support.market import StillClock

ACCOUNT = Account("acme", "123456789012", regions=("us-east-1",), emulated=True)
ZONES = boto.zones(("use1-az1", "us-east-1a"), ("use1-az2", "us-east-1b"))
GROUP = ("m5.large", "m5.xlarge", "m6i.large", "t3.large")
"""The small lab's x86_64 types without a GPU: the only group of at least three types."""
REFUSED = boto.ec2_error("MaxConfigLimitExceeded")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path, tmp_path / "models") as made:
        yield made


def as_aws(lab: Lab, ec2: Any, *accounts: Account) -> None:
    sessions = create_autospec(Sessions, instance=True)
    sessions.client.side_effect = lambda *_: ec2
    cloud = Cloud(True, sessions, accounts, FeedAddresses("", "", ""))
    lab.open_cloud = lambda: cloud


def answering(lab: Lab, *answers: boto.Answer) -> boto.Answers:
    ec2 = boto.client("ec2")
    server = boto.Answers(ec2, *answers)
    as_aws(lab, ec2, ACCOUNT)
    return server


def run(lab: Lab, *, cancelled: bool = False) -> Mapping[str, Any]:
    chosen = job(placement_scores.JOB)
    assert chosen is not None
    assert chosen.waits
    return chosen.run(lab, lambda *_: None, lambda: cancelled)


def of(lab: Lab, name: str = "m5.large") -> Any:
    return placement_scores.placements(lab).score_of(Pool("us-east-1", "us-east-1a", name))


def test_the_fleets_types_are_asked_for_with_their_alternatives(lab: Lab) -> None:
    answering(lab, ZONES, boto.placement(("use1-az1", 8), ("use1-az2", 3)))
    before = lab.bus.version(placement_scores.Topic.MARKET)
    assert run(lab) == {
        "asked": 1,
        "scores": 2,
        "refused_by_quota": 0,
        "left_out": 0,
        "note": "2 scores of 1 group.",
        "failed": "",
    }
    assert (of(lab).score, of(lab).instance_types) == (8, GROUP)
    assert of(lab, "g4dn.xlarge").state is PlacementState.UNKNOWN, "one GPU type is no group"
    assert lab.bus.version(placement_scores.Topic.MARKET) > before, "open screens follow"


def test_a_quota_refusal_is_kept_as_such_and_is_no_failure(lab: Lab) -> None:
    answering(lab, ZONES, REFUSED)
    result = run(lab)
    assert (result["refused_by_quota"], result["scores"], result["failed"]) == (1, 0, "")
    assert result["note"] == "0 scores of 0 groups, 1 refused by quota."
    assert of(lab).state is PlacementState.REFUSED


def test_an_account_that_may_not_ask_is_a_failure(lab: Lab) -> None:
    answering(lab, boto.ec2_error("UnauthorizedOperation", "You may not."))
    result = run(lab)
    assert "You may not." in result["failed"]
    assert result["asked"] == 0
    assert of(lab).state is PlacementState.UNKNOWN


def test_the_days_configurations_are_remembered(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement_scores, "CONFIGURATIONS_A_DAY", 1)
    scores = boto.placement(("use1-az1", 8))
    server = answering(lab, ZONES, scores, ZONES, scores, ZONES, scores)
    run(lab)
    assert run(lab)["asked"] == 1, "what was asked today is asked again for nothing"
    other = ("c5.large", "m5.large", "r5.large")
    monkeypatch.setattr(placement_scores, "relevant_groups", lambda *_: [other])
    sent = len(server.bodies)
    assert (run(lab)["left_out"], len(server.bodies)) == (1, sent), "nothing is sent"
    assert isinstance(lab.clock, StillClock)
    lab.clock.forward(hours=25)
    assert run(lab)["asked"] == 1


def test_after_a_refusal_no_new_configuration_is_tried(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, one, two = GROUP, ("a1.large", *GROUP[:2]), ("a2.large", *GROUP[:2])
    answering(lab, ZONES, boto.placement(("use1-az1", 8)), REFUSED)
    monkeypatch.setattr(placement_scores, "relevant_groups", lambda *_: [known])
    run(lab)
    assert isinstance(lab.clock, StillClock)
    lab.clock.forward(hours=6)
    answering(lab, ZONES, boto.placement(("use1-az1", 6)), REFUSED)
    monkeypatch.setattr(placement_scores, "relevant_groups", lambda *_: [one, two, known])
    result = run(lab)
    assert (result["asked"], result["refused_by_quota"], result["left_out"]) == (2, 1, 1)
    assert of(lab).score == 6


def test_the_groups_of_most_instances_are_asked_for_first(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement_scores, "CONFIGURATIONS_A_DAY", 1)
    few, many = ("g4dn.xlarge", "a1.large", "a2.large"), ("a3.large", "m5.large", "m6i.large")
    monkeypatch.setattr(placement_scores, "relevant_groups", lambda *_: [few, many])
    answering(lab, ZONES, boto.placement(("use1-az1", 8)))
    assert run(lab)["left_out"] == 1
    assert of(lab).instance_types == many


def test_a_stopped_run_keeps_what_it_has(lab: Lab) -> None:
    answering(lab, ZONES, boto.placement(("use1-az1", 8)))
    assert run(lab, cancelled=True)["left_out"] == 1


def test_where_scores_would_say_nothing_the_job_says_so(lab: Lab) -> None:
    as_aws(lab, boto.client("ec2"))
    assert "No account" in run(lab)["note"]
    for market, words in ((MarketName.RECORDED, "recorded"), (MarketName.PUBLIC, "emulated")):
        lab.store.archive.set_active_market(market)
        result = run(lab)
        assert words in result["note"]
        assert "failed" not in result
        assert words in of(lab).reason


def test_the_emulated_aws_answers_the_job(lab: Lab) -> None:
    with serve_in_thread(7, clock=Clock(lab.clock.now())) as served:
        as_aws(lab, _ec2(served), ACCOUNT)
        assert run(lab)["scores"] == 4, "one a zone"
    assert of(lab).state is PlacementState.SCORED
    assert of(lab).origin.source == "Simulated placement scores of us-east-1"


def _ec2(served: RunningServer) -> Any:
    return emulated.client(served, "ec2", "us-east-1", served.world.accounts[0])


def test_it_is_planned_as_soon_as_it_can_ask_and_only_until_it_ran(lab: Lab) -> None:
    jobs, now = lab.store.jobs, lab.clock.now()

    def planned() -> bool:
        placement_scores.schedule_first_run(lab)
        setting = jobs.settings().get(placement_scores.JOB)
        return setting is not None and setting.next_at == now

    lab.store.archive.set_active_market(MarketName.RECORDED)
    assert not planned(), "a score of now says nothing about a recorded market"
    lab.store.archive.set_active_market(MarketName.SIMULATED)
    assert planned()
    later = now + timedelta(hours=6)
    for state, again in ((RunState.CANCELLED, True), (RunState.FAILED, False)):
        due_at = jobs.settings()[placement_scores.JOB].next_at
        assert due_at is not None
        run_id = jobs.start(placement_scores.JOB, due_at, now, later, "one", 1, "c0ffee")
        assert run_id is not None
        jobs.finish(run_id, state, "", {}, now)
        placement_scores.schedule_first_run(lab)
        found = jobs.settings()[placement_scores.JOB].next_at
        assert found is not None
        assert (found < later) is again
