"""Arrow tables and DataFrames as Parquet bytes, and back with the same dtypes."""

from __future__ import annotations

import json
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

_DTYPES: Final = b"spotlab.dtypes"
_LEVEL: Final = 3


def pack_table(table: pa.Table, *, dictionary: list[str] | bool = True) -> bytes:
    """An Arrow table as Parquet, compressed with zstd.

    Args:
        table: what to store.
        dictionary: columns to encode with a dictionary; True: let Parquet choose.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=dictionary,
        write_statistics=False,
    )
    return bytes(sink.getvalue())


def unpack_table(payload: bytes) -> pa.Table:
    """The Arrow table that `pack_table` stored."""
    # Not `read_table`, which imports pyarrow.dataset: five megabytes of every process that reads.
    return pq.ParquetFile(pa.BufferReader(payload)).read(use_threads=False)


def pack_frame(frame: pd.DataFrame) -> bytes:
    """A DataFrame as Parquet; its dtypes are stored in the metadata, its index is dropped."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    dtypes = json.dumps({name: str(dtype) for name, dtype in frame.dtypes.items()})
    return pack_table(table.replace_schema_metadata({_DTYPES: dtypes}))


def unpack_frame(payload: bytes) -> pd.DataFrame:
    """The DataFrame that `pack_frame` stored."""
    table = unpack_table(payload)
    dtypes = json.loads(table.schema.metadata[_DTYPES])
    frame: pd.DataFrame = table.to_pandas().astype(dtypes)
    for name, dtype in dtypes.items():
        if dtype == "object":  # pandas reads NULL in text columns as NaN
            frame[name] = frame[name].where(frame[name].notna(), None)
    return frame
