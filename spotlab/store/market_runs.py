"""The markets that decisions were made on, each part stored once by the hash of its content.

A run is a document that names the parts of its tables (see `market_parts`). A part that an earlier
run has is not written again, so that a run on an unchanged market adds nothing, and one whose
prices changed adds its prices.

Nothing refers to a run before its decisions are recorded, and nothing to a part before its run is.
What a crash leaves is therefore unused, and retention deletes it once it is UNUSED_AFTER old.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from spotlab.domain.hazard_curve import CapacityForecast, ShortSignal
from spotlab.domain.interruptions import OwnRecord, PoolSignals, Record
from spotlab.domain.market import FeedKind, MarketData, MarketName, Pool, Provenance
from spotlab.errors import NotFound
from spotlab.store.engine import reading, upsert, writing
from spotlab.store.market_parts import TABLES, join, split
from spotlab.store.repository import Repository
from spotlab.store.tables.market_runs import MarketBlobRow, MarketRunRow, MarketScoreRow
from spotlab.store.types import to_json

UNUSED_AFTER: Final = timedelta(days=2)
"""A run or part that nothing refers to is deleted this long after its last use."""
_NOTE_USE_AFTER: Final = timedelta(hours=12)
_ZSTD_LEVEL: Final = 9


@dataclass(frozen=True, slots=True)
class RecordedScores:
    """A model's hazards of a run's market.

    Args:
        model: "name@version".
        hazard_per_hour: (n,) the model's, before evidence of own instances; NaN: unknown.
        feature_names: the f features that were computed, in order.
        features_digest: hash of their (n, f) values.
    """

    model: str
    hazard_per_hour: NDArray[np.float64]
    feature_names: tuple[str, ...]
    features_digest: str


class SqlMarketRuns(Repository):
    """Markets of runs in SQL."""

    def save(self, data: MarketData, own: OwnRecord, now: datetime) -> int:
        """Store a market and the own record; what is stored already is not written again.

        Several processes may save the same market at once.

        Returns:
            The id of the run.
        Raises:
            DatabaseDown: no run was stored; parts without a run are deleted later.
        """
        parts = {name: split(name, getattr(data, name), data.as_of) for name in TABLES}
        document = _compressed(
            {
                "market": data.market.value,
                "as_of": data.as_of.isoformat(),
                "parts": {name: [part.digest for part in each] for name, each in parts.items()},
                "origins": {
                    kind.value: msgspec.to_builtins(origin) for kind, origin in data.origins.items()
                },
                "degraded": list(data.degraded),
                # In their order: sums of hours depend on it in the last digit.
                "own": [
                    [pool.key, record.events, record.exposure_h]
                    for pool, record in own.pools.items()
                ],
                **_signals_document(own),
                **_short_document(own),
            }
        )
        digest = _digest(document)
        self._save_blobs(
            {part.digest: part.payload for each in parts.values() for part in each}, now
        )
        with writing(self._engine) as session:
            row = MarketRunRow(digest=digest, used_at=now, document=document)
            upsert(session, row, update=("used_at",), unique=("digest",))
            query = select(MarketRunRow.id).where(MarketRunRow.digest == digest)
            run_id = session.exec(query).one()
        assert run_id is not None, "the database assigns ids"
        return run_id

    def save_scores(self, run_id: int, scores: RecordedScores, now: datetime) -> None:
        """Store a model's hazards of a run's market, once."""
        hazard = _packed(np.ascontiguousarray(scores.hazard_per_hour, dtype=np.float64))
        names = zlib.compress(to_json(list(scores.feature_names)).encode())
        self._save_blobs({_digest(hazard): lambda: hazard, _digest(names): lambda: names}, now)
        row = MarketScoreRow(
            run_id=run_id,
            model=scores.model,
            hazard=_digest(hazard),
            names=_digest(names),
            features_digest=scores.features_digest,
        )
        with writing(self._engine) as session:
            upsert(session, row, update=())

    def digest(self, run_id: int) -> str:
        """Hash of a run's content. Raises NotFound: it was deleted."""
        query = select(MarketRunRow.digest).where(MarketRunRow.id == run_id)
        with reading(self._engine) as session:
            digest = session.exec(query).first()
        if digest is None:
            raise _gone("The market of this decision")
        return digest

    def read(self, run_id: int, tables: tuple[str, ...] = TABLES) -> tuple[MarketData, OwnRecord]:
        """A run's market, exactly as it was saved, and the own record.

        Args:
            run_id: of the run.
            tables: names of the tables to read; the others are empty.
        Raises:
            NotFound: it was deleted.
        """
        with reading(self._engine) as session:
            row = session.get(MarketRunRow, run_id)
            if row is None:
                raise _gone("The market of this decision")
            document = _decompressed(row.document)
            names = {name: document["parts"][name] for name in tables}
            blobs = _blobs(session, {digest for each in names.values() for digest in each})
        data = MarketData(
            market=MarketName(document["market"]),
            as_of=datetime.fromisoformat(document["as_of"]),
            origins={
                FeedKind(kind): msgspec.convert(origin, Provenance)
                for kind, origin in document["origins"].items()
            },
            degraded=tuple(document["degraded"]),
            **{name: join(name, [blobs[each] for each in names[name]]) for name in tables},
        )
        own = {Pool.parse(key): Record(events, hours) for key, events, hours in document["own"]}
        signals = {
            Pool.parse(key): msgspec.convert(each, PoolSignals)
            for key, each in document.get("signals", {}).items()
        }
        short = {
            Pool.parse(key): msgspec.convert(each, tuple[ShortSignal, ...])
            for key, each in document.get("short", {}).items()
        }
        forecasts = {
            Pool.parse(key): msgspec.convert(each, CapacityForecast)
            for key, each in document.get("forecasts", {}).items()
        }
        return data, OwnRecord(own, signals, short, forecasts)

    def scores(self, run_id: int, model: str) -> RecordedScores:
        """A model's hazards of a run's market. Raises NotFound: none were recorded."""
        with reading(self._engine) as session:
            row = session.get(MarketScoreRow, (run_id, model))
            if row is None:
                raise _gone(f"The prediction of {model} for this decision")
            blobs = _blobs(session, {row.hazard, row.names})
        return RecordedScores(
            model,
            np.frombuffer(_unpacked(blobs[row.hazard]), dtype=np.float64),
            tuple(_decompressed(blobs[row.names])),
            row.features_digest,
        )

    def unused_blobs(self, now: datetime) -> list[str]:
        """Digests of the parts that no run and no score has, and that nobody used lately.

        Old parts are listed before the runs are read: one that a run takes up meanwhile is noted
        as used, and `delete_blobs` leaves it.
        """
        old = col(MarketBlobRow.used_at) < now - UNUSED_AFTER
        with reading(self._engine) as session:
            candidates = set(session.exec(select(MarketBlobRow.digest).where(old)))
        if not candidates:
            return []
        with reading(self._engine) as session:
            for digests in _used(session):
                candidates.difference_update(digests)
        return sorted(candidates)

    def delete_blobs(self, digests: list[str], now: datetime) -> int:
        """Delete these parts unless one was used meanwhile; returns how many."""
        with writing(self._engine) as session:
            unused = delete(MarketBlobRow).where(
                col(MarketBlobRow.digest).in_(digests),
                col(MarketBlobRow.used_at) < now - UNUSED_AFTER,
            )
            return int(session.connection().execute(unused).rowcount)

    def _save_blobs(self, parts: Mapping[str, Callable[[], bytes]], now: datetime) -> None:
        """Store the parts that are not stored; either way they are used now.

        Args:
            parts: functions that return the content, by its digest.
            now: aware UTC.
        """
        query = select(MarketBlobRow.digest).where(
            col(MarketBlobRow.digest).in_(list(parts)),
            col(MarketBlobRow.used_at) > now - _NOTE_USE_AFTER,
        )
        with reading(self._engine) as session:
            known = set(session.exec(query))
        for digest, payload in parts.items():
            if digest not in known:
                self._save_blob(digest, payload, now)

    def _save_blob(self, digest: str, payload: Callable[[], bytes], now: datetime) -> None:
        same = col(MarketBlobRow.digest) == digest
        noted = update(MarketBlobRow).where(same).values(used_at=now)
        with writing(self._engine) as session:
            if session.connection().execute(noted).rowcount:
                return
        content = payload()  # not in a transaction, which others wait for
        with writing(self._engine) as session:
            row = MarketBlobRow(digest=digest, used_at=now, payload=content)
            upsert(session, row, update=("used_at",))


