"""The formats of recorded files, and recognising a file's format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spotlab.errors import InvalidInput
from spotlab.recorded import price_history, spotlake, trace_csv
from spotlab.recorded.file_reading import RecordedTable, read_file, reject
from spotlab.recorded.price_history import read_price_history
from spotlab.recorded.spotlake import NOTICE, read_spotlake

EVALUATION_ONLY: Final = "evaluation-only"
"""Folder of data without a licence, which may be used for evaluation but not for training."""
_HEADER_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Format:
    """A format of recorded data.

    Args:
        name: value of `--format`.
        title: display name.
        form: the structure of such a file.
        asks: options that a caller must set because the file does not contain them; "": none.
        notice: licence notice of the data; "": depends on the file.
        trains: whether shipped models may be trained on it.
        table: reads it as a table; None for traces, which `recorded.traces` reads.
    """

    name: str
    title: str
    form: str
    required_options: str = ""
    notice: str = ""
    trainable: bool = True
    table: Callable[..., RecordedTable] | None = None


FORMATS: Final = (
    Format(
        "trace-json",
        "Availability trace",
        "{metadata: {gap_seconds}, data: [nodes available, …]}",
        required_options="--nodes if a tick must have more than one; "
        "--gap-s if gap_seconds is missing; --zone-ids if its zone is given by id",
    ),
    Format(
        "trace-rebuilt",
        "Availability trace with true times",
        "{gap_seconds, available: [1, 0 or null, …], tick_times: [{tick, time}, …]}",
    ),
    Format(
        "trace-csv",
        "Availability or preemption trace",
        "CSV tick,time,fail",
        required_options="--polarity; --gap-s if the times have no date",
    ),
    Format(
        "price-history",
        "Spot price history by zone",
        "JSON, JSON lines or text output of aws ec2 describe-spot-price-history, a tar of such "
        "JSON, or CSV availability_zone,instance_type,product_description,timestamp,usd_per_hour",
        required_options="--zone-ids if zones are given by id",
        table=read_price_history,
    ),
    Format(
        "spotlake",
        "SpotLake export",
        "CSV Time,InstanceType,Region,AZ,SPS,T3,T2,IF,OndemandPrice,SpotPrice,Savings",
        notice=NOTICE,
        trainable=False,
        table=read_spotlake,
    ),
)
"""All formats; files may be gzipped, and a CSV without a header line needs --columns."""


def recognise_format(path: Path, columns: Sequence[str] = ()) -> Format:
    """The format of a file, by its keys or its header line, never by its name.

    Args:
        path: of the file.
        columns: names of its columns, if it has no header line.
    Raises:
        InvalidInput: unreadable, or of an unknown format.
    """
    content = read_file(path)
    start = content[:_HEADER_BYTES].decode("utf-8-sig", errors="replace")
    records = '"SpotPriceHistory"' in start or '"SpotPrice"' in start
    in_text = start.lstrip().startswith(price_history.TEXT_TAG.decode())
    if content[257:262] == b"ustar" or records or in_text:
        return format_named("price-history")
    if start.lstrip()[:1] in ("{", "["):
        for key, name in (('"data"', "trace-json"), ('"available"', "trace-rebuilt")):
            if f"{key}:" in content.decode("utf-8", errors="replace").replace(" ", ""):
                return format_named(name)
        reject(path, "its keys match no known format", f"one of {_names()}")
    header = set(columns) or {name.strip() for name in start.splitlines()[0].split(",")}
    if spotlake.has_spotlake_header(header):
        return format_named("spotlake")
    for name, needed in _HEADERS.items():
        if header.issuperset(needed):
            return format_named(name)
    return reject(path, "its header line matches no known format", f"one of {_names()}")


def reject_untrainable(paths: Iterable[Path], columns: Sequence[str] = ()) -> None:
    """Reject data whose licence does not allow training a shipped model.

    Args:
        paths: of files and folders.
        columns: names of a CSV's columns, if it has no header line.

    Raises:
        InvalidInput: names the file and the reason.
    """
    for path in paths:
        if EVALUATION_ONLY in path.resolve().parts:
            reject(path, f"it is under {EVALUATION_ONLY}/, whose data has no licence", "other data")
        if path.is_file() and not recognise_format(path, columns).trainable:
            reject(path, NOTICE, "data under another licence")


def format_named(name: str) -> Format:
    """The format with a name.

    Raises:
        InvalidInput: there is none; lists the formats.
    """
    for format_ in FORMATS:
        if format_.name == name:
            return format_
    raise InvalidInput(f"There is no format {name!r}.", remedy=f"Use {_names()}.")


_HEADERS: Final = {
    "trace-csv": trace_csv.COLUMNS,
    "price-history": price_history.CSV_COLUMNS,
}


def _names() -> str:
    return ", ".join(format_.name for format_ in FORMATS)
