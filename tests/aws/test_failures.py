"""botocore's errors are translated to SpotLab's, without secrets."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from botocore import exceptions as boto

from spotlab.aws.failures import translated
from spotlab.errors import (
    AccessDenied,
    AwsError,
    AwsUnreachable,
    CapacityRefused,
    ClockSkewed,
    NoSuchThing,
    QuotaRefused,
    RegionNotEnabled,
    Throttled,
)
from tests.support.boto import Answer, Answers, client, ec2_error

SECRETS = (
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYTOKENTOKEN",
    "external-42",
)


def outcome(*answers: Answer, attempts: int = 3) -> tuple[AwsError, int]:
    """The error of one call, and the number of attempts."""
    ec2: Any = client("ec2", attempts=attempts)
    server = Answers(ec2, *answers)
    with pytest.raises(AwsError) as raised, translated("Listing regions", SECRETS[3]):
        ec2.describe_regions()
    return raised.value, len(server.bodies)


@pytest.mark.parametrize(
    ("code", "message", "status", "kind", "attempts"),
    [
        ("RequestLimitExceeded", "slow down", 503, Throttled, 3),
        ("Throttling", "slow down", 400, Throttled, 3),
        ("MaxConfigLimitExceeded", "10 configurations a day", 400, QuotaRefused, 1),
        ("InsufficientInstanceCapacity", "no capacity", 500, CapacityRefused, 3),
        ("SpotMaxPriceTooLow", "too low", 400, CapacityRefused, 1),
        ("VcpuLimitExceeded", "too many", 400, QuotaRefused, 1),
        ("UnauthorizedOperation", "not authorized", 403, AccessDenied, 1),
        ("AuthFailure", "not able to validate the credentials", 401, AccessDenied, 1),
        ("OptInRequired", "not subscribed", 401, RegionNotEnabled, 1),
        ("ExpiredToken", "expired", 403, AccessDenied, 1),
        ("RequestExpired", "Request has expired.", 400, ClockSkewed, 1),
        ("RequestTimeTooSkewed", "skewed", 403, ClockSkewed, 1),
        (
            "SignatureDoesNotMatch",
            "Signature expired: 1 is now earlier than 2",
            403,
            ClockSkewed,
            1,
        ),
        ("AuthFailure", "the clock is off", 401, ClockSkewed, 1),
        ("SignatureDoesNotMatch", "check your key", 403, AccessDenied, 1),
        ("InvalidInstanceID.NotFound", "i-1 does not exist", 400, NoSuchThing, 1),
        ("InvalidInstanceID.Malformed", "i-x", 400, NoSuchThing, 1),
        ("InvalidInstanceType", "m9.huge", 400, NoSuchThing, 1),
        ("InvalidParameterValue", "Invalid value for instanceType", 400, NoSuchThing, 1),
        ("InvalidParameterValue", "MaxResults", 400, AwsError, 1),
        ("SomethingNew", "no", 403, AccessDenied, 1),
        ("InternalError", "oops", 500, AwsUnreachable, 3),
        ("Unavailable", "oops", 503, AwsUnreachable, 3),
    ],
)
def test_each_code_has_its_error(
    code: str, message: str, status: int, kind: type[AwsError], attempts: int
) -> None:
    error, tried = outcome(ec2_error(code, message, status))
    assert type(error) is kind
    assert error.message.startswith(f"Listing regions was refused by AWS with {code}")
    assert error.code == code
    assert tried == attempts, (
        "only temporary errors, as botocore sees them by their status, are retried"
    )


def test_throttling_that_passes_is_waited_out(waits_s: list[float]) -> None:
    regions = "<DescribeRegionsResponse><regionInfo/></DescribeRegionsResponse>"
    ec2 = client("ec2")
    server = Answers(ec2, ec2_error("RequestLimitExceeded", status=503), (200, regions))
    with translated("Listing regions"):
        assert ec2.describe_regions()["Regions"] == []
    assert len(server.bodies) == 2
    assert len(waits_s) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        boto.ConnectTimeoutError(endpoint_url="https://ec2.example"),
        boto.ReadTimeoutError(endpoint_url="https://ec2.example"),
        boto.EndpointConnectionError(endpoint_url="https://ec2.example"),
        boto.ConnectionClosedError(endpoint_url="https://ec2.example"),
        boto.SSLError(endpoint_url="https://ec2.example", error="bad"),
    ],
)
def test_a_network_that_is_down_is_unreachable(trouble: Exception) -> None:
    error, _ = outcome(trouble)
    assert type(error) is AwsUnreachable
    assert "region exists" in error.remedy


def test_an_answer_that_breaks_off_is_unreachable() -> None:
    error, _ = outcome((200, "<DescribeRegionsResponse><regionInfo><item>"))
    assert type(error) is AwsUnreachable
    assert "incomplete" in error.message


def test_missing_credentials_are_said_so() -> None:
    with pytest.raises(AccessDenied, match="none were found"), translated("Listing regions"):
        raise boto.NoCredentialsError
    with pytest.raises(AccessDenied, match="none were found"), translated("Listing regions"):
        raise boto.ProfileNotFound(profile="work")
    with pytest.raises(AccessDenied, match="could not renew"), translated("Listing regions"):
        raise boto.CredentialRetrievalError(provider="sso", error_msg="token=hush")


def test_what_botocore_adds_one_day_is_still_an_aws_error() -> None:
    class Unheard(boto.BotoCoreError):
        fmt = "hush"

    with pytest.raises(AwsError, match="failed \\(Unheard\\)"), translated("Listing regions"):
        raise Unheard


def test_an_answer_without_a_field_is_an_aws_error() -> None:
    with pytest.raises(AwsError, match="lacks 'Regions'"), translated("Listing regions"):
        raise KeyError("Regions")


@pytest.mark.parametrize(
    "code", ["AccessDenied", "SignatureDoesNotMatch", "AuthFailure", "IncompleteSignature", "Other"]
)
def test_no_message_or_traceback_holds_a_secret(code: str) -> None:
    echoed = (
        f"Authorization: AWS4-HMAC-SHA256 Credential={SECRETS[0]}/20260302, Signature=abc123; "
        f"x-amz-security-token:{SECRETS[2]} key {SECRETS[1]} ExternalId={SECRETS[3]} {SECRETS[3]}"
    )
    error, _ = outcome(ec2_error(code, echoed))
    shown = "".join(traceback.format_exception(error))
    assert not [secret for secret in (*SECRETS, "abc123") if secret in shown]


def test_a_refusal_says_which_permission_is_missing() -> None:
    arn = "arn:aws:sts::123456789012:assumed-role/spotlab/spotlab-production"
    said = f"User: {arn} is not authorized to perform: ec2:DescribeRegions"
    error, _ = outcome(ec2_error("UnauthorizedOperation", said, 403))
    assert "ec2:DescribeRegions" in error.message


def test_a_bad_value_is_not_echoed() -> None:
    with pytest.raises(AwsError) as raised, translated("Assuming a role"):
        client("sts").assume_role(RoleArn="arn:aws:iam::1:role/x", RoleSessionName="!")
    assert "'!'" not in str(raised.value)
