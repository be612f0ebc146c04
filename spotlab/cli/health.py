"""`spotlab health` and `spotlab alerts`: component health and alert rules."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result, command_group, iso, no_arguments
from spotlab.cli.local_session import open_services
from spotlab.domain.alerts import (
    MAX_ATTEMPTS,
    MAX_HOURS,
    MAX_THRESHOLD,
    MAX_WINDOW_MIN,
    AlertKind,
    AlertRule,
    Channel,
    Condition,
    Feed,
)
from spotlab.domain.components import COMPONENTS, DEGRADED, DOWN, UNKNOWN
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.monitoring.health.report import ComponentHealth, Health


def _health(_args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        health = services.health.read()
    down = [part.state.name for part in health.components if part.state.state == DOWN]
    error = f"down: {', '.join(down)}" if down else ""
    return Result(_health_document(health), _health_text(health), 1 if down else 0, error)


def _health_document(health: Health) -> dict[str, Any]:
    """Stable keys: since, now, probes, parts[]; unknown is null."""
    return {
        "since": health.since.isoformat(),
        "now": health.now.isoformat(),
        "probes": health.probes,
        "parts": [_component_document(part) for part in health.components],
    }


def _component_document(part: ComponentHealth) -> dict[str, Any]:
    p50, p95, p99 = part.done.latency_ms
    return {
        "name": part.state.name,
        "state": part.state.state,
        "reason": part.state.reason,
        "last_success_at": iso(part.last_success_at),
        "worked": part.done.rate.ok,
        "failed": part.done.rate.failed,
        "latency_ms": {"p50": p50, "p95": p95, "p99": p99},
        "up_share_of_known": part.uptime.up,
        "unknown_share": part.uptime.unknown,
    }


def _health_text(health: Health) -> str:
    lines = [f"{'state':<9} {'component':<17}{'succeeded':>13}{'uptime':>9}{'unknown':>9}  reason"]
    for part in health.components:
        rate, uptime = part.done.rate, part.uptime.up
        succeeded = f"{rate.ok} of {rate.total}" if rate.total else "—"
        lines.append(
            f"{part.state.state:<9} {part.state.name:<17}{succeeded:>13}"
            f"{'—' if uptime is None else f'{uptime:.2%}':>9}{part.uptime.unknown:>9.1%}"
            f"  {part.state.reason}"
        )
    lines.append(f"{health.probes:,} probes in 24 h; uptime is a share of the known time")
    return in_lines(lines)


def _list(_args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        rules, notifications = services.alerts.rules(), services.alerts.history(limit=20)
    lines = [_rule_text(rule) for rule in rules] or ["No alert rules."]
    lines += [
        f"{each.at:%Y-%m-%d %H:%M:%S} {each.message['event']} {each.message['subject']}: "
        f"{each.state}, {each.attempts} attempts{f'. {each.error}' if each.error else ''}"
        for each in notifications
    ]
    document = {
        "rules": [_rule_document(rule) for rule in rules],
        "deliveries": [{**asdict(each), "message": dict(each.message)} for each in notifications],
    }
    return Result(document, in_lines(lines))


def _rule_document(rule: AlertRule) -> dict[str, Any]:
    return {**asdict(rule), "rings_when": rule.condition.words}


def _rule_text(rule: AlertRule) -> str:
    state = "off" if not rule.enabled else "firing" if rule.rung else "ok"
    return (
        f"{rule.rule_id} {state:<6} {rule.name}: {rule.condition.words} "
        f"({rule.channel} to {rule.shown_address})"
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="name of the rule, for people")
    add("kind", choices=[kind.value for kind in AlertKind], help="what the rule watches")
    add(
        "--channel",
        choices=[each.value for each in Channel],
        default=Channel.WEBHOOK.value,
        help=f"format of notifications (default {Channel.WEBHOOK.value})",
    )
    add(
        "--address-file",
        type=Path,
        help="file with the receiver's address (default: read from stdin)",
    )
    add("--part", choices=COMPONENTS, help="component, for state and failures (default: any)")
    add(
        "--state",
        action="append",
        choices=[DOWN, DEGRADED, UNKNOWN],
        help="states that fire, for state; repeat for several (default down, degraded)",
    )
    add("--feed", choices=[feed.value for feed in Feed], help="data to watch, for staleness")
    add(
        "--instance",
        default="",
        metavar="INSTANCE_ID",
        help="instance, for risk and price (default: any)",
    )
    add(
        "--account",
        default="",
        help="account of the instances, for risk and price (default: all you see)",
    )
    add(
        "--pool",
        default="",
        metavar="POOL",
        help="pool instead of instances, for price: region:zone:type:os",
    )
    threshold = options.number(0, MAX_THRESHOLD, above=True)
    add(
        "--over",
        type=threshold,
        metavar="N",
        help="threshold: minutes (staleness), share (failures), probability (risk), USD/h (price)",
    )
    add(
        "--of-on-demand",
        action="store_true",
        help="for price: --over is a share of the on-demand price",
    )
    window = options.number(1, MAX_WINDOW_MIN, "minutes")
    add(
        "--window-min",
        type=window,
        default=60.0,
        metavar="MIN",
        help="period that is counted, for failures, minutes (default 60)",
    )
    add(
        "--least",
        type=options.integer(1, MAX_ATTEMPTS, "attempts"),
        default=5,
        metavar="N",
        help="minimum number of attempts, for failures (default 5)",
    )
    horizon = options.number(0, MAX_HOURS, "hours", above=True)
    add(
        "--horizon-h",
        type=horizon,
        default=24.0,
        metavar="H",
        help="horizon, for risk, hours (default 24)",
    )
    again = options.number(0, MAX_HOURS, "hours")
    add(
        "--again-h",
        type=again,
        default=24.0,
        metavar="H",
        help="repeat the notification after this many hours; 0 for never (default 24)",
    )


def _add(args: argparse.Namespace, settings: Settings) -> Result:
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
    with open_services(settings) as services:
        added = services.alerts.add(args.name, condition, Channel(args.channel), address)
    text = f"{_rule_text(added.rule)}\nsigning key: {added.signing_key}"
    return Result({"rule": _rule_document(added.rule), "signing_key": added.signing_key}, text)


def _address(file: Path | None) -> str:
    """Read the receiver's address: a secret, and arguments are visible in the process list."""
    if file is None:
        return sys.stdin.readline().strip()
    try:
        return file.read_text().strip()
    except OSError as exc:
        raise InvalidSetting(f"--address-file cannot be read: {exc.strerror}.") from None


def _rule_id_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule_id", metavar="RULE_ID", help="id of the rule; see alerts list")


def _test(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        outcome = services.alerts.test(args.rule_id)
    error = "" if outcome.ok else "The receiver did not accept the notification."
    document = {"taken": outcome.ok, "answer": outcome.words}
    return Result(document, outcome.words, 0 if outcome.ok else 1, error)


def _delete(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        services.alerts.delete(args.rule_id)
    return Result({"deleted": args.rule_id}, f"Rule {args.rule_id} is deleted.")


HEALTH = Command(
    "health", "Show the health of every component, now and over 24 hours.", no_arguments, _health
)
ALERTS = command_group(
    "alerts",
    "List, add, test and delete alert rules.",
    lambda: (
        Command("list", "List the rules and the latest notifications.", no_arguments, _list),
        Command(
            "add",
            "Add a rule; the receiver's address is read from a file or stdin.",
            _add_arguments,
            _add,
        ),
        Command(
            "test",
            "Send a test notification and print the receiver's response.",
            _rule_id_argument,
            _test,
        ),
        Command("delete", "Delete a rule.", _rule_id_argument, _delete),
    ),
)
