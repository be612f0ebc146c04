"""Which recorded files can be read, for commands and screens that list them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spotlab.errors import InvalidInput
from spotlab.recorded import price_history, spotlake, trace_csv
from spotlab.recorded.content import Reading, read_file, reject
from spotlab.recorded.price_history import read_price_history
from spotlab.recorded.spotlake import NOTICE, read_spotlake

EVALUATION_ONLY: Final = "evaluation-only"
"""A folder of this name holds data without a licence: it measures, and trains nothing."""
_HEADER_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Format:
    """A form of recorded data.

    Args:
        name: what `--format` takes.
        title: for a person.
        form: what such a file looks like.
        asks: what a caller must declare, because the file does not say it; "" where nothing.
        notice: licence notice that goes with the data; "" where it depends on the file.
        trains: whether a model that the project ships may learn from it.
        table: reads it as a table; None for traces, which `recorded.traces` reads.
    """

    name: str
    title: str
    form: str
    asks: str = ""
    notice: str = ""
    trains: bool = True
    table: Callable[[Path], Reading] | None = None


FORMATS: Final = (
    Format(
        "trace-json",
        "Availability trace",
        "{metadata: {gap_seconds}, data: [nodes available, …]}",
        asks="--nodes where a tick must have more than one; --gap-s where gap_seconds is missing",
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
        asks="--polarity; --gap-s where the times carry no date",
    ),
    Format(
        "price-history",
        "Spot price history by zone",
        "JSON of DescribeSpotPriceHistory, a tar of such files, or CSV availability_zone,"
        "instance_type,product_description,timestamp,usd_per_hour",
        table=read_price_history,
    ),
    Format(
        "spotlake",
        "SpotLake export",
        "CSV Time,InstanceType,Region,AZ,SPS,T3,T2,IF,OndemandPrice,SpotPrice,Savings",
        notice=NOTICE,
        trains=False,
        table=read_spotlake,
    ),
)
"""Every form; each may be gzipped."""


def recognise(path: Path) -> Format:
    """The form of a file, by its keys or its header line: never by its name.

    Raises:
        InvalidInput: unreadable, or of no form there is.
    """
    content = read_file(path)
    start = content[:_HEADER_BYTES].decode("utf-8-sig", errors="replace")
    if content[257:262] == b"ustar" or '"SpotPriceHistory"' in start:
        return format_named("price-history")
    if start.lstrip()[:1] in ("{", "["):
        for key, name in (('"data"', "trace-json"), ('"available"', "trace-rebuilt")):
            if f"{key}:" in content.decode("utf-8", errors="replace").replace(" ", ""):
                return format_named(name)
        reject(path, "its keys are of no form there is", f"one of {_names()}")
    header = {name.strip() for name in start.splitlines()[0].split(",")}
    for name, columns in _HEADERS.items():
        if header.issuperset(columns):
            return format_named(name)
    return reject(path, "its header line is of no form there is", f"one of {_names()}")


def refuse_untrainable(paths: Iterable[Path]) -> None:
    """Refuse to train a model that is shipped on data whose licence does not allow it.

    Raises:
        InvalidInput: names the file and why.
    """
    for path in paths:
        if EVALUATION_ONLY in path.resolve().parts:
            reject(path, f"it is under {EVALUATION_ONLY}/, whose data has no licence", "other data")
        if path.is_file() and not recognise(path).trains:
            reject(path, NOTICE, "data under another licence")


def format_named(name: str) -> Format:
    """The form of that name.

    Raises:
        InvalidInput: there is none; lists those there are.
    """
    for form in FORMATS:
        if form.name == name:
            return form
    raise InvalidInput(
        f"No recorded form is named {name!r}.",
        remedy=f"Use {_names()}.",
    )


_HEADERS: Final = {
    "trace-csv": trace_csv.COLUMNS,
    "price-history": price_history.CSV_COLUMNS,
    "spotlake": spotlake.CSV_COLUMNS,
}


def _names() -> str:
    return ", ".join(form.name for form in FORMATS)
