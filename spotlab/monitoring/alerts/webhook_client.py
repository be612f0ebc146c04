"""HTTP client that posts to receivers.

It follows no redirects and uses no proxy from the environment, because both would connect to an
address that was not checked (see `addresses`). Of the response, only the status is reported.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from spotlab import __version__
from spotlab.errors import InvalidInput
from spotlab.monitoring.alerts.addresses import (
    Network,
    Refused,
    SocketAddress,
    Target,
    parse_address,
    resolve,
)

LIMIT_S: Final = 5.0
MAX_READ: Final = 2048
SIGNATURE: Final = "X-SpotLab-Signature"
_RETRYABLE: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """A receiver's response.

    Args:
        ok: the receiver accepted the notification.
        final: another attempt is useless.
        words: for people; never contains the address, or anything that the receiver sent.
    """

    ok: bool
    final: bool
    words: str


def shown(address: str) -> str:
    """The part of an address that may be shown: `https://hooks.example.com/…`."""
    target = parse_address(address)
    return f"{target.scheme}://{target.shown_host}/…"


def signature(key: str, body: bytes, at_s: int) -> str:
    """`t=…,v1=…`: HMAC-SHA256 of "{t}.{body}", in hex; with t, a receiver can reject replays."""
    signed = hmac.new(bytes.fromhex(key), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={signed.hexdigest()}"


def post(
    address: str,
    body: bytes,
    key: str,
    at_s: int,
    limit_s: float = LIMIT_S,
    *,
    networks: Sequence[Network] = (),
) -> WebhookResponse:
    """Send once and return the response; raises nothing.

    Args:
        address: `https://…`.
        body: JSON.
        key: signs the body, in hex.
        at_s: now, in seconds since 1970.
        limit_s: time limit of the whole request.
        networks: allowed networks besides the public internet.
    """
    ends = time.monotonic() + limit_s
    try:
        target = parse_address(address)
    except InvalidInput as exc:
        return WebhookResponse(False, True, str(exc))
    try:
        raw = _connect(resolve(target, networks, limit_s), ends)
    except Refused as exc:
        # A rejected name is retried like an unknown one: the two must not be distinguishable.
        return WebhookResponse(False, target.is_number, str(exc))
    except OSError as exc:
        return WebhookResponse(False, False, _error_text(exc))
    headers = {
        "Host": target.shown_host,
        "Content-Type": "application/json",
        "User-Agent": f"spotlab/{__version__}",
        SIGNATURE: signature(key, body, at_s),
    }
    connection = http.client.HTTPConnection(target.name, target.port)
    connection.sock = _wrap_tls(raw, target)
    # A receiver that sends single bytes slowly would never exceed the timeout of one read.
    late = threading.Event()
    left_s = max(0.0, ends - time.monotonic())
    hang_up = threading.Timer(left_s, _hang_up, (connection.sock, late))
    hang_up.daemon = True
    hang_up.start()
    try:
        if isinstance(connection.sock, ssl.SSLSocket):
            connection.sock.do_handshake()
        connection.request("POST", target.path, body, headers)
        response = connection.getresponse()
        if late.is_set():
            raise TimeoutError  # a response that was cut off can look complete
        with suppress(OSError, http.client.HTTPException, ValueError):
            response.read(MAX_READ)  # lets the receiver finish its response
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return WebhookResponse(False, False, _error_text(TimeoutError() if late.is_set() else exc))
    finally:
        hang_up.cancel()
        connection.close()
    return _response_of(response.status)


def _response_of(status: int) -> WebhookResponse:
    if 300 <= status < 400:
        return WebhookResponse(False, True, f"It responded {status}: redirects are not followed.")
    phrase = next((f" {each.phrase}" for each in HTTPStatus if each == status), "")
    words = f"It responded {status}{phrase}."
    if 200 <= status < 300:
        return WebhookResponse(True, True, words)
    return WebhookResponse(False, 400 <= status < 500 and status not in _RETRYABLE, words)


def _error_text(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "It did not respond in time."
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"Its certificate cannot be trusted: {exc.verify_message}."
    if isinstance(exc, ConnectionRefusedError):
        return "It refused the connection."
    return f"The connection broke: {type(exc).__name__}."


def _hang_up(connected: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):
        # Not SSLSocket.shutdown, which would remove the TLS session while another thread reads.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _connect(addresses: Sequence[SocketAddress], ends: float) -> socket.socket:
    """A connection to the first reachable address; no name is resolved again."""
    error: OSError = TimeoutError()
    for family, at in addresses:
        left_s = ends - time.monotonic()
        if left_s <= 0:
            break
        raw = socket.socket(family, socket.SOCK_STREAM)
        try:
            raw.settimeout(left_s)
            raw.connect(at)
        except OSError as exc:
            raw.close()
            error = exc
        else:
            return raw
    raise error


def _wrap_tls(raw: socket.socket, target: Target) -> socket.socket:
    """The socket, wrapped for TLS if the scheme is https; the certificate must match the name."""
    if target.scheme == "http":
        return raw
    context = ssl.create_default_context()
    return context.wrap_socket(raw, server_hostname=target.name, do_handshake_on_connect=False)
