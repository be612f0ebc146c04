"""A sample of the fault matrix; `make fault-matrix` plays all of it."""

from __future__ import annotations

import pytest

from spotlab.domain.switch_plan import Strategy
from tests.switching.fault_matrix import cells, run

SAMPLE = 29


@pytest.mark.parametrize("strategy", Strategy)
def test_a_switch_survives_every_disturbance(strategy: Strategy) -> None:
    lost = {cell.name: found for cell in list(cells(strategy))[::SAMPLE] if (found := run(cell))}
    assert not lost
