"""Access to every route, operation and page, tested with every role, for own and other accounts.

Routes, operations and pages are discovered; one without an entry in this module fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.routing import Route

from spotlab.api import server
from spotlab.api.application import build
from spotlab.api.identity import principal_of
from spotlab.api.mount import LabApi
from spotlab.domain.access import RIGHTS, Principal, Right, Role
from spotlab.domain.alerts import AlertKind, Channel, Condition
from spotlab.domain.ports import Account, By
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.common import session
from spotlab.ui.common.links import PAGE_TABLE
from tests.conftest import ROOT
from tests.support import switches as make
from tests.support.app_test import AppTest
from tests.support.lab import FLEET, add_account, save_toy_model, small_lab
from tests.support.people import ANA, open_pages_as

OPEN: Final = None
"""Open to everyone: it shows no user's data, or it asks for a password itself."""

ROUTES: Final[dict[str, Right | None]] = {
    "/instances": OPEN,  # redirects to /, which requires sign-in
    "/healthz": OPEN,
    "/readyz": OPEN,
    "/metrics": Right.READ_METRICS,
    "/sign-in": OPEN,
    "/sign-out": OPEN,
    "/sign-in.css": OPEN,
    "/sign-in.svg": OPEN,
    "/sign-in/provider": OPEN,
    "/sign-in/provider/done": OPEN,
    "/first-administrator": OPEN,
    "/choose-password": OPEN,
    "/api/openapi.json": OPEN,
    "/api/docs": OPEN,
}

OPERATIONS: Final[dict[str, Right | None]] = {
    "get_health": OPEN,
    **dict.fromkeys(
        (
            "get_me",
            "list_components",
            "list_accounts",
            "get_account",
            "get_account_listing",
            "list_instances",
            "get_instance",
            "get_requirements",
            "get_pipeline",
            "list_candidates",
            "explain_pool",
            "list_experiments",
            "list_instance_experiments",
            "get_experiment",
            "list_experiment_candidates",
            "list_experiment_outcomes",
            "explain_decision",
            "explain_experiment",
            "replay_experiment",
            "list_models",
            "get_model",
            "list_model_events",
            "get_performance",
            "get_online_weights",
            "list_model_experiments",
            "list_jobs",
            "get_job",
            "list_job_runs",
            "get_market",
            "list_uptime",
            "list_component_day",
            "list_alerts",
            "list_alert_deliveries",
            "list_alert_rules",
            "get_alert_rule",
            "list_throughputs",
            "list_performance_claims",
            "list_spot_events",
            "get_event_reading",
            "get_event_setup",
            "compare_performance",
            "list_workloads",
            "get_workload",
            "list_workload_versions",
            "list_workload_assignments",
            "get_instance_workload",
            "list_policies",
            "get_policy",
            "get_policy_diff",
            "get_policy_shadow",
            "get_policy_preview",
            "what_if",
            "list_switches",
            "get_switch",
            "list_switch_journal",
            "get_switching",
            "get_installation_guards",
            "get_account_guards",
            "list_autonomy",
        ),
        Right.READ,
    ),
    **dict.fromkeys(
        (
            "assign_model",
            "set_mode",
            "set_shadow",
            "set_requirements",
            "save_throughputs",
            "remove_throughputs",
            "save_workload",
            "assign_workload",
            "unassign_workload",
        ),
        Right.CHANGE_INSTANCES,
    ),
    **dict.fromkeys(("save_policy", "set_policy_state"), Right.CHANGE_INSTANCES),
    **dict.fromkeys(("evaluate_instance", "evaluate_many"), Right.EVALUATE),
    "collect_market": Right.COLLECT,
    **dict.fromkeys(
        (
            "create_account",
            "change_account",
            "validate_account",
            "get_account_role",
            "rotate_external_id",
            "confirm_external_id",
            "cancel_rotation",
            "remove_account",
        ),
        Right.CHANGE_ACCOUNTS,
    ),
    **dict.fromkeys(
        (
            "create_alert_rule",
            "change_alert_rule",
            "delete_alert_rule",
            "test_alert_rule",
            "get_alert_signing_key",
        ),
        Right.CHANGE_ALERTS,
    ),
    **dict.fromkeys(("list_audit", "check_audit"), Right.READ_AUDIT),
    **dict.fromkeys(("plan_switch", "request_switch", "get_orphans"), Right.REQUEST_SWITCHES),
    **dict.fromkeys(
        (
            "approve_switch",
            "reject_switch",
            "resume_switch",
            "release_switches",
            "change_installation_guards",
            "change_account_guards",
            "delete_orphans",
        ),
        Right.APPROVE_SWITCHES,
    ),
    **dict.fromkeys(("pause_switch", "roll_back_switch", "stop_switches"), Right.STOP_SWITCHES),
    "upload_model": Right.UPLOAD_MODELS,
    "decide_model": Right.DECIDE_MODELS,
    **dict.fromkeys(("change_job", "run_job"), Right.RUN_JOBS),
    **dict.fromkeys(("list_logs", "stream_logs"), Right.READ_LOGS),
    "list_metrics": Right.READ_METRICS,
    **dict.fromkeys(
        (
            "list_users",
            "create_user",
            "get_user",
            "change_user",
            "list_tokens",
            "create_token",
            "revoke_token",
        ),
        Right.CHANGE_USERS,
    ),
}

