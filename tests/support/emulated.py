"""Real boto3 clients for an emulated AWS."""

from __future__ import annotations

from typing import Any

import boto3

from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.demo.server import RunningServer
from spotlab.demo.world import Account

BASE_KEYS = {"aws_access_key_id": BASE_KEY, "aws_secret_access_key": BASE_SECRET}


def client(
    served: RunningServer, service: str, region: str = "us-east-1", account: Account | None = None
) -> Any:
    """A client with the base credentials, or with those of an account's role."""
    keys = BASE_KEYS if account is None else role_keys(served, account, account.external_id)
    return boto3.client(service, region_name=region, endpoint_url=served.endpoint_url, **keys)


def role_keys(served: RunningServer, account: Account, external_id: str) -> dict[str, str]:
    """The credentials from AssumeRole, as arguments of boto3.client."""
    answer = client(served, "sts").assume_role(
        RoleArn=account.role_arn, RoleSessionName="spotlab", ExternalId=external_id
    )["Credentials"]
    return {
        "aws_access_key_id": answer["AccessKeyId"],
        "aws_secret_access_key": answer["SecretAccessKey"],
        "aws_session_token": answer["SessionToken"],
    }


def instances(ec2: Any, **arguments: Any) -> list[dict[str, Any]]:
    """Every instance on all pages of DescribeInstances."""
    pages = ec2.get_paginator("describe_instances").paginate(**arguments)
    return [
        instance
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]


def names(found: list[dict[str, Any]]) -> set[str]:
    """Their Name tags."""
    return {tag["Value"] for each in found for tag in each["Tags"] if tag["Key"] == "Name"}
