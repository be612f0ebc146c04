"""Two processes, one database, one Redis: what one decides is on the other's open screens.

`python -m benchmarks.live` measures it with two servers.
"""

from __future__ import annotations

import asyncio
import statistics

import pytest

from benchmarks.live import follow, servers, shared
from spotlab.runtime.bootstrap import bootstrap
from spotlab.settings import load

WITHIN_S = 2.0


@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_a_decision_is_on_the_open_screens_of_another_process_within_two_seconds() -> None:
    with shared() as (home, settings, _), servers(home, settings, 1) as (reader,):
        with bootstrap(load(home=home, market="simulated", **settings)) as writer:

            def write() -> None:
                writer.evaluate([writer.store.fleet.instances()[0].instance_id])

            delays = asyncio.run(follow(reader, write, 3))
        for found in (delays.instances, delays.experiments):
            came = [delay for delay in found if delay is not None]
            assert len(came) == len(found), "each decision appears"
            # The median: another process may have the processor while one is on its way.
            assert statistics.median(came) <= WITHIN_S