RULE: Final = {
    "name": "a test",
    "condition": {"kind": "state", "component": "database"},
    "channel": "webhook",
    "address": "http://127.0.0.1:9/hook",
}
BODIES: Final[dict[str, Any]] = {
    "create_account": {
        "name": "acme",
        "aws_account_id": "1" * 12,
        "regions": ["us-east-1"],
    },
    "change_account": {"active": True},
    "rotate_external_id": {},
    "confirm_external_id": {},
    "create_alert_rule": RULE,
    "change_alert_rule": {"enabled": True},
    "assign_model": {"model": None},
    "set_mode": {"mode": "linear"},
    "set_shadow": {"shadow": True},
    "set_requirements": {"requirements": None},
    "save_workload": {
        "description": "Of a test.",
        "work_lost_h": 0.5,
        "recovery_h": 0.1,
        "expected_version": None,
    },
    "decide_model": {},
    "approve_switch": {},
    "reject_switch": {},
    "pause_switch": {},
    "resume_switch": {},
    "roll_back_switch": {},
    "stop_switches": {},
    "release_switches": {},
    "change_installation_guards": {"switches_per_hour": 9},
    "change_account_guards": {"mode": "dry-run"},
    "save_policy": {"name": "default", "parameters": {"cooldown_h": 12.0}},
    "set_policy_state": {"state": "shadow"},
    "change_job": {"paused": False},
    "run_job": {},
    "create_user": {"name": "cleo", "role": "viewer", "accounts": ["acme"]},
    "change_user": {"active": True},
    "save_throughputs": {"throughputs": [{"name": "m7g.large", "throughput": 1180.0}]},
    "create_token": {"user": "viewer", "name": "n", "scopes": ["read"], "valid_days": 1},
}
"""Valid request bodies; those of `evaluate_many`, `what_if` and `upload_model` are built in
`request_of`."""

