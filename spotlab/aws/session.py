"""boto3 clients per account and region, with roles assumed through STS.

Source: AWS STS API Reference, AssumeRole; IAM User Guide, "Access to AWS accounts owned by third
parties" (ExternalId).
"""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from spotlab.aws.failures import translated
from spotlab.aws.regions import is_region, sts_region
from spotlab.domain.ports import Account, Clock
from spotlab.errors import AccessDenied, ClockSkewed, NoSuchThing

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_pricing import PricingClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

Service = Literal["cloudtrail", "ec2", "elbv2", "events", "iam", "kms", "pricing", "sqs", "sts"]

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
        self._timeouts = {"connect_timeout": connect_timeout_s, "read_timeout": read_timeout_s}
        self._attempts = attempts
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
                self._clients[key] = self._client(session, service, region, attempts=1)
            return self._clients[key]

    def _session_of(self, account: Account) -> boto3.Session:
        """A session with the credentials of the account's role."""
        if not account.role_arn:
            return self._process_session()
        with self._lock:
            if account not in self._sessions:
                from spotlab.aws.boto_sessions import role_session

                self._sessions[account] = role_session(partial(self.assume, account), self._clock)
            return self._sessions[account]

    def _process_session(self) -> boto3.Session:
        key_id, secret = self._keys
        with self._lock, translated("Opening this machine's AWS session"):
            if None not in self._sessions:
                from spotlab.aws.boto_sessions import process_session

                self._sessions[None] = process_session(key_id, secret)
            return self._sessions[None]

    def _client(
        self, session: boto3.Session, service: str, region: str, attempts: int | None = None
    ) -> Any:
        from spotlab.aws.boto_sessions import client_config

        if not is_region(region):
            raise NoSuchThing(
                f"{region!r} is not an AWS region.", remedy="Use a region such as us-east-1."
            )
        with self._lock, translated(f"Opening {service} in {region!r}"):
            return session.client(  # type: ignore[call-overload]
                service,
                region_name=region,
                endpoint_url=self._endpoint_url,
                config=client_config(
                    self._endpoint_url, attempts or self._attempts, **self._timeouts
                ),
            )

    def own_identity(self, region: str) -> str:
        """The ARN of the identity that SpotLab runs as, before it assumes a role.

        Args:
            region: whose STS endpoint is asked.
        Raises:
            AccessDenied: there are no credentials.
            AwsError: STS did not answer.
        """
        sts = self._client(self._process_session(), "sts", region)
        with translated("Asking AWS which identity SpotLab runs as"):
            return str(sts.get_caller_identity()["Arn"])

    def assume(self, account: Account) -> dict[str, str]:
        """New credentials of the account's role, in the form that botocore's refresh expects.

        While the external id is being rotated, the next one is tried if AWS refuses the current
        one.

        Raises:
            AccessDenied: the role cannot be assumed.
            AwsError: STS did not answer.
        """
        try:
            credentials = self._assume(account, account.external_id)
        except AccessDenied:
            if not account.pending_external_id:
                raise
            credentials = self._assume(account, account.pending_external_id)
        expires_at = credentials["Expiration"]
        from spotlab.aws.boto_sessions import RENEW_BEFORE_S

        if expires_at <= self._clock.now() + timedelta(seconds=RENEW_BEFORE_S):
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

    def _assume(self, account: Account, external_id: str) -> CredentialsTypeDef:
        region = sts_region(account.regions)
        sts = self._client(self._process_session(), "sts", region)
        request = {
            "RoleArn": account.role_arn,
            "RoleSessionName": _INVALID_IN_SESSION_NAME.sub("-", f"spotlab-{account.name}")[:64],
        }
        if external_id:
            request["ExternalId"] = external_id
        try:
            with translated(
                f"Assuming the role of account {account.name!r} through STS in {region}",
                external_id,
            ):
                credentials: CredentialsTypeDef = sts.assume_role(**request)["Credentials"]
        except AccessDenied as exc:
            raise AccessDenied(
                f"AWS does not let SpotLab assume {account.role_arn} in account {account.name!r} "
                f"({account.aws_account_id}).",
                remedy="Check that the role exists, that its trust policy names the identity that "
                "SpotLab runs as, and that the external id is the one in the policy.",
            ) from exc
        return credentials
