"""A lab with hostile names, reasons and log lines."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from spotlab.domain.access import Principal, Right, Role
from spotlab.domain.alert_state import Event, FiringAlert, Message
from spotlab.domain.alerts import AlertKind, AlertRule, Channel, Condition
from spotlab.domain.components import COMPONENTS
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.market import Pool
from spotlab.domain.model_lifecycle import ModelAction
from spotlab.domain.policy import Policy, PolicyParams, PolicyState
from spotlab.domain.ports import Account, ApiToken, By, RunState, User, UserSession
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import AssignmentScope, Workload
from spotlab.monitoring.alerts.address_encryption import address_cipher
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from tests.support.cards import DETAILS, save_carded_model

CANARY: Final = (
    ":red[x] ![c](http://e.example/p) [l](javascript:a) $y$ <b>z</b> `q` *s* \u202e\x1b[2J\nFAKE"
)
"""Colour, a tracking image, a script, mathematics, HTML, code, emphasis, reversed text, a terminal
escape sequence and a line break."""
ME: Final = Principal("ana", Role.ADMIN, via="session", session_id="s" * 16)


def make_hostile(lab: Lab) -> Lab:
    """Store the canary in every field with untrusted text; for a `small_lab`."""
    now, by = lab.clock.now(), By(CANARY, lab.clock.now(), CANARY, CANARY)
    fleet = lab.store.fleet
    fleet.save_account(Account(CANARY, "999999999999", CANARY, CANARY, (CANARY,), emulated=True))
    fleet.note_listing(CANARY, now, CANARY)
    theirs = Instance(
        "i-0000000000000000a",
        CANARY,
        Pool("us-east-1", "us-east-1b", "m5.large"),
        Lifecycle.SPOT,
        CANARY,
        launched_at=now - timedelta(days=2),
    )
    fleet.sync(CANARY, [theirs])
    every = fleet.instances()
    for account in {each.account for each in every}:
        named = [
            replace(each, name=CANARY, tags={CANARY: CANARY})
            for each in every
            if each.account == account
        ]
        fleet.sync(account, named)
    _add_workload(lab, by)
    lab.store.policies.save(Policy("hostile", 1, CANARY, PolicyParams()), by)
    lab.store.policies.set_state("hostile", 1, PolicyState.ACTIVE, by)
    lab.store.policies.save(Policy("still", 1, CANARY, PolicyParams(min_saving_fraction=1.0)), by)
    lab.store.policies.set_state("still", 1, PolicyState.SHADOW, by)
    evaluate_instances(lab, [each.instance_id for each in fleet.instances()])
    for component in COMPONENTS:
        lab.store.health.note(component, ok=False, at=now, latency_ms=None, reason=CANARY)
    lab.store.audit.add(by, CANARY, CANARY, {CANARY: CANARY}, [CANARY])
    _add_rule(lab, by)
    _add_people(lab, by)
    _add_log_lines(lab)
    _run_job(lab)
    for record in lab.store.registry.records():
        if record.state != "champion":
            for action in (ModelAction.DISABLE, ModelAction.ENABLE):
                lab.store.registry.move(record.name, record.version, action, by)
    return lab


def _add_workload(lab: Lab, by: By) -> None:
    needs = Requirements(families=(CANARY,), architecture="x86_64")
    for reason in (CANARY, f"{CANARY} again"):
        workload = Workload(
            "checkpointed-training",  # the first row of the table
            1,
            f"{CANARY} {reason}",
            work_lost_h=0.5,
            recovery_h=0.1,
            regions=("us-east-1", CANARY),
            zones=(CANARY,),
            hardware=HardwareRule(equal_gpus=frozenset({CANARY})),
            requirements=needs,
            group_tag=CANARY,
        )
        lab.store.workloads.save(workload, replace(by, reason=reason))
    rule = f"{CANARY}={CANARY}"
    lab.store.workloads.assign(AssignmentScope.TAG, rule, "checkpointed-training", by)


def _add_rule(lab: Lab, by: By) -> None:
    ringing = FiringAlert(CANARY, CANARY, by.at, by.at, CANARY)
    rule = AlertRule(
        "0f1e2d3c4b5a",
        CANARY,
        Condition(AlertKind.PRICE, account=CANARY, threshold=0.1),
        Channel.WEBHOOK,
        "https://h.example/…",
        True,
        by.at,
        CANARY,
        {CANARY: ringing},
    )
    lab.store.alerts.add(rule, address_cipher(lab.settings).encrypt("https://h.example/x"), by)
    message = Message(Event.FIRING, CANARY, CANARY, CANARY, None, by.at, by.at)
    lab.store.alerts.record_firing(rule.rule_id, {CANARY: ringing}, [message])


def _add_people(lab: Lab, by: By) -> None:
    for name in ("ana", CANARY):
        user = User(name, Role.ADMIN, (CANARY,), CANARY, None, True, True, None, by.at, by.at)
        lab.store.users.add(user, by, "x")
    session = UserSession(
        ME.session_id or "", "ana", by.at, by.at, by.at, by.at + timedelta(hours=9), None,
        "password", CANARY, CANARY,
    )  # fmt: skip
    lab.store.sign_ins.begin(session, "x", by)
    for number in range(2):
        token = ApiToken(
            f"{number:012x}", "ana", CANARY, frozenset({Right.READ}), by.at,
            by.at + timedelta(days=number), None, None,
        )  # fmt: skip
        lab.store.tokens.add(token, f"x{number}", by)


def _add_log_lines(lab: Lab) -> None:
    for level in ("INFO", "ERROR"):
        line: dict[str, Any] = dict.fromkeys(
            ("message", "component", "process", "role", "request_id", "user", "account"), CANARY
        )
        line |= {"time": lab.clock.now().isoformat(), "level": level, "correlation_id": CANARY}
        line |= {"fields": {CANARY: CANARY, "deep": {CANARY: [CANARY]}}, "error": CANARY}
        lab.log_stream.append([json.dumps(line)])


def _run_job(lab: Lab, name: str = "evaluate-fleet") -> None:
    now, jobs = lab.clock.now(), lab.store.jobs
    jobs.request_run(name, By(CANARY, now, CANARY))
    asked_at = jobs.settings()[name].asked_at
    assert asked_at is not None
    run = jobs.start(name, asked_at, now, None, CANARY, 1, CANARY)
    assert run is not None
    jobs.finish(run, RunState.FAILED, CANARY, {CANARY: CANARY}, now)


def hostile_card(models_dir: Path) -> None:
    """Another version of the toy model, with the canary in every text of its card."""
    save_carded_model(models_dir, "1.1.0", **_hostile(DETAILS))


def _hostile(value: Any) -> Any:
    if isinstance(value, str):
        return CANARY
    if isinstance(value, list):
        return [_hostile(each) for each in value]
    if isinstance(value, dict):
        return {name: _hostile(each) for name, each in value.items()}
    return value
