"""Placement scores: requested in groups, by zone name; a used-up quota is a valid result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from spotlab.aws.placement import PlacementScores
from spotlab.demo.ec2_placement import CONFIGURATIONS_PER_DAY
from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.domain.placement import PlacementResponse
from spotlab.errors import AccessDenied, AwsError, FeedRefused, InvalidInput, NoSuchThing, Throttled
from tests.support import emulated
from tests.support.boto import Answer, Answers, client, ec2_error, placement, zones
from tests.support.feeds import NOW, Clock

ZONES = zones(("use1-az1", "us-east-1c"), ("use1-az2", "us-east-1a"))
GROUP = ("c5.large", "m5.large", "m6i.large")


def source(ec2: Any, *, emulated: bool = False) -> PlacementScores:
    return PlacementScores(ec2, "acme", "us-east-1", Clock(), emulated=emulated)


def request_scores(*answers: Answer) -> tuple[PlacementResponse, list[dict[str, list[str]]]]:
    ec2 = client("ec2")
    server = Answers(ec2, ZONES, *answers)
    answer = source(ec2).request(GROUP[::-1])
    return answer, [parse_qs(body) for body in server.bodies]


def test_scores_of_every_page_are_by_the_accounts_own_zone_names() -> None:
    answer, (_, first, second) = request_scores(
        placement(("use1-az1", 9), token="x"), placement(("use1-az2", 1), ("use1-az9", 7))
    )
    assert answer.scores == {"us-east-1c": 9, "us-east-1a": 1}, "az9 is none of this account"
    assert (answer.refused, answer.instance_types, answer.asked_at) == (False, GROUP, NOW)
    assert answer.source == "AWS placement scores of us-east-1"
    assert [first[f"InstanceType.{place}"] for place in (1, 2, 3)] == [[name] for name in GROUP]
    assert first["TargetCapacity"] == ["1"]
    assert first["SingleAvailabilityZone"] == ["true"]
    assert first["RegionName.1"] == ["us-east-1"]
    assert second["NextToken"] == ["x"]


def test_the_zones_names_are_read_once() -> None:
    ec2 = client("ec2")
    server = Answers(ec2, ZONES, placement(("use1-az1", 9)))
    scores = source(ec2)
    scores.request(GROUP)
    scores.request([*GROUP, "m7i.large"])
    assert [parse_qs(body)["Action"] for body in server.bodies] == [
        ["DescribeAvailabilityZones"],
        ["GetSpotPlacementScores"],
        ["GetSpotPlacementScores"],
    ]


def test_a_used_up_quota_is_an_answer_and_not_no_data() -> None:
    answer, _ = request_scores(
        ec2_error("MaxConfigLimitExceeded", "You have exceeded your maximum.")
    )
    assert (answer.refused, answer.scores) == (True, {})
    nothing, _ = request_scores(placement())
    assert (nothing.refused, nothing.scores) == (False, {})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UnauthorizedOperation", AccessDenied),
        ("RequestLimitExceeded", Throttled),
        ("InvalidInstanceType", NoSuchThing),
        ("Surprise", AwsError),
    ],
)
def test_other_refusals_are_errors(code: str, kind: type[AwsError]) -> None:
    with pytest.raises(kind, match="placement scores of us-east-1"):
        request_scores(ec2_error(code))


@pytest.mark.parametrize("score", [0, 11, -1])
def test_a_score_that_cannot_be_is_refused(score: int) -> None:
    with pytest.raises(FeedRefused, match=f"use1-az1 has score {score}"):
        request_scores(placement(("use1-az1", score)))


def test_fewer_than_three_types_are_not_asked_for() -> None:
    with pytest.raises(InvalidInput, match="3 types"):
        source(client("ec2")).request(["m5.large", "m5.large", "c5.large"])


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    with serve_in_thread(7) as running:
        yield running


def test_the_emulated_aws_scores_each_zone_until_its_quota_is_used_up(
    served: RunningServer,
) -> None:
    ec2 = emulated.client(served, "ec2", "us-east-1", served.world.accounts[0])
    scores = source(ec2, emulated=True)
    answer = scores.request(GROUP)
    assert set(answer.scores) == {f"us-east-1{letter}" for letter in "abcd"}
    assert all(1 <= score <= 10 for score in answer.scores.values())
    assert answer.source == "Simulated placement scores of us-east-1"
    others = ["c5.xlarge", "m5.xlarge", "m6i.xlarge", "r5.large", "t3.large"]
    more = [scores.request([*GROUP[:2], a, b]) for a in others for b in others if a < b]
    assert sum(not each.refused for each in more) == CONFIGURATIONS_PER_DAY - 1
    assert more[-1].refused
    assert scores.request(GROUP).scores == answer.scores, "the same question again is free"
