"""The evidence archive: whole files or none, torn ones set aside, months joined."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from spotlab.domain.evidence_points import EvidenceKind, EvidencePoint
from spotlab.domain.market import MarketName, Pool
from spotlab.store.evidence_archive import EvidenceArchive

POOL = Pool("us-east-1", "us-east-1a", "m5.large")
MARKET, REGION = MarketName.SIMULATED, "us-east-1"
START = datetime(2026, 10, 30, tzinfo=UTC)


def point(hours: float, value: float = 1.0) -> EvidencePoint:
    at = START + timedelta(hours=hours, microseconds=7)
    return EvidencePoint(POOL, at, EvidenceKind.PLACEMENT, value, "a test", at)


def filled(folder: Path, days: int = 4) -> tuple[EvidenceArchive, list[EvidencePoint]]:
    archive, points = EvidenceArchive(folder), []
    for day in range(days):
        of_day = [point(24 * day + hour, hour) for hour in (1, 23)]
        archive.write(MARKET, REGION, START.date() + timedelta(days=day), of_day)
        points += of_day
    return archive, points


def everything(archive: EvidenceArchive) -> list[EvidencePoint]:
    return archive.read(MARKET, REGION, START, START + timedelta(days=30))


def test_points_come_back_as_they_were_and_only_those_asked_for(tmp_path: Path) -> None:
    archive, points = filled(tmp_path)
    assert everything(archive) == points
    since = START + timedelta(hours=23)
    until = START + timedelta(hours=26)
    assert archive.read(MARKET, REGION, since, until) == points[1:3]
    assert archive.read(MARKET, REGION, since, until, {POOL}) == points[1:3]
    other = Pool("us-east-1", "us-east-1b", "m5.large")
    assert archive.read(MARKET, REGION, since, until, {other}) == []


def test_a_torn_and_a_foreign_file_are_set_aside_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive, points = filled(tmp_path)
    folder = tmp_path / MARKET.value / REGION
    torn = folder / "2026-10-30.parquet"
    torn.write_bytes(torn.read_bytes()[:100])
    (folder / "2026-10-31.parquet").write_text("not ours")
    assert everything(archive) == points[4:]
    assert len(archive.set_aside()) == 2
    assert "cannot be read and was set aside" in caplog.text
    assert archive.days(MARKET, REGION) == {date(2026, 11, 1), date(2026, 11, 2)}


def test_a_crash_while_writing_leaves_the_former_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, points = filled(tmp_path)

    def die(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        archive.write(MARKET, REGION, START.date(), [point(5)])
    assert everything(archive) == points


def test_the_days_of_a_month_that_is_over_are_joined(tmp_path: Path) -> None:
    archive, points = filled(tmp_path)
    assert archive.compact(MARKET, REGION, date(2026, 11, 20)) == 1
    folder = tmp_path / MARKET.value / REGION
    assert sorted(path.name for path in folder.iterdir()) == [
        "2026-10.parquet",
        "2026-11-01.parquet",
        "2026-11-02.parquet",
    ]
    assert everything(archive) == points
    # a crash after the month was written, before its days were deleted
    archive.write(MARKET, REGION, START.date(), points[:2])
    assert everything(archive) == points
    archive.compact(MARKET, REGION, date(2026, 11, 20))
    assert everything(archive) == points


def test_old_files_are_deleted_a_month_only_when_all_of_it_is_old(tmp_path: Path) -> None:
    archive, points = filled(tmp_path)
    archive.compact(MARKET, REGION, date(2026, 11, 20))
    assert archive.delete_before(date(2026, 10, 31)) == 0
    assert archive.delete_before(date(2026, 11, 2), dry_run=True) == 2
    assert archive.delete_before(date(2026, 11, 2)) == 2
    assert everything(archive) == points[6:]


def test_a_check_names_what_cannot_be_read_and_changes_nothing(tmp_path: Path) -> None:
    archive, _ = filled(tmp_path)
    assert archive.check() == (4, [])
    torn = tmp_path / MARKET.value / REGION / "2026-10-30.parquet"
    torn.write_bytes(torn.read_bytes()[:100])
    files, wrong = archive.check()
    assert files == 4
    assert wrong[0].startswith("simulated/us-east-1/2026-10-30.parquet: ")
    everything(archive)
    name = "simulated-us-east-1-2026-10-30.parquet"
    assert archive.check() == (3, [f"{name}: it was set aside"])
