"""The candidate codec is lossless and compact."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from spotlab.domain.decision import Candidate, DropReason
from spotlab.domain.market import Pool, Provenance
from spotlab.store import Store, candidate_codec
from tests.support import builders as make

MAX_BYTES_PER_POOL = 250

words = st.text(st.characters(codec="utf-8"), max_size=12)
numbers = st.floats(allow_nan=False)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
sources = st.builds(Provenance, words, moments, moments, st.booleans(), st.booleans())
scored = st.builds(
    Candidate,
    pool=st.builds(Pool, words, st.none() | words, words, words),
    spot_price_usd_per_hour=numbers,
    on_demand_price_usd_per_hour=st.none() | numbers,
    risk=numbers,
    horizon_h=numbers,
    hazard_per_hour=numbers,
    expected_cost_usd_per_hour=numbers,
    rank=st.integers(0, 2**31 - 1),
    dropped=st.none() | st.sampled_from(DropReason),
    reasons=st.lists(words, max_size=3).map(tuple),
    sources=st.lists(sources, max_size=3).map(tuple),
    features=st.dictionaries(words, numbers, max_size=4),
)


@settings(max_examples=60, derandomize=True, database=None)
@given(
    st.lists(scored, max_size=5).map(tuple),
    st.none() | scored,
    st.none() | scored,
    st.lists(words, unique=True, max_size=3),
)
def test_any_candidates_come_back_bit_for_bit(
    rows: tuple[Candidate, ...],
    current: Candidate | None,
    chosen: Candidate | None,
    names: list[str],
) -> None:
    verdict = replace(make.verdict(make.candidates(2)), current=current, chosen=chosen)

    unpacked = candidate_codec.unpack(candidate_codec.pack(rows, verdict, names))

    assert unpacked.candidates == rows
    assert (unpacked.current, unpacked.chosen) == (current, chosen)
    assert [_bits(row) for row in unpacked.candidates] == [_bits(row) for row in rows]


def test_without_a_verdict_there_is_neither_current_nor_chosen() -> None:
    unpacked = candidate_codec.unpack(candidate_codec.pack((), None, ()))
    assert (unpacked.candidates, unpacked.current, unpacked.chosen) == ((), None, None)


def test_an_unknown_number_stays_one() -> None:
    unknown = make.candidate(risk=float("nan"), on_demand_price_usd_per_hour=None)
    (unpacked,) = candidate_codec.unpack(candidate_codec.pack((unknown,), None, ())).candidates
    assert str(unpacked.risk) == "nan"
    assert unpacked.on_demand_price_usd_per_hour is None


def test_features_come_back_in_the_models_order() -> None:
    names = ("advisor_bucket", "price_position", "discount_depth")
    (unpacked,) = candidate_codec.unpack(
        candidate_codec.pack((make.candidate(),), None, names)
    ).candidates
    assert tuple(unpacked.features) == names


def test_any_tool_can_open_the_table() -> None:
    payload = candidate_codec.pack(make.candidates(3), None, ())
    table = pq.read_table(io.BytesIO(payload)).to_pandas()
    assert table["spot_price_usd_per_hour"].tolist() == [0.05, 0.051, 0.052]
    assert table["feature.advisor_bucket"].tolist() == [1.0, 1.0, 1.0]


def test_nine_hundred_pools_with_forty_features_are_small() -> None:
    rows = _market(900)
    payload = candidate_codec.pack(rows, None, tuple(rows[0].features))
    assert candidate_codec.unpack(payload).candidates == rows
    assert len(payload) / len(rows) < MAX_BYTES_PER_POOL


def test_recording_and_opening_asks_the_database_as_little_for_many_pools_as_for_two(
    store: Store,
) -> None:
    statements: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    counts = []
    for pools in (2, 900):
        rows = _market(pools)
        statements.clear()
        experiment = make.experiment(candidates=rows, verdict=make.verdict(rows))
        assert store.ledger.get(store.ledger.record(experiment)).candidates == rows
        counts.append(len(statements))
    assert counts[0] == counts[1]


def _bits(row: Candidate) -> list[str]:
    values: list[Any] = [getattr(row, name) for name in ("risk", "hazard_per_hour")]
    return [
        float.hex(value) for value in [*values, *(row.features[n] for n in sorted(row.features))]
    ]


def _market(count: int) -> tuple[Candidate, ...]:
    """Pools like those of a real region: half of the features are continuous, the others are
    counts, sizes, buckets and rounded prices with few distinct values."""
    draw = random.Random(7)
    shapes = [
        draw.random,
        lambda: round(draw.random() * 3, 4),
        lambda: float(draw.randrange(5)),
        lambda: 2.0 ** draw.randrange(8),
    ]
    return tuple(
        replace(
            row,
            risk=draw.random() / 20,
            hazard_per_hour=draw.random() / 1e4,
            reasons=(f"risk {draw.random() * 5:.2f} % within 24 h",),
            features={f"feature_{n:02}": shapes[n % 8 // 2]() for n in range(40)},
        )
        for row in make.candidates(count)
    )
