"""Roles are assumed once, renewed in time, and a wrong ExternalId is explained."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSResponse
from botocore.loaders import Loader

from spotlab.aws.boto_sessions import models
from spotlab.aws.failures import translated
from spotlab.aws.session import Service, Sessions
from spotlab.domain.ports import Account
from spotlab.errors import AccessDenied, AwsUnreachable, ClockSkewed, NoSuchThing
from tests.support.boto import _Raw, sts_error
from tests.support.feeds import NOW, Clock

ACCOUNT = Account(
    "card payments",
    "123456789012",
    "arn:aws:iam::123456789012:role/spotlab",
    "external-42",
    ("eu-west-1", "us-east-1"),
)
OWN = Account("own", "210987654321", regions=("us-east-1",))
REGIONS = "<DescribeRegionsResponse><regionInfo/></DescribeRegionsResponse>"


class Aws:
    """Fake STS and EC2 for the clients of a Sessions object."""

    def __init__(self, clock: Clock, refusal: Any = None, lifetime_h: float = 1.0) -> None:
        self.clock = clock
        self.refusal = refusal
        self.lifetime_h = lifetime_h
        self.assumed: list[dict[str, str]] = []
        self.used_tokens: list[str] = []
        self.hosts: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        with self._lock:
            self.hosts.append(request.url.split("/")[2])
            if "Action=AssumeRole" not in _text(request.body):
                self.used_tokens.append(_text(request.headers.get("X-Amz-Security-Token", "own")))
                return AWSResponse(request.url, 200, {}, _Raw(REGIONS.encode()))
            self.assumed.append({k: v[0] for k, v in parse_qs(_text(request.body)).items()})
            if self.refusal is not None:
                status, content = self.refusal
                return AWSResponse(request.url, status, {}, _Raw(content.encode()))
            return AWSResponse(request.url, 200, {}, _Raw(self._credentials().encode()))

    def _credentials(self) -> str:
        expires_at = self.clock.now() + timedelta(hours=self.lifetime_h)
        return (
            "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
            "<AccessKeyId>ASIATESTTESTTESTTEST</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>token-{len(self.assumed)}</SessionToken>"
            f"<Expiration>{expires_at:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
            "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock=clock, access_key_id="AKIATESTTESTTESTTEST", secret_access_key="testing")


def serve(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Use it for all clients created from now on."""
    build = Sessions._client

    def built(self: Sessions, *args: Any) -> Any:
        made = build(self, *args)
        made.meta.events.register("before-send", aws)
        return made

    monkeypatch.setattr(Sessions, "_client", built)
    return aws


