"""Spot placement scores from EC2.

Source: Amazon EC2 API Reference, GetSpotPlacementScores. It names zones by the id that is the same
in every account, answers with the ten best places at most, allows a number of different
configurations a day that is not published, and takes a configuration again for nothing. So each
call is about one region and one group of types: a region has fewer than ten zones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spotlab.aws.failures import translated
from spotlab.aws.snapshots import reject, source_name
from spotlab.domain.market import MarketName
from spotlab.domain.placement import FEWEST_TYPES, TARGET_CAPACITY, PlacementAnswer
from spotlab.domain.ports import Clock
from spotlab.errors import InvalidInput, QuotaRefused

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


class PlacementScores:
    """How likely spot requests are filled in the zones of one region.

    Args:
        ec2: client of the region, of the account that asks.
        account: its name.
        region: such as "us-east-1".
        clock: for asked_at.
        emulated: the client reaches an emulated AWS.
    """

    def __init__(
        self, ec2: EC2Client, account: str, region: str, clock: Clock, *, emulated: bool
    ) -> None:
        self._ec2 = ec2
        self._account = account
        self._region = region
        self._clock = clock
        self._emulated = emulated
        self._zone_names_by_id: dict[str, str] = {}

    @property
    def name(self) -> str:
        """A person's name for it."""
        market = MarketName.SIMULATED if self._emulated else MarketName.ACCOUNT
        return source_name(market, f"placement scores of {self._region}")

    def ask(self, instance_types: Sequence[str]) -> PlacementAnswer:
        """Ask about one group.

        Args:
            instance_types: three at least, asked for together.
        Returns:
            Scores by zone, or that the quota is used up: that is an answer, not "no data".
        Raises:
            InvalidInput: fewer than three types, whose score is low whatever the capacity is.
            FeedRefused: a score that cannot be.
            AwsError: AWS did not answer, or refused for another reason than the quota.
        """
        asked = tuple(sorted(set(instance_types)))
        if len(asked) < FEWEST_TYPES:
            raise InvalidInput(f"A placement score needs {FEWEST_TYPES} types at least.")
        try:
            with translated(f"Reading the {self.name}"):
                scores = self._scores(asked)
        except QuotaRefused:
            return self._answer(asked, {}, refused=True)
        return self._answer(asked, scores, refused=False)

    def _scores(self, asked: Sequence[str]) -> dict[str, int]:
        names = self._zone_names()
        scores: dict[str, int] = {}
        pages = self._ec2.get_paginator("get_spot_placement_scores").paginate(
            InstanceTypes=asked,
            TargetCapacity=TARGET_CAPACITY,
            SingleAvailabilityZone=True,
            RegionNames=[self._region],
        )
        for page in pages:
            for record in page["SpotPlacementScores"]:
                zone_id, score = record["AvailabilityZoneId"], record["Score"]
                if not 1 <= score <= 10:
                    reject(self.name, f"{zone_id} has score {score}", "a score from 1 to 10")
                if zone_id in names:  # a zone that the account may not use has no pools
                    scores[names[zone_id]] = score
        return scores

    def _zone_names(self) -> dict[str, str]:
        """How this account calls the zones, by id."""
        if not self._zone_names_by_id:
            zones = self._ec2.describe_availability_zones()["AvailabilityZones"]
            self._zone_names_by_id = {zone["ZoneId"]: zone["ZoneName"] for zone in zones}
        return self._zone_names_by_id

    def _answer(
        self, asked: tuple[str, ...], scores: dict[str, int], *, refused: bool
    ) -> PlacementAnswer:
        return PlacementAnswer(
            emulated=self._emulated,
            account=self._account,
            region=self._region,
            instance_types=asked,
            asked_at=self._clock.now(),
            source=self.name,
            refused=refused,
            scores=scores,
        )
