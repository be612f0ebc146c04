"""Where a receiver may be: on the public internet, and in networks that a setting names.

Who writes rules chooses where this server connects to. So every address of a name
is judged before anything is connected to, and what is connected to is an address that was judged:
a name that is resolved again may lead elsewhere. A host that is unknown and one that is refused
are told in the same words: nobody learns here which names and machines an inner network has.
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
from spotlab.monitoring.health.concurrent_probes import SideBySide

Network = IPv4Network | IPv6Network
SocketAddress = tuple[socket.AddressFamily, Any]
"""As `getaddrinfo` gives it and `connect` takes it: a family, and numbers of its own."""

_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
"""All that is global unicast: outside it are loopback, private, link-local, group, IPv4-compatible
and NAT64 addresses."""
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
        "224.0.0.0/4",  # groups
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocol assignments, and Teredo, which carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries an IPv4 address
        "3ffe::/16",  # a network of old that is none any more
        "3fff::/20",  # documentation
    )
)
_CREDENTIALS: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",  # AWS, Google, Azure and others
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure's wire server, a public address that is none
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::/32",  # AWS
        "fd20:ce::/32",  # Google
    )
)
"""Where clouds answer with credentials. A setting that names a wider network means no such address:
it must name one of these, or a part of it."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_HOST_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?\.?")
_PATH_SIGNS: Final = "!$%&'()*+,-./:;=?@_~"


class Refused(SpotlabError):
    """No host of that name, or none that is connected to: which of them is not told."""

    def __init__(self) -> None:
        super().__init__(
            "Its host is unknown, or at an address that is never asked.",
            remedy="Use one on the public internet, or in a network of SPOTLAB_ALERT_NETWORKS.",
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver's address, in its parts.

    Args:
        scheme: "http" or "https".
        host: in ASCII and small letters, an IPv6 address without brackets; a dot at its end stays.
        port: that of the scheme where none is given.
        path: with the query, in ASCII.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """The host as certificates name it."""
        return self.host.removesuffix(".")

    @property
    def is_number(self) -> bool:
        """Whether the host is an address itself, in any of the forms that systems take for one."""
        try:
            return ":" in self.host or bool(socket.inet_aton(self.name))
        except OSError:
            return False

    @property
    def shown_host(self) -> str:
        """Host and, unless it is the scheme's, port, as in an address and in the header Host."""
        host = f"[{self.name}]" if ":" in self.name else self.name
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"


def parsed(address: str) -> Target:
    """A receiver's address, in its parts.

    Raises:
        InvalidInput: it is none; the address is never repeated.
    """
    text = address.strip()
    try:
        parts = urlsplit(text)
        port, host = parts.port, _ascii(parts.hostname or "")
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https") or port == 0 or not _is_one_word(text):
        raise InvalidInput(
            "The receiver's address cannot be used.",
            remedy="Use https://host/path or http://….",
            field="address",
        )
    if "@" in parts.netloc:
        raise InvalidInput(
            "The receiver's address holds a user.",
            remedy="Put what is secret into its path.",
            field="address",
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    usual = 443 if parts.scheme == "https" else 80
    return Target(parts.scheme, host, port or usual, quote(path, safe=_PATH_SIGNS))


def _is_one_word(text: str) -> bool:
    return text.isprintable() and not any(sign.isspace() for sign in text)


def _ascii(host: str) -> str:
    """Raises ValueError: it is no host."""
    if "%" in host:
        raise ValueError  # neither a zone of this machine's, nor a name in another spelling
    if ":" in host:
        return str(IPv6Address(host))
    name = host.encode("idna").decode().lower()
    if not _HOST_NAME.fullmatch(name):
        raise ValueError
    return name


def resolve(target: Target, networks: Sequence[Network], limit_s: float) -> list[SocketAddress]:
    """The addresses of a host, asked for once, all of them judged.

    Args:
        networks: where receivers may be besides the public internet.
        limit_s: how long the answer is waited for.
    Raises:
        Refused: there is no such host, or one of its addresses may not be connected to.
        TimeoutError: no answer came.
    """
    # The system's resolver has limits of its own, which are far wider.
    beside: SideBySide[list[SocketAddress]] = SideBySide(limit_s)
    found = beside.ask({"name": lambda: _asked(target)})["name"]
    if found is None:
        raise TimeoutError
    if isinstance(found, socket.gaierror | UnicodeError):
        raise Refused from found
    if isinstance(found, Exception):
        raise found
    if not found or not all(is_allowed(str(at[0]), networks) for _family, at in found):
        raise Refused
    return found


def _asked(target: Target) -> list[SocketAddress]:
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
        at = at.ipv4_mapped  # a way to write it: what is connected to is the IPv4 address
    naming = [network for network in networks if _holds(network, at)]
    for place in _CREDENTIALS:
        if _holds(place, at):
            return any(_is_within(network, place) for network in naming)
    if at in _NAT64 and naming:
        return is_allowed(str(IPv4Address(int(at) & 0xFFFFFFFF)), networks)
    return bool(naming) or _is_public(at)


def _is_public(at: IPv4Address | IPv6Address) -> bool:
    if isinstance(at, IPv6Address) and at not in _PUBLIC_IPV6:
        return False
    return not any(_holds(network, at) for network in _NOT_PUBLIC)


def _holds(network: Network, at: IPv4Address | IPv6Address) -> bool:
    return network.version == at.version and at in network


def _is_within(network: Network, place: Network) -> bool:
    if isinstance(network, IPv4Network) and isinstance(place, IPv4Network):
        return network.subnet_of(place)
    if isinstance(network, IPv6Network) and isinstance(place, IPv6Network):
        return network.subnet_of(place)
    return False