def test_the_role_is_assumed_with_its_external_id(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = serve(Aws(clock), monkeypatch)
    sessions.client("ec2", ACCOUNT, "us-east-1").describe_regions()
    (asked,) = aws.assumed
    assert asked["RoleArn"] == ACCOUNT.role_arn
    assert asked["ExternalId"] == "external-42"
    assert asked["RoleSessionName"] == "spotlab-card-payments"
    assert aws.used_tokens == ["token-1"]


def test_no_role_means_the_processs_own_credentials(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = serve(Aws(clock), monkeypatch)
    sessions.client("ec2", OWN, "us-east-1").describe_regions()
    assert (aws.assumed, aws.used_tokens) == ([], ["own"])


def test_a_role_is_assumed_once_for_all_its_clients_until_shortly_before_it_expires(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = serve(Aws(clock, lifetime_h=1), monkeypatch)
    kept = sessions.client("ec2", ACCOUNT, "us-east-1")
    for minutes, assumed in ((0, 1), (54, 1), (56, 2), (60, 2)):
        clock.time = NOW + timedelta(minutes=minutes)
        kept.describe_regions()
        sessions.client("ec2", ACCOUNT, "eu-west-1").describe_regions()
        assert len(aws.assumed) == assumed, f"after {minutes} minutes"
    assert aws.used_tokens[-1] == "token-2"


def test_a_client_is_built_once(sessions: Sessions) -> None:
    first = sessions.client("ec2", ACCOUNT, "us-east-1")
    assert sessions.client("ec2", ACCOUNT, "us-east-1") is first
    assert sessions.client("ec2", ACCOUNT, "eu-west-1") is not first


def test_threads_share_one_role(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = serve(Aws(clock), monkeypatch)

    def call(index: int) -> None:
        region = ACCOUNT.regions[index % 2]
        sessions.client("ec2", ACCOUNT, region).describe_regions()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(16)))
    assert len(aws.assumed) == 1
    assert aws.used_tokens == ["token-1"] * 16


def test_a_wrong_external_id_says_which_account_and_what_to_check(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = sts_error("AccessDenied", "not authorized to perform sts:AssumeRole external-42")
    aws = serve(Aws(clock, refusal), monkeypatch)
    with pytest.raises(AccessDenied) as raised, translated("Listing regions"):
        sessions.client("ec2", ACCOUNT, "us-east-1").describe_regions()
    assert "'card payments' (123456789012)" in raised.value.message
    assert "external id" in raised.value.remedy
    assert "external-42" not in str(raised.value) + str(raised.value.__cause__)
    assert len(aws.assumed) == 1, "a final answer is not asked again"


def test_a_refused_role_is_tried_again_at_the_next_call(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = serve(Aws(clock, sts_error("AccessDenied")), monkeypatch)
    ec2 = sessions.client("ec2", ACCOUNT, "us-east-1")
    with pytest.raises(AccessDenied):
        ec2.describe_regions()
    aws.refusal = None
    assert ec2.describe_regions()["Regions"] == []


def test_sts_out_of_order_is_unreachable(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(Aws(clock, sts_error("ServiceUnavailable", status=503)), monkeypatch)
    with pytest.raises(AwsUnreachable, match="Assuming the role of account 'card payments'"):
        sessions.client("ec2", ACCOUNT, "us-east-1").describe_regions()


@pytest.mark.parametrize(
    ("regions", "host"),
    [
        (("me-south-1", "eu-west-1"), "sts.eu-west-1.amazonaws.com"),
        (("me-south-1",), "sts.us-east-1.amazonaws.com"),
        (("cn-northwest-1",), "sts.cn-northwest-1.amazonaws.com.cn"),
        (("us-gov-east-1",), "sts.us-gov-east-1.amazonaws.com"),
    ],
)
def test_roles_are_assumed_at_a_regional_endpoint_that_every_account_has(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, regions: tuple[str, ...], host: str
) -> None:
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    aws = serve(Aws(clock), monkeypatch)
    own = Sessions(clock=clock, access_key_id="AKIATESTTESTTESTTEST", secret_access_key="testing")
    own.assume(replace(ACCOUNT, regions=regions))
    assert aws.hosts == [host]


def test_the_next_external_id_is_used_when_aws_refuses_the_current_one(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = Aws(clock)

    def answer(request: Any, **more: Any) -> AWSResponse:
        current = "ExternalId=external-42" in _text(request.body)
        aws.refusal = sts_error("AccessDenied") if current else None
        return aws(request, **more)

    serve(answer, monkeypatch)  # type: ignore[arg-type]
    rotating = replace(ACCOUNT, pending_external_id="external-43")
    sessions.client("ec2", rotating, "us-east-1").describe_regions()
    assert [each["ExternalId"] for each in aws.assumed] == ["external-42", "external-43"]
    with pytest.raises(AccessDenied):
        sessions.assume(ACCOUNT)


@pytest.mark.parametrize("lifetime_h", [-2.0, 0.0])
def test_credentials_that_arrive_expired_tell_of_a_wrong_clock(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch, lifetime_h: float
) -> None:
    serve(Aws(clock, lifetime_h=lifetime_h), monkeypatch)
    with pytest.raises(ClockSkewed, match="clock"):
        sessions.client("ec2", ACCOUNT, "us-east-1").describe_regions()


@pytest.mark.parametrize("region", ["", "us east 1", "-", "evil.example/"])
def test_what_is_no_region_is_refused(sessions: Sessions, region: str) -> None:
    with pytest.raises(NoSuchThing, match="us-east-1"):
        sessions.client("ec2", OWN, region)


def test_an_emulator_is_reached_without_the_environments_proxy(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Regions) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        emulated = Sessions(
            clock=clock,
            endpoint_url=f"http://127.0.0.1:{server.server_address[1]}",
            access_key_id="testing",
            secret_access_key="testing",
        )
        try:
            assert emulated.client("ec2", OWN, "us-east-1").describe_regions()["Regions"] == []
        finally:
            server.shutdown()
            thread.join()


class _Regions(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(REGIONS)))
        self.end_headers()
        self.wfile.write(REGIONS.encode())

    def log_message(self, *_: Any) -> None: ...


def test_an_endpoint_replaces_aws(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = serve(Aws(clock), monkeypatch)
    emulated = Sessions(
        clock=clock,
        endpoint_url="http://127.0.0.1:5999",
        access_key_id="testing",
        secret_access_key="testing",
    )
    emulated.client("ec2", ACCOUNT, "us-east-1").describe_regions()
    assert set(aws.hosts) == {"127.0.0.1:5999"}


def test_an_unknown_profile_is_missing_credentials(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "absent")
    with pytest.raises(AccessDenied, match="none were found"):
        Sessions(clock=clock).client("ec2", OWN, "us-east-1")


def test_clients_have_timeouts_and_bounded_retries(sessions: Sessions) -> None:
    config = sessions.client("ec2", OWN, "us-east-1").meta.config
    assert (config.connect_timeout, config.read_timeout) == (5.0, 20.0)
    assert config.retries["total_max_attempts"] == 4
    assert "spotlab/" in config.user_agent_extra


def without_documentation(value: Any) -> Any:
    """A model without the texts that describe it."""
    if isinstance(value, list):
        return [without_documentation(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_documentation(each)
        for key, each in value.items()
        if not (key == "documentation" and isinstance(each, str))
    }


@pytest.mark.parametrize("service", get_args(Service))
def test_the_models_are_those_of_botocore(service: str) -> None:
    ours = models().load_service_model(service, "service-2")
    assert ours == without_documentation(Loader().load_service_model(service, "service-2"))
    assert ours is models().load_service_model(service, "service-2")


def test_accounts_share_the_models(sessions: Sessions, clock: Clock) -> None:
    clients = [
        sessions.client("ec2", account, region)
        for account in (ACCOUNT, OWN)
        for region in account.regions
    ]
    model = models().load_service_model("ec2", "service-2")
    assert all(client.meta.service_model._service_description is model for client in clients)
    assert len({type(client).describe_instances for client in clients}) == 1
