"""boto3 clients per account and region, with roles assumed through STS.

Source: AWS STS API Reference, AssumeRole; IAM User Guide, "Access to AWS accounts owned by third
parties" (ExternalId).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)

from spotlab import __version__
from spotlab.aws.failures import translated
from spotlab.aws.regions import is_region
from spotlab.domain.ports import Account, Clock
from spotlab.errors import AccessDenied, ClockSkewed, NoSuchThing

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_pricing import PricingClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

Service = Literal["cloudtrail", "ec2", "elbv2", "events", "iam", "kms", "pricing", "sqs", "sts"]

_RENEW_BEFORE_S: Final = 300
"""How long before their expiry a role's credentials are renewed, seconds."""
_INVALID_IN_SESSION_NAME: Final = re.compile(r"[^\w+=,.@-]", re.ASCII)


class Sessions:
    """Clients by account and region, safe to share between threads.

    A role is assumed at a client's first call, and again shortly before its credentials expire, so
    clients can be used indefinitely.

    Args:
        clock: for renewing credentials in time.
        endpoint_url: of the emulated AWS; None: AWS.
        access_key_id, secret_access_key: None: those of the process (environment, profile, role).
        connect_timeout_s, read_timeout_s: of every call, seconds.
        attempts: total number of attempts if AWS throttles or does not answer.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        endpoint_url: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 20.0,
        attempts: int = 4,
    ) -> None:
        self._clock = clock
        self._endpoint_url = endpoint_url
        self._keys = (access_key_id, secret_access_key)
        self._config = Config(
            connect_timeout=connect_timeout_s,
            read_timeout=read_timeout_s,
            # The emulated AWS is on loopback, which the environment's proxy cannot reach.
            proxies={} if endpoint_url else None,
            retries={"mode": "standard", "total_max_attempts": attempts},
            user_agent_extra=f"spotlab/{__version__}",
        )
        once = Config(retries={"mode": "standard", "total_max_attempts": 1})
        self._once = self._config.merge(once)
        # In boto3, clients are thread-safe, but creating sessions and clients is not.
        self._lock = threading.RLock()
        self._sessions: dict[Account | None, boto3.Session] = {}
        self._clients: dict[tuple[Account, str, str], Any] = {}

    @overload
    def client(
        self, service: Literal["cloudtrail"], account: Account, region: str
    ) -> CloudTrailClient: ...
    @overload
    def client(
        self, service: Literal["elbv2"], account: Account, region: str
    ) -> ElasticLoadBalancingv2Client: ...
    @overload
    def client(
        self, service: Literal["events"], account: Account, region: str
    ) -> EventBridgeClient: ...
    @overload
    def client(self, service: Literal["iam"], account: Account, region: str) -> IAMClient: ...
    @overload
    def client(self, service: Literal["kms"], account: Account, region: str) -> KMSClient: ...
    @overload
    def client(self, service: Literal["sqs"], account: Account, region: str) -> SQSClient: ...
    @overload
    def client(self, service: Literal["ec2"], account: Account, region: str) -> EC2Client: ...
    @overload
    def client(
        self, service: Literal["pricing"], account: Account, region: str
    ) -> PricingClient: ...
    @overload
    def client(self, service: Literal["sts"], account: Account, region: str) -> STSClient: ...
    def client(self, service: Service, account: Account, region: str) -> Any:
        """A client of a service in one account and region; it makes no call yet.

        Args:
            service: such as "ec2".
            account: with the role to assume; role_arn "": the process's own credentials.
            region: such as "us-east-1".
        Raises:
            NoSuchThing: the name is not a region's.
        """
        key = (account, service, region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._client(self._session_of(account), service, region)
            return self._clients[key]

    @overload
    def single_attempt(
        self, service: Literal["elbv2"], account: Account, region: str
    ) -> ElasticLoadBalancingv2Client: ...
    @overload
    def single_attempt(
        self, service: Literal["ec2"], account: Account, region: str
    ) -> EC2Client: ...
    def single_attempt(self, service: Service, account: Account, region: str) -> Any:
        """A client that sends each call once, for changes that the caller repeats with care.

        EC2 answers a lack of capacity with status 500, which botocore would repeat at once.

        Args:
            service, account, region: see `client`.
        """
        key = (account, f"{service}, once", region)
        with self._lock:
            if key not in self._clients:
                session = self._session_of(account)
                self._clients[key] = self._client(session, service, region, self._once)
            return self._clients[key]

    def _session_of(self, account: Account) -> boto3.Session:
        """A session with the credentials of the account's role."""
        if not account.role_arn:
            return self._process_session()
        with self._lock:
            if account not in self._sessions:
                self._sessions[account] = self._role_session(account)
            return self._sessions[account]

    def _process_session(self) -> boto3.Session:
        key_id, secret = self._keys
        with self._lock, translated("Opening this machine's AWS session"):
            if None not in self._sessions:
                self._sessions[None] = boto3.Session(
                    aws_access_key_id=key_id, aws_secret_access_key=secret
                )
            return self._sessions[None]

    def _client(
        self, session: boto3.Session, service: str, region: str, config: Config | None = None
    ) -> Any:
        if not is_region(region):
            raise NoSuchThing(
                f"{region!r} is not an AWS region.", remedy="Use a region such as us-east-1."
            )
        with self._lock, translated(f"Opening {service} in {region!r}"):
            return session.client(  # type: ignore[call-overload]
                service,
                region_name=region,
                endpoint_url=self._endpoint_url,
                config=config or self._config,
            )

    def _role_session(self, account: Account) -> boto3.Session:
        core = botocore.session.get_session()
        provider = _RoleProvider(partial(self.assume, account), self._clock)
        core.register_component("credential_provider", CredentialResolver([provider]))
        return boto3.Session(botocore_session=core)

    def assume(self, account: Account) -> dict[str, str]:
        """New credentials of the account's role, in the form that botocore's refresh expects.

        Raises:
            AccessDenied: the role cannot be assumed.
            AwsError: STS did not answer.
        """
        region = account.regions[0] if account.regions else "us-east-1"
        sts = self._client(self._process_session(), "sts", region)
        request = {
            "RoleArn": account.role_arn,
            "RoleSessionName": _INVALID_IN_SESSION_NAME.sub("-", f"spotlab-{account.name}")[:64],
        }
        if account.external_id:
            request["ExternalId"] = account.external_id
        try:
            with translated(f"Assuming the role of account {account.name!r}", account.external_id):
                credentials = sts.assume_role(**request)["Credentials"]
        except AccessDenied as exc:
            raise AccessDenied(
                f"AWS does not let SpotLab assume {account.role_arn} in account {account.name!r} "
                f"({account.aws_account_id}).",
                remedy="Check that the role exists, that its trust policy names the identity that "
                "SpotLab runs as, and that the external id is the one in the policy.",
            ) from exc
        expires_at = credentials["Expiration"]
        if expires_at <= self._clock.now() + timedelta(seconds=_RENEW_BEFORE_S):
            raise ClockSkewed(
                f"The new credentials of account {account.name!r} have already expired.",
                remedy="Set this machine's clock.",
            )
        return {
            "access_key": credentials["AccessKeyId"],
            "secret_key": credentials["SecretAccessKey"],
            "token": credentials["SessionToken"],
            "expiry_time": expires_at.isoformat(),
        }


class _RoleCredentials(DeferredRefreshableCredentials):
    """Credentials of a role: requested at the first call, renewed in time, by one thread."""

    _advisory_refresh_timeout = _RENEW_BEFORE_S
    _mandatory_refresh_timeout = _RENEW_BEFORE_S


class _RoleProvider(CredentialProvider):
    """Provides botocore with the credentials of one account's role."""

    METHOD = "spotlab-assume-role"

    def __init__(self, assume: Callable[[], dict[str, str]], clock: Clock) -> None:
        super().__init__()
        self._assume = assume
        self._clock = clock

    def load(self) -> _RoleCredentials:
        return _RoleCredentials(self._assume, self.METHOD, time_fetcher=self._clock.now)
