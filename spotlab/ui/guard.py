"""Who may see a page: the first statement of each one. Screens floor.

There is no sign-in yet. Until there is, whoever reaches the server is its one local administrator,
and the server is reachable from this machine alone: bound to anything but loopback, every page
refuses.
"""

from __future__ import annotations

import ipaddress

import streamlit as st

from spotlab.domain.access import MEANINGS, Principal, Right, Role

__all__ = ["LOCAL_ADMINISTRATOR", "Right", "current", "is_loopback", "require"]

LOCAL_ADMINISTRATOR = Principal("local administrator", Role.ADMIN, via="loopback")


def require(right: Right) -> Principal:
    """Who looks, if the page is for them; else the page stops here with the reason."""
    address = st.get_option("server.address")
    if not is_loopback(address):
        st.error(
            f"The server listens on {address or 'every address'}, and there is no sign-in: anyone "
            "who reaches it would be administrator.\n\n**What to do:** start it with "
            "`spotlab serve`, which listens on 127.0.0.1.",
            title="Refused: not on loopback",
            icon=":material/lock:",
        )
        st.stop()
    if not LOCAL_ADMINISTRATOR.may(right):
        st.error(f"This page is for those who may {MEANINGS[right]}.", title="Refused")
        st.stop()
    return LOCAL_ADMINISTRATOR


def current() -> Principal:
    """Who looks."""
    return LOCAL_ADMINISTRATOR


def is_loopback(address: str | None) -> bool:
    """Whether only this machine reaches a server bound to this address."""
    if not address:
        return False
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
