"""What has expired is dropped, and free memory goes back to the operating system."""

from __future__ import annotations

import gc
import mmap
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from spotlab.processes.memory import release, without_collections
from spotlab.runtime import lab as lab_module
from spotlab.runtime.lab import Lab
from tests.support.lab import save_toy_model, small_lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as opened:
        yield opened


def test_a_scored_market_is_held_only_while_it_can_be_used(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = weakref.ref(lab.scored().table)
    lab.drop_expired()
    assert table() is lab.scored().table
    monkeypatch.setattr(lab_module, "SCORED_FOR_S", 0.0)
    lab.drop_expired()
    gc.collect()
    assert table() is None


def test_collections_go_on_when_the_last_pause_has_ended() -> None:
    assert gc.isenabled()
    first, second = without_collections(), without_collections()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()
    gc.disable()
    try:
        with without_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def resident_mb() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * mmap.PAGESIZE / 1e6


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' allocators differ")
def test_free_memory_below_a_block_in_use_is_given_back() -> None:
    blocks = [bytearray(2_000) for _ in range(50_000)]
    last = blocks.pop()
    blocks.clear()
    before = resident_mb()
    release()
    assert resident_mb() < before - 50
    assert len(last) == 2_000