ENDLESS: Final = frozenset({"stream_logs"})
"""Endless responses: requested only with roles that are refused."""
GONE: Final = frozenset({"revoke_token", "delete_alert_rule"})
"""Requested for something that does not exist: 404 for roles with the right."""
OF_ALL_ACCOUNTS: Final = frozenset(
    {
        "save_workload",
        "save_throughputs",
        "remove_throughputs",
        "save_policy",
        "set_policy_state",
        "change_installation_guards",
    }
)
"""Changes that affect all accounts: 403 for users who see only some."""
NAMES_AN_INSTANCE: Final = frozenset(
    {
        "evaluate_many",
        "what_if",
        "assign_workload",
        "unassign_workload",
        "plan_switch",
        "request_switch",
    }
)
"""Name an instance in their body or query: 404 for those of other accounts."""
OF_AN_ACCOUNT: Final = ("instance_id", "name", "experiment_id")
OF_SOMEBODY: Final = (
    *(f"/api/v1/{part}/" for part in ("accounts", "instances", "experiments", "alerts/rules")),
    "/api/v1/switches/{switch_id}",
)
WEB: Final = FLEET[0][0]
PEOPLE: Final = ("nobody", *Role)


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_toy_model(folder)
    return folder


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Lab]:
    """A lab with the account acme, which all test users see, and zeta, which none of them sees."""
    with small_lab(tmp_path_factory.mktemp("home"), models_dir) as made:
        Services(made, ANA).instances.evaluate()
        add_account(made)
        made.store.fleet.save_account(Account("zeta", "9" * 12))  # demo visitors see emulated ones
        for account in ("acme", "zeta"):
            risk = Condition(AlertKind.RISK, account=account, threshold=0.5)
            Services(made, ANA).alerts.add(account, risk, Channel.WEBHOOK, RULE["address"])
            pending = make.switch(
                f"sw-{account}",
                account=account,
                instance_id=f"i-of-{account}",
                expires_at=made.clock.now() + timedelta(hours=1),
            )
            made.store.switches.create(pending, By("ana", made.clock.now()))
        made.settings = made.settings.model_copy(
            update={
                "auth": "accounts",
                "api_reads_per_minute": 100_000,
                "api_writes_per_minute": 100_000,
            }
        )
        yield made


@pytest.fixture(scope="module")
def tokens(lab: Lab) -> dict[str, str]:
    """An API token with all the rights of each role, of a user who sees only acme."""
    made = {}
    services = Services(lab, ANA)
    for role in (role for role in Role if role is not Role.DEMO):
        services.users.add(role.value, role, accounts=["acme"])
        made[role.value] = services.api_tokens.create(
            role.value, "of a test", RIGHTS[role], timedelta(days=1)
        )[1]
    return made


@pytest.fixture(scope="module")
def app(lab: Lab) -> Starlette:
    """The server's own routes and middleware, without Streamlit."""
    api = LabApi(lambda: build(lambda: lab, principal_of))
    routes = [api if isinstance(route, LabApi) else route for route in server.ROUTES]
    return Starlette(routes=routes, middleware=server.MIDDLEWARE)


