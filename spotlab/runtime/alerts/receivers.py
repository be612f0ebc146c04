"""Posts to a receiver, and to nowhere else. Runtime floor.

Who writes rules chooses where this server connects to: so it follows no redirect, uses no proxy,
resolves the name once, refuses the addresses where clouds keep credentials, and connects to the
very address that it checked.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from spotlab import __version__
from spotlab.errors import InvalidInput, SpotlabError

LIMIT_S: Final = 5.0
MOST_READ: Final = 2048
SIGNATURE: Final = "X-SpotLab-Signature"
_SAID: Final = 160
_AGAIN: Final = frozenset({408, 425, 429})
_REFUSED: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "100.100.100.200/32",
        "192.0.0.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",
        "fd00:ec2::/32",
        "fd20:ce::/32",
        "ff00::/8",
        "64:ff9b::/96",
        "2002::/16",
    )
)
"""Link-local and metadata addresses, and those that are no single machine's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered.

    Args:
        ok: it took the message.
        final: asking again is of no use.
        words: for a person; never the address.
    """

    ok: bool
    final: bool
    words: str


class _Refused(SpotlabError):
    """An address that is not connected to."""


def parsed(address: str) -> SplitResult:
    """A receiver's address, in its parts.

    Raises:
        InvalidInput: it is none; the address is never repeated.
    """
    try:
        parts = urlsplit(address.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(sign.isspace() or ord(sign) < 32 for sign in address.strip()):
        raise InvalidInput(
            "The receiver's address cannot be used.",
            remedy="Use https://host/path or http://….",
            field="address",
        )
    if parts.username is not None:
        raise InvalidInput(
            "The receiver's address holds a user.",
            remedy="Put what is secret into its path.",
            field="address",
        )
    return parts


def shown(address: str) -> str:
    """What may be shown of it: `https://hooks.example.com/…`."""
    parts = parsed(address)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}/…"


def signature(key: str, body: bytes, at_s: int) -> str:
    """`t=…,v1=…`: HMAC-SHA256 of "{t}.{body}", in hex; t lets a receiver refuse what is old."""
    signed = hmac.new(bytes.fromhex(key), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={signed.hexdigest()}"


def post(address: str, body: bytes, key: str, at_s: int, limit_s: float = LIMIT_S) -> Answer:
    """Send once, and give what was answered; raises nothing.

    Args:
        address: `https://…`.
        body: JSON.
        key: signs it.
        at_s: now, seconds since 1970.
        limit_s: for all of it.
    """
    try:
        parts = parsed(address)
        connection = _connection(parts, limit_s)
    except (_Refused, InvalidInput) as exc:
        return Answer(False, True, str(exc))
    except OSError as exc:
        return Answer(False, False, _trouble(exc))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"spotlab/{__version__}",
        SIGNATURE: signature(key, body, at_s),
    }
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # A receiver that sends a byte now and then would outlive every timeout of a single read.
    late = threading.Event()
    hang_up = threading.Timer(limit_s, _hang_up, (connection, late))
    hang_up.daemon = True
    hang_up.start()
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        said = response.read(MOST_READ).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return Answer(False, False, _trouble(TimeoutError() if late.is_set() else exc))
    finally:
        hang_up.cancel()
        connection.close()
    return _judged(response.status, response.reason, said)


def _judged(status: int, reason: str, said: str) -> Answer:
    text = " ".join("".join(c if c.isprintable() else " " for c in said).split())[:_SAID]
    words = f"It answered {status} {reason}".rstrip() + (f": {text}" if text else ".")
    if 200 <= status < 300:
        return Answer(True, True, words)
    if 300 <= status < 400:
        return Answer(False, True, f"It answered {status}: redirects are not followed.")
    return Answer(False, status < 500 and status not in _AGAIN, words)


def _trouble(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "It did not answer in time."
    if isinstance(exc, socket.gaierror):
        return "Its host is not known."
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"Its certificate cannot be trusted: {exc.verify_message}."
    if isinstance(exc, ConnectionRefusedError):
        return "It refused the connection."
    return f"The connection broke: {type(exc).__name__}."


def _hang_up(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    late.set()
    try:
        connection.sock.shutdown(socket.SHUT_RDWR)
    except (OSError, AttributeError):
        return


def _connection(parts: SplitResult, limit_s: float) -> http.client.HTTPConnection:
    """Connected to an address that was checked.

    Raises:
        _Refused: the host is, or also is, at an address that is not connected to.
        OSError: it cannot be connected to.
    """
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    made = http.client.HTTPConnection(parts.netloc.rpartition("@")[2], port, timeout=limit_s)
    made.host, made.port = host, port
    ends = time.monotonic() + limit_s
    raw = _reach(_addresses(host, port), port, ends)
    try:
        raw.settimeout(max(0.1, ends - time.monotonic()))
        context = ssl.create_default_context() if secure else None
        made.sock = context.wrap_socket(raw, server_hostname=host) if context else raw
    except BaseException:
        raw.close()
        raise
    return made


def _addresses(host: str, port: int) -> list[str]:
    found = list(
        dict.fromkeys(str(i[4][0]) for i in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    )
    for each in found:
        address = ipaddress.ip_address(each.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in _REFUSED if network.version == address.version):
            raise _Refused(
                "Its host is at a link-local, metadata or group address, which is never asked."
            )
    return found


def _reach(addresses: list[str], port: int, ends: float) -> socket.socket:
    trouble: OSError = TimeoutError()
    for address in addresses:
        left_s = ends - time.monotonic()
        if left_s <= 0:
            break
        try:
            return socket.create_connection((address, port), timeout=left_s)
        except OSError as exc:
            trouble = exc
    raise trouble
