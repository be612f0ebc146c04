"""A user's health check of a replacement, over HTTP or TCP."""

from __future__ import annotations

import socket
from typing import Final

import httpx

from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_moves import HealthCheck

_HEALTHY: Final = range(200, 400)


def check_health(check: HealthCheck, instance: InstanceView) -> str:
    """One try of a health check.

    Args:
        check: what to ask.
        instance: the replacement, running.
    Returns:
        "": healthy. Otherwise why not, one clause.
    """
    address = instance.private_ip if check.address == "private" else instance.public_ip
    if not address:
        return f"it has no {check.address} address"
    if check.kind == "tcp":
        return _tcp(address, check)
    return _http(address, check)


def _tcp(address: str, check: HealthCheck) -> str:
    try:
        with socket.create_connection((address, check.port), timeout=check.time_limit_s):
            return ""
    except OSError as exc:
        return f"TCP port {check.port} of {address}: {exc.strerror or type(exc).__name__}"


def _http(address: str, check: HealthCheck) -> str:
    host = f"[{address}]" if ":" in address else address
    url = f"http://{host}:{check.port}{check.path}"
    try:
        # The body is not read: a health check answers with its status.
        with httpx.stream(
            "GET", url, timeout=check.time_limit_s, follow_redirects=False, trust_env=False
        ) as answer:
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        return f"{url}: {type(exc).__name__}"
    return "" if status in _HEALTHY else f"{url} answers {status}"
