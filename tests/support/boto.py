"""boto3 clients without a network: each request gets the next of a list of responses."""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

Answer = tuple[int, str | bytes] | Exception
EC2 = 'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"'


def client(service: str, *, attempts: int = 3) -> Any:
    """A client with SpotLab's retry mode ("standard")."""
    return boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="AKIATESTTESTTESTTEST",
        aws_secret_access_key="testing",
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}),
    )


class Answers:
    """Responds to each request with the next of the answers, and then repeats the last one."""

    def __init__(self, client: Any, *answers: Answer) -> None:
        self.answers = list(answers)
        self.bodies: list[str] = []
        client.meta.events.register("before-send", self)

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        body = request.body or b""
        self.bodies.append(body.decode() if isinstance(body, bytes) else body)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, content = answer
        return AWSResponse(
            request.url, status, {}, _Raw(content.encode() if isinstance(content, str) else content)
        )


class _Raw:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self, **_: Any) -> list[bytes]:
        return [self.content]


def ec2_error(code: str, message: str = "no", status: int = 400) -> Answer:
    """An error response of the EC2 API."""
    return (
        status,
        f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        "<RequestID>r-1</RequestID></Response>",
    )


def sts_error(code: str, message: str = "no", status: int = 403) -> Answer:
    """An error response of the STS API."""
    return (
        status,
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
        "</Error><RequestId>r-1</RequestId></ErrorResponse>",
    )


def price_history(*rows: tuple[str, str, str, str], token: str = "") -> Answer:
    """A page of DescribeSpotPriceHistory: (zone, type, price, time) each."""
    items = "".join(
        f"<item><availabilityZone>{zone}</availabilityZone><instanceType>{name}</instanceType>"
        "<productDescription>Linux/UNIX</productDescription>"
        f"<spotPrice>{price}</spotPrice><timestamp>{time}</timestamp></item>"
        for zone, name, price, time in rows
    )
    return (
        200,
        f"<DescribeSpotPriceHistoryResponse {EC2}><spotPriceHistorySet>{items}"
        f"</spotPriceHistorySet><nextToken>{token}</nextToken></DescribeSpotPriceHistoryResponse>",
    )


def product(instance_type: str, usd: str, **changes: Any) -> str:
    """One element of the PriceList of GetProducts."""
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": usd}} | changes
    return json.dumps(
        {
            "product": {"sku": "S", "attributes": {"instanceType": instance_type}},
            "terms": {"OnDemand": {"S.T": {"priceDimensions": {"S.T.D": dimension}}}},
            "publicationDate": "2026-02-27T17:45:21Z",
            "version": "20260227174521",
        }
    )


def zones(*names: tuple[str, str]) -> Answer:
    """A response of DescribeAvailabilityZones: (id, name) each."""
    items = "".join(
        f"<item><zoneId>{zone_id}</zoneId><zoneName>{name}</zoneName></item>"
        for zone_id, name in names
    )
    return (
        200,
        f"<DescribeAvailabilityZonesResponse {EC2}><availabilityZoneInfo>{items}"
        "</availabilityZoneInfo></DescribeAvailabilityZonesResponse>",
    )


def placement(*scores: tuple[str, int], token: str = "") -> Answer:
    """A page of GetSpotPlacementScores: (zone id, score) each."""
    items = "".join(
        f"<item><region>us-east-1</region><availabilityZoneId>{zone_id}</availabilityZoneId>"
        f"<score>{score}</score></item>"
        for zone_id, score in scores
    )
    return (
        200,
        f"<GetSpotPlacementScoresResponse {EC2}><spotPlacementScoreSet>{items}"
        f"</spotPlacementScoreSet><nextToken>{token}</nextToken></GetSpotPlacementScoresResponse>",
    )
