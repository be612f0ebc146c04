"""`spotlab health` and `spotlab alerts`: does every part work, and who is told?"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command, nested, no_arguments
from spotlab.cli.decision_output import Answer
from spotlab.cli.local_session import at_desk
from spotlab.domain.alerts import (
    HIGHEST_THRESHOLD,
    LONGEST_H,
    LONGEST_WINDOW_MIN,
    MOST_TRIES,
    AlertKind,
    AlertRule,
    Channel,
    Condition,
    Feed,
)
from spotlab.domain.components import COMPONENTS, DEGRADED, DOWN, UNKNOWN
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings
from spotlab.telemetry.text import in_lines

if TYPE_CHECKING:
    from spotlab.monitoring.health.report import Health, PartHealth


def _health(_args: argparse.Namespace, settings: Settings) -> Answer:
    with at_desk(settings) as desk:
        health = desk.health.read()
    down = [part.state.name for part in health.parts if part.state.state == DOWN]
    failed = f"down: {', '.join(down)}" if down else ""
    return Answer(_health_document(health), _health_text(health), 1 if down else 0, failed)


def _health_document(health: Health) -> dict[str, Any]:
    """Stable keys: since, now, probes, parts[]; unknown is null."""
    return {
        "since": health.since.isoformat(),
        "now": health.now.isoformat(),
        "probes": health.probes,
        "parts": [_part(part) for part in health.parts],
    }


def _part(part: PartHealth) -> dict[str, Any]:
    p50, p95, p99 = part.done.latency_ms
    return {
        "name": part.state.name,
        "state": part.state.state,
        "reason": part.state.reason,
        "last_success_at": part.last_success_at.isoformat() if part.last_success_at else None,
        "worked": part.done.rate.ok,
        "failed": part.done.rate.failed,
        "latency_ms": {"p50": p50, "p95": p95, "p99": p99},
        "up_share_of_known": part.uptime.up,
        "unknown_share": part.uptime.unknown,
    }


def _health_text(health: Health) -> str:
    lines = [f"{'state':<9} {'part':<17}{'worked':>13}{'up':>9}{'unknown':>9}  reason"]
    for part in health.parts:
        rate, up = part.done.rate, part.uptime.up
        worked = f"{rate.ok} of {rate.total}" if rate.total else "—"
        lines.append(
            f"{part.state.state:<9} {part.state.name:<17}{worked:>13}"
            f"{'—' if up is None else f'{up:.2%}':>9}{part.uptime.unknown:>9.1%}"
            f"  {part.state.reason}"
        )
    lines.append(f"{health.probes:,} probes in 24 h; up: share of the time that is known")
    return in_lines(lines)


def _list(_args: argparse.Namespace, settings: Settings) -> Answer:
    with at_desk(settings) as desk:
        rules, told = desk.alerts.rules(), desk.alerts.history(limit=20)
    lines = [_rule_text(rule) for rule in rules] or ["There are no alert rules."]
    lines += [
        f"{each.at:%Y-%m-%d %H:%M:%S} {each.message['event']} {each.message['subject']}: "
        f"{each.state}, {each.attempts} attempts{f'. {each.error}' if each.error else ''}"
        for each in told
    ]
    document = {
        "rules": [_rule(rule) for rule in rules],
        "deliveries": [{**asdict(each), "message": dict(each.message)} for each in told],
    }
    return Answer(document, in_lines(lines))


def _rule(rule: AlertRule) -> dict[str, Any]:
    return {**asdict(rule), "rings_when": rule.condition.words}


def _rule_text(rule: AlertRule) -> str:
    state = "off" if not rule.enabled else "rings" if rule.rung else "quiet"
    return (
        f"{rule.rule_id} {state:<6} {rule.name}: {rule.condition.words} "
        f"({rule.channel} to {rule.shown_address})"
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME")
    add("kind", choices=[kind.value for kind in AlertKind])
    add("--channel", choices=[each.value for each in Channel], default=Channel.WEBHOOK.value)
    add("--address-file", type=Path, help="file with the receiver's address (default: stdin)")
    add("--part", choices=COMPONENTS, help="of state and failures (default: any)")
    add("--state", action="append", choices=[DOWN, DEGRADED, UNKNOWN], help="repeat for several")
    add("--feed", choices=[feed.value for feed in Feed], help="of staleness")
    add("--instance", default="", metavar="INSTANCE_ID", help="of risk and price")
    add("--account", default="", help="of risk and price")
    add("--pool", default="", metavar="POOL", help="of price: region:zone:type:system")
    over = options.number(0, HIGHEST_THRESHOLD, above=True)
    add("--over", type=over, metavar="N", help="minutes, share, probability or USD per hour")
    add("--of-on-demand", action="store_true", help="price: --over is a share of on-demand")
    window = options.number(1, LONGEST_WINDOW_MIN, "minutes")
    add("--window-min", type=window, default=60.0, metavar="MIN")
    add("--least", type=options.whole(1, MOST_TRIES, "tries"), default=5, metavar="N")
    horizon = options.number(0, LONGEST_H, "hours", above=True)
    add("--horizon-h", type=horizon, default=24.0, metavar="H")
    again = options.number(0, LONGEST_H, "hours")
    add("--again-h", type=again, default=24.0, metavar="H", help="told again after; 0: never")


def _add(args: argparse.Namespace, settings: Settings) -> Answer:
    condition = Condition(
        kind=AlertKind(args.kind),
        component=args.part or "",
        instance_id=args.instance,
        account=args.account,
        pool=args.pool,
        feed=args.feed or "",
        states=tuple(args.state or (DOWN, DEGRADED)),
        threshold=args.over,
        of_on_demand=args.of_on_demand,
        window_min=args.window_min,
        least=args.least,
        horizon_h=args.horizon_h,
        again_h=args.again_h,
    )
    address = _address(args.address_file)
    with at_desk(settings) as desk:
        added = desk.alerts.add(args.name, condition, Channel(args.channel), address)
    text = f"{_rule_text(added.rule)}\nsigning key: {added.signing_key}"
    return Answer({"rule": _rule(added.rule), "signing_key": added.signing_key}, text)


def _address(file: Path | None) -> str:
    """It is a secret, so it is no argument: those can be read in the list of processes."""
    if file is None:
        return sys.stdin.readline().strip()
    try:
        return file.read_text().strip()
    except OSError as exc:
        raise InvalidSetting(f"--address-file cannot be read: {exc.strerror}.") from None


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule_id", metavar="RULE_ID")


def _test(args: argparse.Namespace, settings: Settings) -> Answer:
    with at_desk(settings) as desk:
        answer = desk.alerts.test(args.rule_id)
    failed = "" if answer.ok else "The receiver did not take it."
    document = {"taken": answer.ok, "answer": answer.words}
    return Answer(document, answer.words, 0 if answer.ok else 1, failed)


def _delete(args: argparse.Namespace, settings: Settings) -> Answer:
    with at_desk(settings) as desk:
        desk.alerts.delete(args.rule_id)
    return Answer({"deleted": args.rule_id}, f"{args.rule_id} is deleted")


HEALTH = Command(
    "health", "Show the health of every component, now and over 24 h.", no_arguments, _health
)
ALERTS = nested(
    "alerts",
    "Evaluate alert rules, add, test and delete them.",
    lambda: (
        Command("list", "Every rule, and what was told.", no_arguments, _list),
        Command("add", "Add a rule; its receiver's address is read.", _add_arguments, _add),
        Command("test", "Send a test, and say what was answered.", _one, _test),
        Command("delete", "Watch a rule no longer.", _one, _delete),
    ),
)
