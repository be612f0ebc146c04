"""`spotlab switches …`: plan, request, approve, stop and roll back switches, and their guards."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spotlab.cli import options
from spotlab.cli.command import Command, Result, command_group
from spotlab.cli.local_session import open_services
from spotlab.cli.switch_guards import (
    guard_arguments,
    instance_arguments,
    set_level,
    show_or_set,
)
from spotlab.cli.switch_output import (
    document,
    entry_document,
    entry_line,
    lines_of,
    plan_document,
    plan_lines,
    switch_lines,
    time_text,
)
from spotlab.domain.decision import Lifecycle
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_guards import Stop
from spotlab.domain.switch_moves import HealthCheck
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import Switch, SwitchState
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.services.switches import SwitchService


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--instance", metavar="ID", help="only switches of this instance")
    parser.add_argument(
        "--state", choices=[each.value for each in SwitchState], action="append", help="repeatable"
    )
    parser.add_argument("--open", action="store_true", help="only unfinished switches")
    parser.add_argument(
        "--limit", type=options.integer(1, 10_000), default=50, metavar="N", help="(default 50)"
    )


def _list(args: argparse.Namespace, settings: Settings) -> Result:
    where = SwitchFilter(
        instance_id=args.instance,
        states=tuple(SwitchState(each) for each in args.state) if args.state else None,
        open=True if args.open else None,
    )
    with open_services(settings) as services:
        found = services.switches.list(where, limit=args.limit)
        total = services.switches.count(where)
    head = f"{len(found)} of {total} switches:" if found else "There are no switches."
    return Result(
        {"switches": [document(each) for each in found], "total": total},
        in_lines([head, *switch_lines(found)]),
    )


def _switch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("switch_id", metavar="SWITCH", help="id of the switch, such as sw-…")


def _show(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        switch = services.switches.get(args.switch_id)
        journal = services.switches.journal(args.switch_id)
    return Result(
        {**document(switch), "journal": [entry_document(each) for each in journal]},
        in_lines([*lines_of(switch), "Journal:", *(entry_line(each) for each in journal)]),
    )


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", metavar="INSTANCE", help="id of the instance")
    parser.add_argument(
        "--pool",
        type=options.pool,
        help="pool to move to (default: the one of the newest decision)",
    )
    parser.add_argument(
        "--lifecycle", choices=[each.value for each in Lifecycle], default=Lifecycle.SPOT.value
    )
    parser.add_argument(
        "--decision", type=options.integer(1), metavar="N", help="number of the decision"
    )
    parser.add_argument("--strategy", choices=[each.value for each in Strategy])
    parser.add_argument(
        "--confirm",
        action="append",
        default=[],
        metavar="CODE",
        help="answer a question of the preflight with yes; repeatable",
    )


def _where(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "pool": args.pool,
        "lifecycle": Lifecycle(args.lifecycle),
        "experiment_id": args.decision,
        "strategy": None if args.strategy is None else Strategy(args.strategy),
        "confirmed": args.confirm,
    }


def _plan(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        plan = services.switches.plan(args.instance, **_where(args))
    blocking = ", ".join(dict.fromkeys(each.code for each in plan.preflight.blocking))
    return Result(
        plan_document(plan),
        in_lines(plan_lines(plan)),
        code=1 if plan.preflight.refused else 0,
        error=f"The preflight of {args.instance} refuses: {blocking}." if blocking else "",
    )


def _request_arguments(parser: argparse.ArgumentParser) -> None:
    _plan_arguments(parser)
    parser.add_argument(
        "--no-on-demand", action="store_true", help="never launch on-demand instead"
    )
    parser.add_argument(
        "--health-check",
        type=_health_check,
        metavar="URL",
        help="http:PORT/PATH or tcp:PORT, asked at the private address of the replacement",
    )
    parser.add_argument("--dry-run", action="store_true", help="list the calls only")
    options.add_reason(parser)


def _health_check(text: str) -> HealthCheck:
    kind, _, rest = text.partition(":")
    port, slash, path = rest.partition("/")
    if kind not in ("http", "tcp") or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise argparse.ArgumentTypeError(
            f"{text[:60]!r} is not a health check such as http:8080/health or tcp:5432"
        )
    return HealthCheck("http" if kind == "http" else "tcp", int(port), f"/{path}" if slash else "/")


def _request(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        switch = services.switches.request(
            args.instance,
            **_where(args),
            on_demand=not args.no_on_demand,
            health_check=args.health_check,
            dry_run=args.dry_run,
            reason=args.reason,
        )
        journal = services.switches.journal(switch.switch_id) if switch.dry_run else ()
    if switch.dry_run:
        lines = [f"{switch.switch_id} is a dry run; it would make these calls:"]
        lines += [entry_line(each) for each in journal]
    else:
        lines = [f"{switch.switch_id} waits for approval until {time_text(switch.expires_at)}."]
    full = {**document(switch), "journal": [entry_document(each) for each in journal]}
    return Result(full, in_lines(lines))


GOES_ON: Final = (
    "Switches under way stop before an instance is terminated; what can be undone, such as moving "
    "addresses, goes on. Roll them back to undo it."
)


def _action_arguments(parser: argparse.ArgumentParser) -> None:
    _switch_arguments(parser)
    options.add_reason(parser)


def _action(
    act: Callable[[SwitchService, argparse.Namespace], Switch],
) -> Callable[[argparse.Namespace, Settings], Result]:
    def run(args: argparse.Namespace, settings: Settings) -> Result:
        with open_services(settings) as services:
            switch = act(services.switches, args)
        return Result(document(switch), in_lines(lines_of(switch)))

    return run


def _stop_all(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        stops = services.switch_guards.stop_all(args.reason)
    return _stops(stops, GOES_ON)


def _release(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        stops = services.switch_guards.release(args.reason)
    return _stops(stops)


def _stops(stops: Sequence[Stop], note: str = "") -> Result:
    lines = [each.sentence for each in stops] or ["Released: no switches are stopped."]
    lines += [note] if note else []
    return Result({"stops": msgspec.to_builtins(list(stops))}, in_lines(lines))


def _stop_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_reason(parser)


def _orphans_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", metavar="NAME", help="only this account")
    parser.add_argument(
        "--delete", action="store_true", help="delete them; without it, they are only reported"
    )
    options.add_reason(parser)


def _orphans(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        service = services.switch_orphans
        report = (
            service.delete(args.account, args.reason)
            if args.delete
            else service.report(args.account)
        )
    lines = [f"{len(report.found)} resources with SpotLab's tag that no open switch needs."]
    for each in report.found:
        resource = each.resource
        done = ", deleted" if resource.resource_id in report.deleted else ""
        lines.append(f"  {resource.kind} {resource.resource_id}{done}: {each.why}")
    return Result(
        {
            "found": msgspec.to_builtins(list(report.found)),
            "deleted": list(report.deleted),
            "errors": list(report.errors),
        },
        in_lines(lines),
        code=1 if report.errors else 0,
        error=" ".join(report.errors),
    )


COMMANDS = (
    Command("list", "List switches.", _list_arguments, _list),
    Command("show", "Show a switch with its journal.", _switch_arguments, _show),
    Command(
        "plan",
        "Show what a switch would do; nothing is changed. Exit code 1: the preflight refuses it.",
        _plan_arguments,
        _plan,
    ),
    Command("request", "Request a switch.", _request_arguments, _request),
    Command(
        "approve",
        "Approve a requested switch.",
        _action_arguments,
        _action(lambda switches, args: switches.approve(args.switch_id, args.reason)),
    ),
    Command(
        "reject",
        "Reject or withdraw a requested switch.",
        _action_arguments,
        _action(lambda switches, args: switches.reject(args.switch_id, args.reason)),
    ),
    Command(
        "pause",
        "Stop a switch before its next step that cannot be undone.",
        _action_arguments,
        _action(lambda switches, args: switches.pause(args.switch_id, args.reason)),
    ),
    Command(
        "resume",
        "Let a paused switch continue.",
        _action_arguments,
        _action(lambda switches, args: switches.resume(args.switch_id, args.reason)),
    ),
    Command(
        "rollback",
        "Undo a switch.",
        _action_arguments,
        _action(lambda switches, args: switches.roll_back(args.switch_id, args.reason)),
    ),
    Command(
        "stop-all",
        "Stop all switches before their next step that cannot be undone.",
        _stop_arguments,
        _stop_all,
    ),
    Command("release", "Release the stop of all switches.", _stop_arguments, _release),
    Command(
        "guards",
        "Show or set levels, limits, time windows and autonomy.",
        guard_arguments,
        show_or_set,
    ),
    Command(
        "live",
        "Let an instance be switched: its decisions are no longer only recorded.",
        instance_arguments,
        set_level(shadow=False),
    ),
    Command(
        "shadow",
        "Keep an instance from being switched: its decisions are only recorded.",
        instance_arguments,
        set_level(shadow=True),
    ),
    Command(
        "orphans",
        "Report, or delete, what switches have left behind.",
        _orphans_arguments,
        _orphans,
    ),
)
SWITCHES = command_group("switches", "Carry out decisions on instances.", lambda: COMMANDS)