@pytest.fixture
def asked(
    app: Starlette, lab: Lab, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Sends requests (method, path, options) with a role, and returns the status codes."""
    monkeypatch.setattr(app_process, "lab", lambda: lab)
    before = lab.settings

    async def all_of_them(who: str, requests: list[tuple[str, str, dict[str, Any]]]) -> list[int]:
        headers = {"If-Match": "*"}
        if who in tokens:
            headers["Authorization"] = f"Bearer {tokens[who]}"
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return [
                (
                    await client.request(
                        method,
                        path,
                        **options | {"headers": headers | options.get("headers", {})},
                    )
                ).status_code
                for method, path, options in requests
            ]

    def ask(who: str, requests: list[tuple[str, str, dict[str, Any]]]) -> list[int]:
        lab.settings = before.model_copy(update={"demo_visitors": who == Role.DEMO})
        return asyncio.run(all_of_them(who, requests))

    yield ask
    lab.settings = before


def operations(lab: Lab) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Every operation in the OpenAPI document: its id, method, path and description."""
    document: dict[str, Any] = build(lambda: lab, principal_of).openapi()  # type: ignore[attr-defined]
    return [
        (operation["operationId"], method.upper(), path, operation)
        for path, found in document["paths"].items()
        for method, operation in found.items()
    ]


def request_of(
    name: str, method: str, path: str, operation: dict[str, Any], values: dict[str, str]
) -> tuple[str, str, dict[str, Any]]:
    """A valid request for an operation."""
    options: dict[str, Any] = {}
    if "requestBody" in operation:
        if name == "upload_model":
            options["content"], options["headers"] = b"no zip", {"Content-Type": "application/zip"}
        elif name in ("plan_switch", "request_switch"):
            options["json"] = {"instance_id": values["instance_id"]}
        elif name == "evaluate_many":
            options["json"] = {"instance_ids": [values["instance_id"]]}
        elif name == "assign_workload":
            options["json"] = {
                "scope": "instance",
                "key": values["instance_id"],
                "workload": "queue-worker",
            }
        elif name == "what_if":
            options["json"] = {
                "instance_ids": [values["instance_id"]],
                "changes": {"risk_ceiling": 0.01},
            }
            options["headers"] = {"Origin": "http://127.0.0.1"}  # demo visitors may use it too
        else:
            options["json"] = BODIES[name]
    needed = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
    if name == "unassign_workload":
        options["params"] = {"scope": "instance", "key": values["instance_id"]}
    if "pool" in needed:
        options["params"] = {"pool": values["pool"]}
    if name == "compare_performance":
        options["params"] = {"own_type": "m6g.large", "other_type": "m7g.large"}
    return method, path.format_map(values), options


def of_whom(lab: Lab, account: str) -> dict[str, str]:
    """Values of path parameters for an account; parameters without an account have fixed values."""
    instance = next(i for i in lab.store.fleet.instances() if i.account == account)
    decision = lab.store.ledger.latest_per_instance()[instance.instance_id]
    return {
        "instance_id": instance.instance_id,
        "name": account,
        "experiment_id": str(decision.experiment_id),
        "reference": "toy@1.0.0",
        "policy": "default@1",
        "step": "disable",
        "pool": instance.pool.key,
        "token_id": "0" * 12,
        "key": "database",
        "switch_id": f"sw-{account}",
        "rule_id": next(r.rule_id for r in lab.store.alerts.rules() if r.name == account),
    }


def may(who: str, right: Right) -> bool:
    return who != "nobody" and right in RIGHTS[Role(who)]


@pytest.mark.parametrize("who", PEOPLE)
def test_every_operation_of_the_api(who: str, lab: Lab, asked: Any) -> None:
    wrong = []
    for account in ("acme", "zeta"):
        values = of_whom(lab, account)
        sent, expected = [], []
        for name, method, path, operation in operations(lab):
            assert name in OPERATIONS, f"{name} ({method} {path}) needs a right in OPERATIONS"
            right = OPERATIONS[name]
            allowed = right is OPEN or (may(who, right) and name not in OF_ALL_ACCOUNTS)
            if name in ENDLESS and allowed:
                continue
            if path.startswith("/api/v1/jobs"):
                values_here = values | {"name": "collect-prices"}
            elif path.startswith("/api/v1/workloads"):
                values_here = values | {"name": "queue-worker"}
            elif path.startswith("/api/v1/users"):
                values_here = values | {"name": "viewer"}
            elif name == "delete_alert_rule":
                values_here = values | {"rule_id": "0" * 12}
            else:
                values_here = values
            sent.append(request_of(name, method, path, operation, values_here))
            theirs = account == "acme" or not (
                path.startswith(OF_SOMEBODY) or name in NAMES_AN_INSTANCE
            )
            expected.append((name, right, allowed, theirs))
        for (method, path, _), status, (name, _, allowed, theirs) in zip(
            sent, asked(who, sent), expected, strict=True
        ):
            if not allowed:
                good = (
                    status == 401
                    if who == "nobody"
                    else status in (403, 404 if not theirs else 403)
                )
            elif not theirs:
                good = status == 404
            else:
                good = status not in (401, 403, 404 if name not in GONE else 403, 500)
            if not good:
                wrong.append(f"{who} {method} {path}: {status} (allowed {allowed}, own {theirs})")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("who", PEOPLE)
def test_every_route_beside_the_screens(who: str, asked: Any) -> None:
    sent = [
        (method, route.path, {})
        for route in server.ROUTES
        if isinstance(route, Route)
        for method in sorted(route.methods or ())
        if method != "HEAD"
    ]
    sent += [("GET", "/api/openapi.json", {}), ("GET", "/api/docs", {})]
    wrong = []
    for (method, path, _), status in zip(sent, asked(who, sent), strict=True):
        assert path in ROUTES, f"{path} needs a right in ROUTES"
        right = ROUTES[path]
        if right is OPEN:
            good = status < 500 or path == "/readyz"
        elif may(who, right):
            good = status == 200
        else:
            good = status == (401 if who == "nobody" else 403)
        if not good:
            wrong.append(f"{who} {method} {path}: {status}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", ["/", "/audit", "/_stcore/stream", "/what/ever", "/media/x.png"])
def test_nobody_reaches_what_is_behind_the_door(path: str, asked: Any) -> None:
    (status,) = asked("nobody", [("GET", path, {})])
    assert status in (303, 401, 403)


PAGES: Final = {page.name: page.right for page in PAGE_TABLE}
FILES: Final = sorted((ROOT / "pages").glob("*.py"))


def test_every_page_is_in_the_table() -> None:
    assert {path.stem for path in FILES} == PAGES.keys()


def guarded() -> None:
    """Run every page's guard; `tests/ui/test_guard.py` compares the guards with the page table."""
    import streamlit as st

    from spotlab.ui.common import guard
    from spotlab.ui.common.links import PAGE_TABLE

    for page in PAGE_TABLE:
        try:
            guard.require(page.right)
        except InterruptedError:
            continue
        st.text(page.name)


@pytest.mark.parametrize("role", Role)
def test_every_page_lets_in_whom_it_is_for(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:  # Streamlit's own would end the script
        raise InterruptedError

    monkeypatch.setattr(st, "stop", stop)
    open_pages_as(monkeypatch, Principal("somebody", role, ("acme",), via="a test"))
    page = AppTest.from_function(guarded).run()
    let_in = [element.value for element in page.text]
    assert let_in == [entry.name for entry in PAGE_TABLE if entry.right in RIGHTS[role]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_page_shows_anything_foreign(
    path: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator of acme follows links to zeta's data; everything sent to the browser is
    searched, after an administrator of all accounts has filled the shared caches."""
    monkeypatch.setattr(app_process, "lab", lambda: lab)
    foreign = of_whom(lab, "zeta")
    links = {"instance": foreign["instance_id"], "id": foreign["experiment_id"]}
    if path.stem == "explanations":
        links["decision"] = foreign["experiment_id"]
    for sees in (None, ("acme",)):
        open_pages_as(monkeypatch, Principal("eve", Role.ADMIN, sees, via="a test"))
        session.first_run().wait(30)
        page = AppTest.from_file(str(ROOT / "spotlab/ui/common/frame.py"), default_timeout=30)
        page.query_params.update(links)
        if path.stem != "instances":
            page.switch_page(str(path))
        page.run()
    st.cache_resource.clear()
    sent = b"".join(node.proto.SerializeToString() for node in elements(page._tree))
    needles = ("secret-1", foreign["instance_id"])
    # Administrators choose among account names on the page of users.
    needles += ("zeta",) if path.stem != "users" else ()
    found = [needle for needle in needles if needle.encode() in sent]
    assert not found, f"{path.stem} shows {found}"


def elements(node: Any) -> Iterator[Any]:
    """Every element of a page."""
    for child in getattr(node, "children", {}).values():
        if hasattr(child, "children"):
            yield from elements(child)
        elif hasattr(child, "proto"):
            yield child