def _blobs(session: Session, digests: set[str]) -> Mapping[str, bytes]:
    query = select(MarketBlobRow.digest, MarketBlobRow.payload)
    found = dict(session.exec(query.where(col(MarketBlobRow.digest).in_(digests))).all())
    if digests - found.keys():
        raise _gone("A part of the market of this decision")
    return found


def _used(session: Session) -> Iterator[list[str]]:
    """Digests that runs and scores refer to, a row at a time."""
    runs = session.connection().execution_options(yield_per=100)
    for (document,) in runs.execute(select(MarketRunRow.document)):
        yield [each for part in _decompressed(document)["parts"].values() for each in part]
    for hazard, names in runs.execute(select(MarketScoreRow.hazard, MarketScoreRow.names)):
        yield [hazard, names]


def _signals_document(own: OwnRecord) -> dict[str, Any]:
    """Signals of pools; without any, the document is as before there were signals."""
    if not own.signals:
        return {}
    signals = {pool.key: msgspec.to_builtins(each) for pool, each in own.signals.items()}
    return {"signals": signals}


def _short_document(own: OwnRecord) -> dict[str, Any]:
    """Short signals and forecasts; without any, the document is as before there were any."""
    found = {
        name: {pool.key: msgspec.to_builtins(each) for pool, each in values.items()}
        for name, values in (("short", own.short), ("forecasts", own.forecasts))
    }
    return {name: values for name, values in found.items() if values}


def _gone(what: str) -> NotFound:
    return NotFound(
        f"{what} is no longer in the database.",
        remedy="The decision can be read, but its candidates cannot be derived or replayed.",
    )


def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()[:32]


def _compressed(document: object) -> bytes:
    return zlib.compress(to_json(document).encode(), 9)


def _decompressed(payload: bytes) -> Any:
    return msgspec.json.decode(zlib.decompress(payload))


def _packed(values: NDArray[np.float64]) -> bytes:
    """Floats as bytes, those of the same significance side by side, compressed."""
    planes = values.view(np.uint8).reshape(len(values), 8).T
    return zlib.compress(np.ascontiguousarray(planes).tobytes(), _ZSTD_LEVEL)


def _unpacked(payload: bytes) -> bytes:
    planes = np.frombuffer(zlib.decompress(payload), dtype=np.uint8).reshape(8, -1)
    return np.ascontiguousarray(planes.T).tobytes()
