"""A Schemathesis hook that sends zip files."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/zip")
def zipped(_context: Any, value: Any) -> bytes:
    """The bytes, unchanged."""
    return value if isinstance(value, bytes) else str(value).encode()
