"""Invisible characters in names and reasons are rejected, and never sent to receivers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from spotlab.domain.alerts import AlertKind, Channel, Condition
from spotlab.domain.ports import AuditFilter
from spotlab.errors import InvalidInput
from spotlab.monitoring.alerts.payloads import body
from spotlab.runtime.lab import Lab
from spotlab.scheduling.schedules import parse
from spotlab.services import Services
from tests.support.lab import empty_lab
from tests.support.people import ANA

UNSEEN = ["\u202e", "\u2066", "\u200b", "\u061c", "\ufeff", "\u2060", "\U000e0041", "\x1b", "\x9b"]
EVIL = "web \u202egnp.exe\x1b[2J\n■ Alert: fake \U000e0041"
DOWN = Condition(AlertKind.STATE, component="Redis cache")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with empty_lab(tmp_path / "home", tmp_path / "models") as opened:
        yield opened


@pytest.mark.parametrize("channel", Channel)
def test_an_alert_shows_its_receiver_what_names_hide(channel: Channel) -> None:
    message = {
        "rule": {"id": "0f", "name": EVIL, "kind": "state"},
        "event": "firing",
        "key": EVIL,
        "subject": EVIL,
        "text": f"{EVIL} is down.",
        "value": None,
        "since": "2026-03-01T12:00:00Z",
        "at": "2026-03-01T12:00:00Z",
    }
    sent = body(channel, 1, message)
    texts = json.dumps(json.loads(sent), ensure_ascii=False)
    for sign in (*UNSEEN, "\\n"):
        assert sign not in texts.replace("\\\\n", "")
    assert "\\\\u202egnp.exe" in texts, "a reader must see the escaped character"


@pytest.mark.parametrize("sign", UNSEEN, ids=ascii)
def test_a_rule_a_token_and_a_reason_hide_nothing(lab: Lab, sign: str) -> None:
    services = Services(lab, ANA)
    before = lab.store.audit.count(AuditFilter())
    with pytest.raises(InvalidInput, match="visible characters") as refused:
        services.alerts.add(f"a{sign}b", DOWN, Channel.WEBHOOK, "https://h.example/x")
    assert sign not in str(refused.value)
    with pytest.raises(InvalidInput, match="A reason is one line"):
        services.alerts.add("a", DOWN, Channel.WEBHOOK, "https://h.example/x", reason=f"why{sign}")
    with pytest.raises(InvalidInput, match="A reason is one line"):
        services.jobs.pause("retention", f"why{sign}")
    assert services.alerts.rules() == []
    assert lab.store.audit.count(AuditFilter()) == before


def test_numbers_of_a_rule_have_limits(lab: Lab) -> None:
    services = Services(lab, ANA).alerts
    for changed in (
        {"window_min": 1e99},
        {"window_min": float("nan")},
        {"least": 10**30},
        {"horizon_h": float("inf")},
        {"again_h": 1e6},
        {"threshold": float("nan")},
        {"threshold": 1e99},
    ):
        asked = Condition(AlertKind.RISK, **{"threshold": 0.1, **changed})  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            services.add("a", asked, Channel.WEBHOOK, "https://h.example/x")
    assert services.rules() == []


@pytest.mark.parametrize(
    "schedule",
    [
        *("every nan min", "every inf h", "every -1 s", "every 1e9 s", "every 99999999999 h"),
        *("99 99 * * *", "*/0 * * * *", "0 0 31 2 *", "\x00 * * * *", "0 0 * * nan", "every ٣ min"),
        *("٣ 3 * * *", "0 0 * * \u202emon", f"every {'9' * 5_000} s", "1,2," * 500 + "3 * * * *"),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_an_impossible_schedule_is_refused_in_a_sentence(schedule: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(schedule)
    assert len(str(refused.value)) < 400
