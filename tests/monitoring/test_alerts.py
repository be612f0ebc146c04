"""Alert rules on a small lab, with real HTTP servers on loopback as receivers."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.domain.alert_state import Finding
from spotlab.domain.alerts import AlertKind, Channel, Condition
from spotlab.domain.components import DATABASE, DOWN, INSTANCE_MANAGER, PRICE_SCRAPER, REDIS_CACHE
from spotlab.domain.ports import AuditFilter, DeliveryState, Probe
from spotlab.errors import Forbidden, InvalidInput, NotAvailable, NotFound
from spotlab.monitoring.alerts import webhook_client
from spotlab.monitoring.alerts.conditions import ConditionCheck
from spotlab.monitoring.alerts.delivery import MAX_ATTEMPTS
from spotlab.monitoring.alerts.evaluation import evaluate_rules
from spotlab.monitoring.health.database_watch import check_database as watch_database
from spotlab.monitoring.health.prober import record_round
from spotlab.runtime.lab import Lab
from spotlab.scheduling.first_run import get_ready
from spotlab.services import Services
from spotlab.services.alerts import AlertService
from tests.monitoring.test_prober import break_database
from tests.support.lab import DictStore, add_account, save_toy_model, small_lab
from tests.support.market import StillClock
from tests.support.online_weights import learnt
from tests.support.people import ANA, person
from tests.support.receivers import LOOPBACK, SECRET_PATH, Receiver, running_receiver

REDIS_DOWN = Condition(AlertKind.STATE, component=REDIS_CACHE, again_h=1)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_toy_model(folder)
    return folder


@pytest.fixture
def online() -> DictStore:
    return DictStore()


@pytest.fixture
def lab(tmp_path: Path, models: Path, online: DictStore) -> Iterator[Lab]:
    made = small_lab(tmp_path, models, online)
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as made:
        yield made


def alert_service(lab: Lab, who: Principal = ANA) -> AlertService:
    return Services(lab, who).alerts


def pass_time(lab: Lab, **delta: float) -> dict[str, object]:
    """Let time pass, probe, and look at the rules: what the two jobs do."""
    assert isinstance(lab.clock, StillClock)
    lab.clock.forward(**delta)
    record_round(lab)
    return evaluate_rules(lab)


def test_a_part_that_goes_down_is_told_once_again_and_when_it_is_back(
    lab: Lab, online: DictStore, receiver: Receiver
) -> None:
    added = alert_service(lab).add("redis", REDIS_DOWN, Channel.WEBHOOK, receiver.address)
    pass_time(lab, seconds=30)
    assert receiver.received == []
    online.down = True
    for _ in range(4):
        pass_time(lab, seconds=30)
    assert receiver.events == ["firing"]
    assert (
        alert_service(lab)
        .rule(added.rule.rule_id)
        .rung["part:Redis cache"]
        .subject.endswith("is down")
    )
    pass_time(lab, minutes=61)
    assert receiver.events == ["firing", "still firing"]
    online.down = False
    pass_time(lab, seconds=30)
    pass_time(lab, seconds=30)
    assert receiver.events == ["firing", "still firing", "resolved"]
    first = receiver.messages[0]
    assert first["source"] == "spotlab"
    assert first["rule"]["name"] == "redis"
    assert first["subject"] == "Redis cache is down"
    assert "stopped" in first["text"]
    assert len({message["id"] for message in receiver.messages}) == 3


def test_a_receiver_is_told_of_no_account_that_the_author_does_not_see(
    lab: Lab, receiver: Receiver
) -> None:
    add_account(lab)
    fleet = Condition(AlertKind.STATE, component=INSTANCE_MANAGER)
    with running_receiver() as own:
        alert_service(lab).add("all", fleet, Channel.WEBHOOK, receiver.address)
        alert_service(lab, person(Role.OPERATOR, "acme")).add(
            "own", fleet, Channel.WEBHOOK, own.address
        )
        for _ in range(3):
            lab.clock.forward(seconds=30)  # type: ignore[attr-defined]
            now = lab.clock.now()
            lab.store.probes.record([Probe(INSTANCE_MANAGER, now, DOWN, None, "zeta refused us.")])
            evaluate_rules(lab)
        assert "zeta refused us." in receiver.messages[0]["text"]
        assert "another account refused us." in own.messages[0]["text"]
        assert not any(b"zeta" in body for _, body in own.received)


def test_nobody_has_a_rule_tell_of_more_than_its_author_saw(lab: Lab, receiver: Receiver) -> None:
    """Nor sends what another sees to a receiver of their own."""
    add_account(lab)
    fleet = Condition(AlertKind.STATE, component=INSTANCE_MANAGER)
    insider = alert_service(lab, person(Role.OPERATOR, "acme"))
    of_all = alert_service(lab).add("all", fleet, Channel.WEBHOOK, receiver.address).rule
    own = insider.add("own", fleet, Channel.WEBHOOK, receiver.address).rule
    for refused in (
        lambda: insider.change(of_all.rule_id, address=receiver.address),
        lambda: insider.change(of_all.rule_id, condition=fleet),
        lambda: insider.delete(of_all.rule_id),
        lambda: insider.signing_key(of_all.rule_id),
        lambda: insider.test(of_all.rule_id),
    ):
        with pytest.raises(Forbidden, match="does not see every account"):
            refused()
    for change in ({"enabled": False}, {"condition": replace(fleet, again_h=2.0)}):
        changed = alert_service(lab).change(own.rule_id, **change)  # type: ignore[arg-type]
        assert changed.condition.accounts == ("acme",)
    assert insider.change(own.rule_id, enabled=True).condition.accounts == ("acme",)


def test_a_receiver_can_check_the_signature(lab: Lab, receiver: Receiver) -> None:
    added = alert_service(lab).add("test", REDIS_DOWN, Channel.WEBHOOK, receiver.address)
    assert alert_service(lab).test(added.rule.rule_id).ok
    headers, body = receiver.received[0]
    at, signed = (part.split("=")[1] for part in headers[webhook_client.SIGNATURE].split(","))
    key = bytes.fromhex(added.signing_key)
    assert hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest() == signed
    assert alert_service(lab).signing_key(added.rule.rule_id) == added.signing_key


def test_a_test_says_the_status_alone(lab: Lab) -> None:
    with running_receiver(404) as receiver:
        receiver.response_body = "no_service"
        rule = alert_service(lab).add("slack", REDIS_DOWN, Channel.SLACK, receiver.address).rule
        answer = alert_service(lab).test(rule.rule_id)
    assert (answer.ok, answer.words) == (False, "It responded 404 Not Found.")
    assert receiver.messages[0]["blocks"][0]["text"]["text"] == "○ Test: a test of this receiver"
    gone = alert_service(lab).test(rule.rule_id)
    assert (gone.ok, gone.words) == (False, "It refused the connection.")


def test_what_is_not_taken_is_tried_again_later_and_later(lab: Lab, online: DictStore) -> None:
    online.down = True
    with running_receiver(503, 503, 500) as receiver:
        alert_service(lab).add("redis", REDIS_DOWN, Channel.WEBHOOK, receiver.address)
        seen = [pass_time(lab, seconds=15) and len(receiver.received) for _ in range(18)]
    # Tried at 15 s, after 30 s, after 60 s more, and after 120 s more: then it is taken.
    assert [seen.index(n) for n in (1, 2, 3, 4)] == [0, 2, 6, 14]
    (sent,) = alert_service(lab).history()
    assert (sent.state, sent.attempts, sent.error) == (
        DeliveryState.SENT,
        4,
        "It responded 200 OK.",
    )


def test_attempts_are_bounded(lab: Lab, online: DictStore) -> None:
    online.down = True
    with running_receiver(*[503] * 20) as receiver:
        rule = replace(REDIS_DOWN, again_h=0)
        alert_service(lab).add("redis", rule, Channel.WEBHOOK, receiver.address)
        for _ in range(MAX_ATTEMPTS + 3):
            pass_time(lab, minutes=40)
        assert len(receiver.received) == MAX_ATTEMPTS
    (failed,) = alert_service(lab).history()
    assert (failed.state, failed.next_try_at) == (DeliveryState.FAILED, None)
    assert "503" in failed.error


def test_the_outbox_survives_a_restart(
    lab: Lab, online: DictStore, tmp_path: Path, models: Path
) -> None:
    online.down = True
    with running_receiver(503) as receiver:
        alert_service(lab).add("redis", REDIS_DOWN, Channel.WEBHOOK, receiver.address)
        pass_time(lab, seconds=30)
        lab.close()
        again = small_lab(tmp_path, models, online)
        again.clock = lab.clock
        pass_time(again, seconds=31)
        assert receiver.events == ["firing", "firing"]
        assert len({message["id"] for message in receiver.messages}) == 1
        again.close()


def test_a_hung_receiver_delays_no_other(
    lab: Lab, online: DictStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spotlab.monitoring.alerts.webhook_client.post.__defaults__", (0.3,))
    online.down = True
    with running_receiver() as hung:
        import threading

        hung.hold = threading.Event()
        alert_service(lab).add("a hung one", REDIS_DOWN, Channel.WEBHOOK, hung.address)
        alert_service(lab).add("b", REDIS_DOWN, Channel.WEBHOOK, receiver.address)
        pass_time(lab, seconds=30)
        assert receiver.events == ["firing"]
    states = {delivery.state for delivery in alert_service(lab).history()}
    assert states == {DeliveryState.SENT, DeliveryState.WAITING}


def test_a_redirect_is_not_followed(lab: Lab, receiver: Receiver) -> None:
    with running_receiver(307) as elsewhere:
        elsewhere.location = receiver.address
        rule = alert_service(lab).add("r", REDIS_DOWN, Channel.WEBHOOK, elsewhere.address).rule
        assert "redirects are not followed" in alert_service(lab).test(rule.rule_id).words
    assert receiver.received == []


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "2852039166", "0.0.0.0"],
)
def test_metadata_addresses_are_never_asked(host: str) -> None:
    answer = webhook_client.post(f"http://{host}/latest/meta-data", b"{}", "00", 0)
    assert (answer.ok, answer.final) == (False, True)
    assert "its address is not allowed" in answer.words


@pytest.mark.parametrize(
    "address",
    [
        "ftp://host/x",
        "file:///etc/passwd",
        "http:///nowhere",
        "https://user:pw@host/",
        "http://a b",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(lab: Lab, address: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        alert_service(lab).add("r", REDIS_DOWN, Channel.WEBHOOK, address)
    assert address not in str(refused.value)
    assert alert_service(lab).rules() == []


def test_a_receiver_that_hangs_did_not_answer_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        address = f"http://127.0.0.1:{hung.getsockname()[1]}/hook"
        answer = webhook_client.post(address, b"{}", "00", 0, 0.02, networks=LOOPBACK)
    assert (answer.ok, answer.final, answer.words) == (False, False, "It did not respond in time.")


def test_the_address_is_nowhere_to_be_read(
    lab: Lab, online: DictStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    online.down = True
    with running_receiver(503) as receiver:
        added = alert_service(lab).add("redis", REDIS_DOWN, Channel.WEBHOOK, receiver.address)
        alert_service(lab).test(added.rule.rule_id)
        pass_time(lab, seconds=30)
    assert added.rule.shown_address == f"http://127.0.0.1:{receiver.port}/…"
    written = b"".join(path.read_bytes() for path in lab.settings.home.glob("spotlab.db*"))
    told = [
        repr(alert_service(lab).rules()),
        repr(alert_service(lab).history()),
        repr(lab.store.audit.entries()),
    ]
    for secret in ("hunter2", SECRET_PATH):
        assert secret.encode() not in written
        assert secret not in "\n".join([*told, caplog.text])


def test_an_address_sealed_with_another_key_is_explained(lab: Lab, receiver: Receiver) -> None:
    rule = alert_service(lab).add("r", REDIS_DOWN, Channel.WEBHOOK, receiver.address).rule
    (lab.settings.home / "secret.key").unlink()
    assert "another secret key" in alert_service(lab).test(rule.rule_id).words


def test_old_data_rings(lab: Lab, receiver: Receiver) -> None:
    old = Condition(AlertKind.STALENESS, feed="fleet", threshold=30)
    alert_service(lab).add("old", old, Channel.WEBHOOK, receiver.address)
    pass_time(lab, minutes=29)
    assert receiver.events == []
    pass_time(lab, minutes=2)
    assert receiver.events == ["firing"]
    assert receiver.messages[0]["value"] == pytest.approx(31)


def test_a_rate_of_failures_rings_when_there_are_enough_tries(lab: Lab, receiver: Receiver) -> None:
    often = Condition(AlertKind.FAILURES, component=PRICE_SCRAPER, threshold=0.5, least=3)
    alert_service(lab).add("often", often, Channel.WEBHOOK, receiver.address)
    for number in range(3):
        assert receiver.events == [], number
        note = lab.store.health.note
        note(PRICE_SCRAPER, ok=False, at=lab.clock.now(), latency_ms=9.0, reason="HTTP 503")
        pass_time(lab, seconds=1)
    assert receiver.events == ["firing"]


def test_risk_and_price_of_instances_ring(lab: Lab, receiver: Receiver) -> None:
    get_ready(lab)
    risky = {k: d.risk for k, d in lab.store.ledger.latest_per_instance().items() if d.risk}
    limit = sorted(risky.values())[0]
    alert_service(lab).add(
        "risk", Condition(AlertKind.RISK, threshold=limit), Channel.WEBHOOK, receiver.address
    )
    pool = "us-east-1:us-east-1a:m5.large:Linux"
    for name, about in (
        ("p1", Condition(AlertKind.PRICE, pool=pool, threshold=0.0411)),
        ("p2", Condition(AlertKind.PRICE, pool=pool, threshold=0.05)),
        ("p3", Condition(AlertKind.PRICE, pool=pool, threshold=0.4, of_on_demand=True)),
    ):
        alert_service(lab).add(name, about, Channel.WEBHOOK, receiver.address)
    assert evaluate_rules(lab)["failed"] == ""
    by_rule = {message["rule"]["name"] for message in receiver.messages}
    assert by_rule == {"risk", "p1", "p3"}
    told = {m["key"] for m in receiver.messages if m["rule"]["name"] == "risk"}
    assert told == {f"instance:{key}" for key, risk in risky.items() if risk > limit}


def test_a_job_that_failed_says_of_how_many_rules_and_why_and_not_of_which(
    lab: Lab, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("acme's secret project", "another"):
        alert_service(lab).add(name, REDIS_DOWN, Channel.WEBHOOK, receiver.address)

    def judge(_look: ConditionCheck, _condition: Condition) -> list[Finding]:
        raise NotAvailable("The online store is gone.", remedy="Start it.")

    monkeypatch.setattr(ConditionCheck, "judge", judge)
    said = evaluate_rules(lab)["failed"]
    assert said == "2 could not be evaluated: The online store is gone. Start it."


def test_drift_without_a_reference_is_unknown(lab: Lab, receiver: Receiver) -> None:
    get_ready(lab)
    alert_service(lab).add("drift", Condition(AlertKind.DRIFT), Channel.WEBHOOK, receiver.address)
    assert evaluate_rules(lab)["failed"] == ""
    assert receiver.events == []


def test_a_champion_that_falls_behind_a_rule_is_told_with_the_numbers(
    lab: Lab, receiver: Receiver
) -> None:
    get_ready(lab)
    condition = Condition(AlertKind.BEHIND, again_h=0)
    alert_service(lab).add("behind", condition, Channel.WEBHOOK, receiver.address)
    market, now = lab.reader.active(), lab.clock.now()

    def notified(behind: bool | None) -> list[str]:
        lab.store.online_weights.save(learnt(market, now, behind=behind), b"")
        assert evaluate_rules(lab)["failed"] == ""
        return receiver.events

    assert evaluate_rules(lab)["failed"] == ""
    assert receiver.events == [], "nothing was learnt yet"
    assert notified(None) == []
    assert notified(True) == ["firing"]
    assert notified(None) == ["firing"], "what is unknown resolves nothing"
    lab.store.online_weights.save(learnt(market, now - timedelta(days=2), behind=False), b"")
    assert evaluate_rules(lab)["failed"] == ""
    assert receiver.events == ["firing"], "what was learnt long ago resolves nothing"
    assert notified(False) == ["firing", "resolved"]
    told = json.dumps(receiver.messages[0])
    for part in ("pool rate", "0.1310", "0.1120", "0.0040", f"{now - timedelta(days=4):%Y-%m-%d}"):
        assert part in told


def test_who_may_not_see_an_account_sees_no_rule_about_it(lab: Lab, receiver: Receiver) -> None:
    risk = Condition(AlertKind.RISK, threshold=0.01)
    mine = alert_service(lab).add(
        "of acme", replace(risk, account="acme"), Channel.WEBHOOK, receiver.address
    )
    every = alert_service(lab).add("of all", risk, Channel.WEBHOOK, receiver.address)
    part = alert_service(lab).add("part", REDIS_DOWN, Channel.WEBHOOK, receiver.address)
    stranger, insider = person(Role.OPERATOR, "other"), person(Role.OPERATOR, "acme")
    assert [rule.name for rule in alert_service(lab, stranger).rules()] == ["part"]
    assert [rule.name for rule in alert_service(lab, insider).rules()] == ["of acme", "part"]
    for rule in (mine, every):
        with pytest.raises(NotFound):
            alert_service(lab, stranger).delete(rule.rule.rule_id)
    with pytest.raises(NotFound):
        alert_service(lab, stranger).add(
            "x", replace(risk, account="acme"), Channel.SLACK, receiver.address
        )
    narrow = alert_service(lab, insider).add("narrow", risk, Channel.SLACK, receiver.address).rule
    assert narrow.condition.accounts == ("acme",)
    with pytest.raises(Forbidden):
        alert_service(lab, person(Role.VIEWER)).delete(part.rule.rule_id)
    with pytest.raises(Forbidden):
        alert_service(lab, person(Role.RESEARCHER)).test(part.rule.rule_id)


def test_a_disabled_rule_is_silent_and_a_deleted_one_is_gone(
    lab: Lab, online: DictStore, receiver: Receiver
) -> None:
    online.down = True
    rule = alert_service(lab).add("redis", REDIS_DOWN, Channel.WEBHOOK, receiver.address).rule
    alert_service(lab).change(rule.rule_id, enabled=False, reason="maintenance")
    pass_time(lab, seconds=30)
    assert receiver.received == []
    alert_service(lab).change(rule.rule_id, enabled=True)
    pass_time(lab, seconds=30)
    assert receiver.events == ["firing"]
    alert_service(lab).delete(rule.rule_id)
    assert alert_service(lab).rules() == []
    actions = [entry.action for entry in lab.store.audit.entries(AuditFilter(action="alert"))]
    assert actions == ["alert.delete", "alert.change", "alert.change", "alert.add"]


def test_an_outage_of_the_database_is_told_while_it_lasts(lab: Lab, receiver: Receiver) -> None:
    down = Condition(AlertKind.STATE, component=DATABASE)
    alert_service(lab).add("database", down, Channel.SLACK, receiver.address)
    broken = break_database(lab)
    assert isinstance(lab.clock, StillClock)
    pass_time(lab, seconds=30)
    broken.set()
    for _ in range(3):
        lab.clock.forward(seconds=30)
        watch_database(lab)
    assert [json.loads(body)["text"].split(":")[0] for _, body in receiver.received] == ["■ Alert"]
    broken.clear()
    lab.clock.forward(seconds=30)
    watch_database(lab)
    pass_time(lab, seconds=1)
    texts = [json.loads(body)["text"] for _, body in receiver.received]
    assert len(texts) == 2
    assert texts[1].startswith("● Resolved: database is healthy")


def test_a_rule_sees_no_more_than_its_author_may_by_now(
    lab: Lab, online: DictStore, receiver: Receiver
) -> None:
    Services(lab, ANA).users.add("oda", Role.OPERATOR)
    oda = Principal("oda", Role.OPERATOR, via="a test")
    get_ready(lab)
    alert_service(lab, oda).add(
        "risk", Condition(AlertKind.RISK, threshold=1e-9), Channel.WEBHOOK, receiver.address
    )
    by = Services(lab, ANA).accounts.by("moved to another team")
    lab.store.users.change("oda", by, accounts=("another",))
    evaluate_rules(lab)
    assert receiver.received == [], "no instance of an account that is not theirs any more"
    alert_service(lab, oda).add("redis", REDIS_DOWN, Channel.WEBHOOK, receiver.address)
    lab.store.users.change("oda", by, role=Role.VIEWER)
    online.down = True
    assert pass_time(lab, seconds=30)["note"] == (
        "2 not evaluated: the author no longer has the right."
    )
    assert receiver.received == []
