"""A view's tables as one row of the online store, for readers that have nothing in their cache.

Reading tens of thousands of rows takes most of a second; their tables in Arrow's format, a few
milliseconds. The row says which publication it belongs to, like every other, and lives as long as
the view's rows: who finds none of that publication reads the rows.
"""

from __future__ import annotations

import logging
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from spotlab.domain.ports import OnlineView

log = logging.getLogger("spotlab.features.online")

KEY: Final = ("current",)
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="lz4")


def packed_view(view: OnlineView) -> OnlineView:
    """The view with the packed tables of another view."""
    return OnlineView(f"{view.name}_packed", ("slot",), view.ttl_s)


def pack(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Tables in canonical form as the values of a row."""
    packed = {name: _bytes_of(frame) for name, frame in tables.items()}
    return {
        "checksums": {name: _checksum(data) for name, data in packed.items()},
        "tables": {name: b64encode(data).decode() for name, data in packed.items()},
    }


def unpack(value: Mapping[str, Any]) -> dict[str, pd.DataFrame] | None:
    """The tables; None, with a line in the log: the row is damaged."""
    try:
        tables = {}
        for name, text in value["tables"].items():
            data = b64decode(text, validate=True)
            if _checksum(data) != value["checksums"][name]:
                raise ValueError(f"the checksum of {name} differs")
            with pa.ipc.open_stream(data) as reader:
                tables[name] = reader.read_all().to_pandas()
    except (KeyError, TypeError, AttributeError, ValueError, pa.ArrowException) as exc:
        log.warning("ignored damaged packed tables: %s", exc)
        return None
    return tables


def _bytes_of(frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _checksum(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
