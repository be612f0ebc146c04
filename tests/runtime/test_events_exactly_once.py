"""Exactly-once effects while the consumer is killed, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.events import run, traffic
from tests.support.databases import KINDS, fresh_postgres


@pytest.mark.parametrize("kind", KINDS)
def test_killed_consumers_lose_and_repeat_nothing(kind: str, tmp_path: Path) -> None:
    made = traffic(2_000)
    if kind == "sqlite":
        result = run(made, tmp_path)
    else:
        with fresh_postgres() as url:
            result = run(made, tmp_path, url)
    assert result.exactly_once, result
    assert (result.recorded, result.poison, result.kills) == (1_380, 20, 2)
