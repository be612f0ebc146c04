"""No read operation reveals an account that the user may not see.

Every read operation is called for both visible and hidden resources, after the other account has
appeared in jobs, probes, alerts, users, tokens, models, log lines and events.
"""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from spotlab.api.application import build
from spotlab.domain.access import Principal, Right, Role
from spotlab.domain.alert_state import Event, Message
from spotlab.domain.alerts import AlertKind, Channel, Condition
from spotlab.domain.components import DATABASE, DOWN, INSTANCE_MANAGER
from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.ports import By, Probe, RunState
from spotlab.domain.spot_events import SpotEvent, SpotEventKind
from spotlab.domain.switches import SwitchState
from spotlab.errors import NotSignedIn
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from tests.api.conftest import FOREIGN, ApiClient
from tests.support import switches as make
from tests.support.lab import FLEET
from tests.support.people import ANA

NAME, NUMBER, INSTANCE_NAME = "other", "210987654321", "theirs"
NEEDLES = (f'"{NAME}"', f"'{NAME}'", f"{NAME} refused", NUMBER, FOREIGN, INSTANCE_NAME, "otto")
"""The hidden account, its AWS id, its instance, and its user."""
OF_AWS = ("/role", "/switching/orphans")
"""The AWS of the lab rejects all requests."""
ENDLESS = frozenset({"/api/v1/logs/stream"})
PEOPLE = {
    "all": Principal("all", Role.ADMIN, via="a test"),
    **{
        f"{role} of acme": Principal(f"{role} of acme", role, ("acme",), via="a test")
        for role in Role
    },
    "viewer of none": Principal("viewer of none", Role.VIEWER, (), via="a test"),
}


@pytest.fixture
def told(lab: Lab) -> Lab:
    """A lab in which all kinds of records mention the hidden account."""
    services, now, said = (
        Services(lab, ANA),
        lab.clock.now(),
        f"{NAME} refused {FOREIGN} of {NUMBER}.",
    )
    services.instances.evaluate()
    services.instances.assign(FOREIGN, "toy@1.0.0", "only theirs")
    services.interruptions.add(FOREIGN, InterruptionKind.NOTICE, now)
    services.users.add("otto", Role.OPERATOR, accounts=[NAME])
    services.api_tokens.create("otto", "otto's", [Right.READ], timedelta(days=1))
    services.accounts.set_active("acme", True, "no change")
    risk = Condition(AlertKind.RISK, account=NAME, threshold=0.5)
    rule = services.alerts.add("of the other", risk, Channel.WEBHOOK, "http://127.0.0.1:9/x").rule
    part = Condition(AlertKind.STATE, component=DATABASE)
    seen = services.alerts.add("of a part", part, Channel.WEBHOOK, "http://127.0.0.1:9/x").rule
    for each in (rule, seen):
        message = Message(Event.FIRING, DATABASE, "database is down", said, None, now, now)
        lab.store.alerts.record_firing(each.rule_id, {}, [message])
    lab.store.probes.record([Probe(INSTANCE_MANAGER, now, DOWN, None, said)])
    lab.store.health.note(INSTANCE_MANAGER, ok=False, at=now, latency_ms=1.0, reason=said)
    lab.store.jobs.request_run("list-fleet", By("ana", now))
    for account, instance_id in (("acme", FLEET[0][0]), (NAME, FOREIGN)):
        words = said if account == NAME else ""
        lab.store.switches.create(
            make.switch(
                f"sw-{account}",
                account=account,
                instance_id=instance_id,
                name=INSTANCE_NAME if account == NAME else "",
                situation=words,
                reason=words,
                state=SwitchState.NEEDS_ATTENTION,
            ),
            By("ana", now, words),
        )
        found = next(each for each in lab.store.fleet.accounts() if each.name == account)
        number = found.aws_account_id
        event = SpotEvent(account, SpotEventKind.REBALANCE, instance_id, number, "us-east-1", now)
        lab.store.spot_events.record(found, [event], now)
    asked_at = lab.store.jobs.settings()["list-fleet"].asked_at
    assert asked_at is not None
    run = lab.store.jobs.start("list-fleet", asked_at, now, None, "a test", 1, "c")
    assert run is not None
    nested = {"note": said, "failed": [said, {"why": said}], "instances": 4}
    lab.store.jobs.finish(run, RunState.FAILED, said, nested, now)
    line = {"time": now.isoformat(), "level": "ERROR", "component": "c", "message": said}
    for extra in ({}, {"account": NAME}, {"account": "acme", "error": said, "fields": {"x": said}}):
        lab.log_stream.append([json.dumps(line | extra)])
    return lab


def paths(lab: Lab) -> list[str]:
    """Every read operation, for visible and hidden resources."""
    document: dict[str, Any] = build(lambda: lab, _nobody).openapi()  # type: ignore[attr-defined]
    latest = lab.store.ledger.latest_per_instance()
    rules = [rule.rule_id for rule in lab.store.alerts.rules()]
    asked = []
    for path, operations in document["paths"].items():
        if "get" not in operations or path in ENDLESS:
            continue
        names = {"jobs": ["list-fleet"], "users": ["otto"]}.get(path.split("/")[3], ["acme", NAME])
        values: dict[str, list[str]] = {
            "instance_id": [FLEET[0][0], FOREIGN],
            "experiment_id": [str(each.experiment_id) for each in latest.values()],
            "name": names,
            "reference": ["toy@1.0.0"],
            "policy": ["default@1"],
            "rule_id": rules,
            "key": [INSTANCE_MANAGER, DATABASE],
            "switch_id": ["sw-acme", f"sw-{NAME}"],
            "pool": [lab.store.fleet.instance(FOREIGN).pool.key],
        }
        needed = [name for name in values if f"{{{name}}}" in path]
        query = "?pool={pool}" if _asks(operations["get"], "pool") else ""
        for chosen in product(*(values[name] for name in needed)):
            given = dict(zip(needed, chosen, strict=True)) | {"pool": values["pool"][0]}
            asked.append(f"{path}{query}".format_map(given))
            if _asks(operations["get"], "account"):
                asked.append(f"{path}?account={NAME}".format_map(given))
    return asked


def _asks(operation: dict[str, Any], parameter: str) -> bool:
    return any(each["name"] == parameter for each in operation.get("parameters", ()))


def _nobody(_connection: object) -> Principal:
    raise NotSignedIn("Nobody asks here.")


def test_no_answer_tells_of_an_account_that_one_does_not_see(told: Lab) -> None:
    found: dict[str, set[str]] = {who: set() for who in PEOPLE}
    with ApiClient(told, **PEOPLE) as ask:
        for path, who in product(paths(told), PEOPLE):
            answer = ask("GET", path, who)
            refused_by_aws = answer.status_code == 502 and path.split("?")[0].endswith(OF_AWS)
            assert answer.status_code < 500 or refused_by_aws, f"{path}: {answer.text}"
            if answer.status_code in (200, 502) and any(word in answer.text for word in NEEDLES):
                found[who].add(path)
    spoken = {path.split("/")[3] for path in found.pop("all")}
    assert spoken >= {
        *("accounts", "instances", "experiments", "jobs", "logs", "alerts", "users", "tokens"),
        *("audit", "health", "models", "switches", "spot-events"),
    }, "the other account is spoken of nearly everywhere, for who sees it"
    assert {who: paths for who, paths in found.items() if paths} == {}
