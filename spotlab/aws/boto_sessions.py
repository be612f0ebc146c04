"""boto3 sessions: one copy of AWS's service models, fast times, and credentials of a role.

`session` imports this module with the first client: boto3 takes long to import.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import cache
from inspect import isfunction
from pathlib import Path
from typing import Any, Final, cast

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.loaders import JSONFileLoader, Loader

from spotlab import __version__
from spotlab.aws.response_times import use_fast_times
from spotlab.domain.ports import Clock

RENEW_BEFORE_S: Final = 300
"""How long before their expiry a role's credentials are renewed, seconds."""
Document = dict[str, Any]


def process_session(key_id: str | None, secret: str | None) -> boto3.Session:
    """A session with these keys; None: those of the process (environment, profile, role)."""
    core = _core()
    # Credentials of the global endpoint are not valid in regions that must be enabled.
    core.set_config_variable("sts_regional_endpoints", "regional")
    return boto3.Session(
        botocore_session=core, aws_access_key_id=key_id, aws_secret_access_key=secret
    )


def role_session(assume: Callable[[], dict[str, str]], clock: Clock) -> boto3.Session:
    """A session with the credentials of a role.

    Args:
        assume: new credentials, in the form that botocore's refresh expects.
        clock: for renewing them in time.
    """
    core = _core()
    provider = _RoleProvider(assume, clock)
    core.register_component("credential_provider", CredentialResolver([provider]))
    return boto3.Session(botocore_session=core)


def client_config(endpoint_url: str | None, attempts: int, **timeouts: float) -> Config:
    """The configuration of a client.

    Args:
        endpoint_url: of the emulated AWS; None: AWS.
        attempts: total number of attempts.
        timeouts: connect_timeout and read_timeout, seconds.
    """
    return Config(
        # The emulated AWS is on loopback, which the environment's proxy cannot reach.
        proxies={} if endpoint_url else None,
        retries={"mode": "standard", "total_max_attempts": attempts},
        user_agent_extra=f"spotlab/{__version__}",
        **timeouts,  # type: ignore[arg-type]
    )


def _core() -> botocore.session.Session:
    """A botocore session. By default, each reads and keeps AWS's service models for itself."""
    core = botocore.session.get_session()
    core.register_component("data_loader", models())
    core.register("creating-client-class", _share_methods)
    use_fast_times(core)
    return core


@cache
def models() -> Loader:
    """The service models of all sessions, without their documentation, which is half of them."""
    loader: Loader = botocore.session.get_session().get_component("data_loader")
    loader.file_loader = _ModelFiles()
    return loader


_METHODS: Final[Document] = {}


def _share_methods(**event: Any) -> None:
    """Give the clients of a service the same methods, without documentation.

    botocore makes 750 for each client of EC2. They do not depend on the client.
    """
    class_attributes, event_name = event["class_attributes"], event["event_name"]
    for name, method in class_attributes.items():
        if isfunction(method):
            method.__doc__ = None
            class_attributes[name] = _METHODS.setdefault(f"{event_name}.{name}", method)


class _ModelFiles(JSONFileLoader):
    """Reads models into plain dicts."""

    def load_file(self, file_path: str) -> Document | None:
        for suffix, open_file in ((".json", open), (".json.gz", gzip.open)):
            path = Path(f"{file_path}{suffix}")
            if path.is_file():
                with open_file(path, "rb") as file:
                    return cast(
                        Document, json.loads(file.read(), object_hook=_without_documentation)
                    )
        return None


def _without_documentation(document: Document) -> Document:
    # A member of a structure may have this name too; that one has a shape.
    if isinstance(document.get("documentation"), str):
        del document["documentation"]
    return document


class _RoleCredentials(DeferredRefreshableCredentials):
    """Credentials of a role: requested at the first call, renewed in time, by one thread."""

    _advisory_refresh_timeout = RENEW_BEFORE_S
    _mandatory_refresh_timeout = RENEW_BEFORE_S


class _RoleProvider(CredentialProvider):
    """Provides botocore with the credentials of one account's role."""

    METHOD = "spotlab-assume-role"

    def __init__(self, assume: Callable[[], dict[str, str]], clock: Clock) -> None:
        super().__init__()
        self._assume = assume
        self._clock = clock

    def load(self) -> _RoleCredentials:
        return _RoleCredentials(self._assume, self.METHOD, time_fetcher=self._clock.now)
