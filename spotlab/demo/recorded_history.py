"""DescribeSpotPriceHistory from recorded responses instead of the simulated market.

A record is a tar.gz archive with the JSON of one response per instance type.
"""

from __future__ import annotations

import tarfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

import msgspec
import numpy as np

from spotlab.demo.history_pages import HistoryRequest, Row, as_xml, matches, read_request
from spotlab.demo.noise import FloatArray, IntArray
from spotlab.errors import InvalidInput

_CACHED: Final = 4


class _Record(msgspec.Struct, rename="pascal"):
    availability_zone: str
    instance_type: str
    product_description: str
    spot_price: str
    timestamp: datetime


class _Document(msgspec.Struct, rename={"history": "SpotPriceHistory"}):
    history: list[_Record]


_DECODER: Final = msgspec.json.Decoder(_Document)


@dataclass(frozen=True, slots=True)
class RecordedHistory:
    """Recorded price changes of one region, newest first.

    Args:
        region: where they were recorded.
        pools: (zone, instance type, product) of each pool.
        pool: index of each row's pool.
        epoch_s: seconds since 1970.
        usd_per_hour: the price from then on.
        rejected: files that are not valid responses, and why.
    """

    region: str
    pools: tuple[tuple[str, str, str], ...]
    pool: IntArray
    epoch_s: IntArray
    usd_per_hour: FloatArray
    rejected: Mapping[str, str] = field(default_factory=dict)

    @property
    def oldest(self) -> datetime:
        """Time of the first change, aware UTC."""
        return datetime.fromtimestamp(int(self.epoch_s[-1]), UTC)

    @property
    def newest(self) -> datetime:
        """Time of the last change, aware UTC: freeze the emulated AWS then or later."""
        return datetime.fromtimestamp(int(self.epoch_s[0]), UTC)

    @classmethod
    def read(cls, path: Path) -> RecordedHistory:
        """Read an archive; a malformed file is left out and reported in `rejected`.

        Args:
            path: tar.gz with one JSON document per instance type.
        Raises:
            InvalidInput: no file of the archive could be read.
        """
        index: dict[tuple[str, str, str], int] = {}
        rejected: dict[str, str] = {}
        columns: list[list[Any]] = [[], [], []]
        for name, content in _documents(path):
            try:
                rows = [_row(each) for each in _DECODER.decode(content).history]
            except (msgspec.MsgspecError, ValueError) as exc:
                rejected[name] = str(exc)
                continue
            for zone, instance_type, product, price, epoch_s in rows:
                pool = index.setdefault((zone, instance_type, product), len(index))
                for column, value in zip(columns, (pool, epoch_s, price), strict=True):
                    column.append(value)
        if not index:
            raise InvalidInput(
                f"{path.name} has no valid response of DescribeSpotPriceHistory.",
                remedy="Use a tar.gz archive with one JSON response per instance type.",
            )
        return cls.of(tuple(index), columns[0], columns[1], columns[2], rejected)

    @classmethod
    def of(
        cls,
        pools: tuple[tuple[str, str, str], ...],
        pool: list[int],
        epoch_s: list[int],
        usd_per_hour: list[float],
        rejected: Mapping[str, str] | None = None,
    ) -> RecordedHistory:
        """A history of rows in any order; the region is that of the first zone.

        Args:
            pools: (zone, instance type, product) of each pool.
            pool, epoch_s, usd_per_hour: one value per row.
            rejected: files left out.
        """
        pools_of_rows, times, prices = np.array(pool), np.array(epoch_s), np.array(usd_per_hour)
        order = np.lexsort((pools_of_rows, -times))
        return cls(
            pools[0][0][:-1],
            pools,
            pools_of_rows[order],
            times[order],
            prices[order],
            rejected or {},
        )

    def select(self, request: HistoryRequest) -> IntArray:
        """Indexes of the rows in the window, newest first.

        As in AWS, the last row before the window of each pool is included.
        """
        if request.region != self.region:
            return np.empty(0, int)
        requested = np.array(
            [
                matches(zone, request.zones)
                and matches(instance_type, request.types)
                and matches(product, request.products)
                for zone, instance_type, product in self.pools
            ]
        )
        rows = np.flatnonzero(requested[self.pool] & (self.epoch_s <= request.end_s))
        inside = rows[self.epoch_s[rows] >= request.start_s]
        before = rows[self.epoch_s[rows] < request.start_s]
        _, newest = np.unique(self.pool[before], return_index=True)
        return np.concatenate([inside, np.sort(before[newest])])

    def rows(self, selected: IntArray) -> Iterator[Row]:
        """The rows with these indexes."""
        columns = (self.pool, self.usd_per_hour, self.epoch_s)
        for pool, price, epoch_s in zip(
            *(column[selected].tolist() for column in columns), strict=True
        ):
            yield (*self.pools[pool], price, epoch_s)


def recorded_price_history(
    history: RecordedHistory, now: Callable[[], datetime]
) -> Callable[[Any], tuple[int, dict[str, str], str]]:
    """The method of moto's EC2 that returns recorded changes.

    The record may be longer than the 90 days that AWS stores, and all of it is served.
    """
    selections: OrderedDict[tuple[object, ...], IntArray] = OrderedDict()
    lock = Lock()

    def selection(request: HistoryRequest) -> IntArray:
        key = (
            request.region,
            request.types,
            request.zones,
            request.products,
            request.start_s,
            request.end_s,
        )
        with lock:
            if key not in selections:
                selections[key] = history.select(request)
            selections.move_to_end(key)
            while len(selections) > _CACHED:
                selections.popitem(last=False)
            return selections[key]

    def describe_spot_price_history(self: Any) -> tuple[int, dict[str, str], str]:
        self.error_on_dryrun()
        request = read_request(self, now(), history.oldest)
        rows = selection(request)
        page = rows[request.offset : request.offset + request.size]
        return 200, {}, as_xml(history.rows(page), request.token(len(rows)))

    return describe_spot_price_history


def _documents(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None and member.name.endswith(".json"):
                    yield Path(member.name).name, content.read()
    except (OSError, tarfile.TarError, EOFError) as exc:
        raise InvalidInput(
            f"{path.name} cannot be read as a tar.gz archive: {exc}.",
            remedy="Use a tar.gz archive with one JSON response per instance type.",
        ) from exc


def _row(record: _Record) -> Row:
    return (
        record.availability_zone,
        record.instance_type,
        record.product_description.removesuffix(" (Amazon VPC)"),
        float(record.spot_price),
        int(record.timestamp.timestamp()),
    )
