"""Whether an address is this machine's own."""

from __future__ import annotations

import ipaddress


def is_loopback(address: str | None) -> bool:
    """Whether only this machine reaches a server bound to this address."""
    if not address:
        return False
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False
