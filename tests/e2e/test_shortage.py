"""A family runs short for six hours: the next evaluation's decision moves, and then back again."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from spotlab.access.authentication import LOCAL_ADMINISTRATOR
from spotlab.demo.connect import connect
from spotlab.domain.decision import Decision, Instance, Lifecycle
from spotlab.domain.workload import DEFAULT_WORKLOAD, AssignmentScope
from spotlab.runtime.bootstrap import bootstrap
from spotlab.services import Services
from spotlab.settings import load
from spotlab.switching import launch_probes
from tests.e2e.serving import served
from tests.e2e.walking import open_path
from tests.support.lab import save_toy_model

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@dataclass(frozen=True)
class Market:
    """An app whose emulated AWS can run short of a family.

    Args:
        url: of the app.
        services: on its home, from another process.
        emulator: address of the emulated AWS.
        instance: a spot instance that stays, whose interruption costs 20 USD.
    """

    url: str
    services: Services
    emulator: str
    instance: Instance

    def decide(self) -> Decision | None:
        """Probe the pools, evaluate the instance, and return the decision."""
        probed = launch_probes.probe(self.services.lab, lambda *_: None, lambda: False)
        assert probed["failed"] == ""
        instance_id = self.instance.instance_id
        self.services.instances.evaluate([instance_id])
        return self.services.experiments.latest_per_instance()[instance_id].decision

    def control(self, method: str, document: dict[str, Any] | None = None) -> None:
        """Begin or end shortages."""
        request = urllib.request.Request(
            f"{self.emulator}/emulator/shortages",
            json.dumps(document).encode() if document else None,
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    home, models = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("models")
    save_toy_model(models)
    settings = load(home=home, models_dir=models, market="simulated", launch_probes_a_day=9_600)
    with bootstrap(settings) as lab, served(home, models, SPOTLAB_AUTH="off") as app:
        services = Services(lab, LOCAL_ADMINISTRATOR)
        lab.sync_fleet()
        lab.collect()
        costly = replace(DEFAULT_WORKLOAD, name="render", fixed_usd=20.0, horizon_h=1.0)
        services.workloads.save(costly, "a test", 0)
        spot = [i for i in lab.store.fleet.instances() if i.lifecycle is Lifecycle.SPOT]
        for each in spot:
            services.workloads.assign(AssignmentScope.INSTANCE, each.instance_id, "render")
        services.instances.evaluate()
        newest = services.experiments.latest_per_instance()
        stays = [i for i in spot if newest[i.instance_id].decision is Decision.STAY]
        yield Market(app.url, services, connect(home, settings.demo_seed).endpoint_url, stays[0])


def test_a_family_that_runs_short_moves_the_decision_and_back_again(
    page: Page, market: Market
) -> None:
    instance = market.instance
    explanation = f"{market.url}/explanations?instance={instance.instance_id}"
    assert market.decide() is Decision.STAY
    open_path(page, explanation)
    expect(page.get_by_text("No recent evidence moves it").first).to_be_visible()

    family = instance.pool.instance_type.partition(".")[0]
    market.control("POST", {"family": family, "region": instance.pool.region, "hours": 6})
    assert market.decide() in (Decision.SWITCH, Decision.FALLBACK_ONDEMAND)
    open_path(page, f"{market.url}/instance?instance={instance.instance_id}")
    expect(page.get_by_text("raised for a while by a refused launch").first).to_be_visible()
    open_path(page, explanation + f"&pool={instance.pool.key}")
    expect(page.get_by_text("Moved by a refused launch at").first).to_be_visible()

    market.control("DELETE")
    assert market.decide() is Decision.STAY
    open_path(page, explanation)
    expect(page.get_by_text("No recent evidence moves it").first).to_be_visible()
