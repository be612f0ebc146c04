"""Receivers' addresses: parsing, resolution, and the networks in which they may be.

Receivers may be on the public internet and in the receiver networks. Since the author of a rule
chooses where this server connects to, all addresses of a host are checked first, and the connection
goes to a checked address, because resolving the name again may give another one. An unknown and a
rejected host cause the same error message, so that it reveals nothing about an internal network.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final
from urllib.parse import quote, urlsplit

from spotlab.errors import InvalidInput, SpotlabError
from spotlab.monitoring.health.concurrent_probes import ConcurrentCalls

Network = IPv4Network | IPv6Network
SocketAddress = tuple[socket.AddressFamily, Any]
"""Family and address, as returned by `getaddrinfo` and accepted by `connect`."""

_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
"""Global unicast. Outside it are loopback, private, link-local, multicast, IPv4-compatible and
NAT64 addresses."""
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers, and by clouds for their own services
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocol assignments, and Teredo, which carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries an IPv4 address
        "3ffe::/16",  # the former 6bone
        "3fff::/20",  # documentation
    )
)
_CREDENTIALS: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",  # AWS, Google, Azure and others
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure's WireServer, which looks like a public address
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::/32",  # AWS
        "fd20:ce::/32",  # Google
    )
)
"""Metadata services of clouds, which return credentials. A wider receiver network does not allow
them; the setting must name one of these networks or a part of it."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_HOST_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?\.?")
_PATH_SIGNS: Final = "!$%&'()*+,-./:;=?@_~"


class Refused(SpotlabError):
    """The host is unknown, or at an address that is not allowed; the message is the same."""

    def __init__(self) -> None:
        super().__init__(
            "The receiver's host is unknown, or its address is not allowed.",
            remedy="Use one on the public internet, or in a network of SPOTLAB_ALERT_NETWORKS.",
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed receiver address.

    Args:
        scheme: "http" or "https".
        host: lower-case ASCII; an IPv6 address without brackets; a trailing dot is preserved.
        port: without one in the address, the scheme's default.
        path: with the query, in ASCII.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """The host as it is in certificates."""
        return self.host.removesuffix(".")

    @property
    def is_number(self) -> bool:
        """Whether the host is an IP address, in any form that systems accept."""
        try:
            return ":" in self.host or bool(socket.inet_aton(self.name))
        except OSError:
            return False

    @property
    def shown_host(self) -> str:
        """Host, and port if it is not the default, as in the header Host."""
        host = f"[{self.name}]" if ":" in self.name else self.name
        default_port = 443 if self.scheme == "https" else 80
        return host if self.port == default_port else f"{host}:{self.port}"


def parse_address(address: str) -> Target:
    """Parse a receiver's address.

    Raises:
        InvalidInput: it is not valid; the message does not contain the address.
    """
    text = address.strip()
    try:
        parts = urlsplit(text)
        port, host = parts.port, _ascii_host(parts.hostname or "")
    except ValueError:
        host = ""
    if (
        not host
        or parts.scheme not in ("http", "https")
        or port == 0
        or not _is_printable_word(text)
    ):
        raise InvalidInput(
            "The receiver's address cannot be used.",
            remedy="Use https://host/path or http://….",
            field="address",
        )
    if "@" in parts.netloc:
        raise InvalidInput(
            "The receiver's address contains a user name.",
            remedy="Put the secret into its path.",
            field="address",
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    default_port = 443 if parts.scheme == "https" else 80
    return Target(parts.scheme, host, port or default_port, quote(path, safe=_PATH_SIGNS))


def _is_printable_word(text: str) -> bool:
    return text.isprintable() and not any(sign.isspace() for sign in text)


def _ascii_host(host: str) -> str:
    """Raises ValueError: it is not a valid host."""
    if "%" in host:
        raise ValueError  # an IPv6 zone id, or a percent-encoded name
    if ":" in host:
        return str(IPv6Address(host))
    name = host.encode("idna").decode().lower()
    if not _HOST_NAME.fullmatch(name):
        raise ValueError
    return name


def resolve(target: Target, networks: Sequence[Network], limit_s: float) -> list[SocketAddress]:
    """Resolve a host once, and check all its addresses.

    Args:
        networks: allowed networks besides the public internet.
        limit_s: time limit of the resolution.
    Raises:
        Refused: there is no such host, or one of its addresses is not allowed.
        TimeoutError: the name was not resolved in time.
    """
    # The system's resolver has its own, much longer timeouts.
    calls: ConcurrentCalls[list[SocketAddress]] = ConcurrentCalls(limit_s)
    resolved = calls.ask({"name": lambda: _look_up(target)})["name"]
    if resolved is None:
        raise TimeoutError
    if isinstance(resolved, socket.gaierror | UnicodeError):
        raise Refused from resolved
    if isinstance(resolved, Exception):
        raise resolved
    if not resolved or not all(is_allowed(str(at[0]), networks) for _family, at in resolved):
        raise Refused
    return resolved


def _look_up(target: Target) -> list[SocketAddress]:
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, at) for family, _kind, _protocol, _name, at in found))


def is_allowed(address: str, networks: Sequence[Network] = ()) -> bool:
    """Whether a receiver may be at an address.

    >>> is_allowed("93.184.215.14"), is_allowed("10.0.0.1"), is_allowed("::ffff:127.0.0.1")
    (True, False, False)
    >>> is_allowed("10.0.0.1", [IPv4Network("10.0.0.0/8")])
    True
    """
    at = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(at, IPv6Address) and at.ipv4_mapped is not None:
        at = at.ipv4_mapped  # another notation: the connection goes to the IPv4 address
    matching = [network for network in networks if _contains(network, at)]
    for place in _CREDENTIALS:
        if _contains(place, at):
            return any(_is_within(network, place) for network in matching)
    if at in _NAT64 and matching:
        return is_allowed(str(IPv4Address(int(at) & 0xFFFFFFFF)), networks)
    return bool(matching) or _is_public(at)


def _is_public(at: IPv4Address | IPv6Address) -> bool:
    if isinstance(at, IPv6Address) and at not in _PUBLIC_IPV6:
        return False
    return not any(_contains(network, at) for network in _NOT_PUBLIC)


def _contains(network: Network, at: IPv4Address | IPv6Address) -> bool:
    return network.version == at.version and at in network


def _is_within(network: Network, place: Network) -> bool:
    if isinstance(network, IPv4Network) and isinstance(place, IPv4Network):
        return network.subnet_of(place)
    if isinstance(network, IPv6Network) and isinstance(place, IPv6Network):
        return network.subnet_of(place)
    return False
