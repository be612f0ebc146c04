"""Posts to a receiver, and to nowhere else.

It follows no redirect and uses no proxy of the environment: either would connect to an address
that nobody judged (see `addresses`). Of the answer, the status alone is told.
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
    parsed,
    resolve,
)

LIMIT_S: Final = 5.0
MOST_READ: Final = 2048
SIGNATURE: Final = "X-SpotLab-Signature"
_AGAIN: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered.

    Args:
        ok: it took the message.
        final: asking again is of no use.
        words: for a person; never the address, and nothing that the receiver wrote.
    """

    ok: bool
    final: bool
    words: str


def shown(address: str) -> str:
    """What may be shown of it: `https://hooks.example.com/…`."""
    target = parsed(address)
    return f"{target.scheme}://{target.shown_host}/…"


def signature(key: str, body: bytes, at_s: int) -> str:
    """`t=…,v1=…`: HMAC-SHA256 of "{t}.{body}", in hex; t lets a receiver refuse what is old."""
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
) -> Answer:
    """Send once, and give what was answered; raises nothing.

    Args:
        address: `https://…`.
        body: JSON.
        key: signs it.
        at_s: now, seconds since 1970.
        limit_s: for all of it.
        networks: where receivers may be besides the public internet.
    """
    ends = time.monotonic() + limit_s
    try:
        target = parsed(address)
    except InvalidInput as exc:
        return Answer(False, True, str(exc))
    try:
        raw = _reach(resolve(target, networks, limit_s), ends)
    except Refused as exc:
        # A name that is refused is tried again as an unknown one is: the two must not differ.
        return Answer(False, target.is_number, str(exc))
    except OSError as exc:
        return Answer(False, False, _trouble(exc))
    headers = {
        "Host": target.shown_host,
        "Content-Type": "application/json",
        "User-Agent": f"spotlab/{__version__}",
        SIGNATURE: signature(key, body, at_s),
    }
    connection = http.client.HTTPConnection(target.name, target.port)
    connection.sock = _wrapped(raw, target)
    # A receiver that sends a byte now and then would outlive every timeout of a single read.
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
            raise TimeoutError  # where it was cut off, half an answer looks like a whole one
        with suppress(OSError, http.client.HTTPException, ValueError):
            response.read(MOST_READ)  # so that the receiver is not cut off amid its answer
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return Answer(False, False, _trouble(TimeoutError() if late.is_set() else exc))
    finally:
        hang_up.cancel()
        connection.close()
    return _judged(response.status)


def _judged(status: int) -> Answer:
    if 300 <= status < 400:
        return Answer(False, True, f"It answered {status}: redirects are not followed.")
    phrase = next((f" {each.phrase}" for each in HTTPStatus if each == status), "")
    words = f"It answered {status}{phrase}."
    if 200 <= status < 300:
        return Answer(True, True, words)
    return Answer(False, 400 <= status < 500 and status not in _AGAIN, words)


def _trouble(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "It did not answer in time."
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"Its certificate cannot be trusted: {exc.verify_message}."
    if isinstance(exc, ConnectionRefusedError):
        return "It refused the connection."
    return f"The connection broke: {type(exc).__name__}."


def _hang_up(connected: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):
        # Not the method of TLS, which takes the session from under whoever reads.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _reach(addresses: Sequence[SocketAddress], ends: float) -> socket.socket:
    """Connected to the first that can be: by its numbers, so that no name is asked for again."""
    trouble: OSError = TimeoutError()
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
            trouble = exc
        else:
            return raw
    raise trouble


def _wrapped(raw: socket.socket, target: Target) -> socket.socket:
    """For TLS before its handshake; the certificate must be for the name, wherever that led."""
    if target.scheme == "http":
        return raw
    context = ssl.create_default_context()
    return context.wrap_socket(raw, server_hostname=target.name, do_handshake_on_connect=False)
