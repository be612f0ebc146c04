"""How Schemathesis sends a zip."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/zip")
def zipped(_context: Any, value: Any) -> bytes:
    """Bytes, as they are."""
    return value if isinstance(value, bytes) else str(value).encode()
