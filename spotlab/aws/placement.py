"""Spot placement scores from EC2.

Source: Amazon EC2 API Reference, GetSpotPlacementScores. It identifies zones by the id that is the
same in all accounts, and returns at most ten zones or regions. The number of different
configurations per day is limited (the limit is not published); repeating a configuration is free.
So each call is for one region, which has fewer than ten zones, and one group of types.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spotlab.aws.failures import translated
from spotlab.aws.feed_checks import reject, source_name
from spotlab.domain.market import MarketName
from spotlab.domain.placement import MIN_TYPES, TARGET_CAPACITY, PlacementResponse
from spotlab.domain.ports import Clock
from spotlab.errors import InvalidInput, QuotaRefused

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


class PlacementScores:
    """Placement scores for the zones of one region.

    Args:
        ec2: client of the region, with the credentials of the account.
        account: name of the account.
        region: such as "us-east-1".
        clock: for asked_at.
        emulated: whether the client talks to the emulated AWS.
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
        """Display name."""
        market = MarketName.SIMULATED if self._emulated else MarketName.ACCOUNT
        return source_name(market, f"placement scores of {self._region}")

    def request(self, instance_types: Sequence[str]) -> PlacementResponse:
        """Request the scores of one group of types.

        Args:
            instance_types: three at least; they are scored together.
        Returns:
            Scores by zone; or, if the quota is used up, a result that is marked as refused.
        Raises:
            InvalidInput: fewer than three types, whose score would be low regardless of capacity.
            FeedRefused: a score is out of range.
            AwsError: AWS did not answer, or refused for a reason other than the quota.
        """
        types = tuple(sorted(set(instance_types)))
        if len(types) < MIN_TYPES:
            raise InvalidInput(f"A placement score needs at least {MIN_TYPES} types.")
        try:
            with translated(f"Reading the {self.name}"):
                scores = self._scores(types)
        except QuotaRefused:
            return self._answer(types, {}, refused=True)
        return self._answer(types, scores, refused=False)

    def _scores(self, types: Sequence[str]) -> dict[str, int]:
        names = self._zone_names()
        scores: dict[str, int] = {}
        pages = self._ec2.get_paginator("get_spot_placement_scores").paginate(
            InstanceTypes=types,
            TargetCapacity=TARGET_CAPACITY,
            SingleAvailabilityZone=True,
            RegionNames=[self._region],
        )
        for page in pages:
            for record in page["SpotPlacementScores"]:
                zone_id, score = record["AvailabilityZoneId"], record["Score"]
                if not 1 <= score <= 10:
                    reject(self.name, f"{zone_id} has score {score}", "a score from 1 to 10")
                if zone_id in names:  # other zones are not available to the account
                    scores[names[zone_id]] = score
        return scores

    def _zone_names(self) -> dict[str, str]:
        """This account's names of the zones, by id."""
        if not self._zone_names_by_id:
            zones = self._ec2.describe_availability_zones()["AvailabilityZones"]
            self._zone_names_by_id = {zone["ZoneId"]: zone["ZoneName"] for zone in zones}
        return self._zone_names_by_id

    def _answer(
        self, types: tuple[str, ...], scores: dict[str, int], *, refused: bool
    ) -> PlacementResponse:
        return PlacementResponse(
            emulated=self._emulated,
            account=self._account,
            region=self._region,
            instance_types=types,
            asked_at=self._clock.now(),
            source=self.name,
            refused=refused,
            scores=scores,
        )
