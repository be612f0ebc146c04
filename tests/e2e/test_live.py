"""Two processes, one database, one Redis: what one decides is on the other's open screens.

How soon is measured by `python -m benchmarks.live`, with two servers.
"""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.live import measure_delays, running_servers, shared_services
from spotlab.runtime.bootstrap import bootstrap
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.settings import load


@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_a_decision_comes_to_the_open_screens_of_another_process() -> None:
    with shared_services() as (home, settings, _), running_servers(home, settings, 1) as (reader,):
        with bootstrap(load(home=home, market="simulated", **settings)) as writer:

            def write() -> None:
                evaluate_instances(writer, [writer.store.fleet.instances()[0].instance_id])

            delays = asyncio.run(measure_delays(reader, write, 1))
        assert None not in (*delays.instances, *delays.experiments), "each decision appears"
