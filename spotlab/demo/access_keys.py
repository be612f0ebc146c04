"""Access keys of the emulated AWS.

moto accepts any key and treats an unknown one as another, empty account. Instances of the real
account would then look terminated.
"""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

BASE_KEY: Final = "AKIASPOTLABEMULATED0"
BASE_SECRET: Final = "emulated"  # noqa: S105  (signatures are not checked; loopback only)
_CREDENTIAL: Final = re.compile(
    r"Credential=(?P<key>[^/,]+)/[^/]+/(?P<region>[^/]+)/(?P<service>[^/]+)/"
)


def role_key(seed: int, account: str) -> str:
    """The access key of an account's role; the same after a restart, so that it stays valid."""
    return "ASIA" + b32encode(sha256(f"{seed}/{account}/key".encode()).digest())[:16].decode()


def signature_of(environ: Mapping[str, Any]) -> tuple[str, str]:
    """Access key and service of a request's signature; "" if it is not signed."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return (match["key"], match["service"]) if match else ("", "")


def region_of(environ: Mapping[str, Any]) -> str:
    """The region of a request's signature; "" if it is not signed."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return match["region"] if match else ""
