"""`spotlab workloads …`: workloads, their versions, and which instances have them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from spotlab.cli import options, requirement_options
from spotlab.cli.command import Command, Result, command_group, iso, no_arguments
from spotlab.cli.local_session import open_services
from spotlab.domain.decision import Verdict
from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import (
    AssignmentScope,
    Workload,
    WorkloadVersion,
    describe_cost,
    to_parameters,
    with_work_lost,
)
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.services.workload_consequence import Consequence


def _list(_args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        versions = services.workloads.versions()
        rules = services.workloads.assignments()
    newest: dict[str, WorkloadVersion] = {}
    for each in versions:
        newest.setdefault(each.workload.name, each)
    document = {
        "workloads": [_document(each) for each in newest.values()],
        "assignments": [
            {"scope": rule.scope.value, "key": rule.key, "workload": rule.workload}
            for rule in rules
        ],
    }
    head = f"{'workload':<28}{'horizon':>8}  an interruption costs"
    lines = [
        f"{each.workload.reference:<28}{each.workload.horizon_h:>6g} h  {_cost(each.workload)}"
        for each in newest.values()
    ]
    assigned = [f"{rule.scope.value} {rule.key}: {rule.workload}" for rule in rules]
    return Result(document, in_lines([head, *lines, *(assigned or ["No assignments."])]))


def _name_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="workload, such as queue-worker")


def _show(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        versions = services.workloads.versions(args.name)
    newest = versions[0].workload
    lines = [
        f"{newest.reference}: {newest.description}",
        f"An interruption costs {_cost(newest)}.",
        *(f"{name}: {_text(value)}" for name, value in to_parameters(newest).items()),
        *(
            f"version {each.workload.version}: "
            f"{_origin(each)}{f', {each.reason}' if each.reason else ''}"
            for each in versions
        ),
    ]
    return Result({"versions": [_document(each) for each in versions]}, in_lines(lines))


_PRICED = options.number(0, 1e9, "USD")
_HOURS = options.number(0, options.HOURS_OF_A_YEAR, "hours")
_NUMBERS = {
    "recovery_h": (_HOURS, "hours until a replacement does useful work"),
    "fixed_usd": (_PRICED, "cost of each interruption that does not depend on time, USD"),
    "value_usd_per_hour": (_PRICED, "value of an hour of work, USD; default: the on-demand price"),
    "outage_usd_per_hour": (
        _PRICED,
        "for work that must always be up: cost of each hour without the instance, in addition, USD",
    ),
    "deadline_slack_h": (
        _HOURS,
        "for work with a deadline: hours by which it may be delayed and still be in time",
    ),
    "late_usd_per_hour": (_PRICED, "cost of each hour after the deadline, USD"),
    "horizon_h": (options.number(0, options.HOURS_OF_A_YEAR, "hours", above=True), "horizon"),
    "max_pool_share": (
        options.number(0, 1, above=True),
        "largest share of its group on one pool",
    ),
}
_EMPTY: Mapping[str, Mapping[str, Any]] = {
    "checkpoint-interval": {"checkpoint_interval_h": None},
    "deadline": {"deadline_slack_h": None, "late_usd_per_hour": 0.0},
    "group-tag": {"group_tag": ""},
    "regions": {"regions": ()},
    "requirements": {"requirements": None},
    "value": {"value_usd_per_hour": None},
    "zones": {"zones": ()},
}
"""What --unset removes, and the fields that are empty then."""
_FLAGS = {
    "allow_weaker_gpu": "accept weaker GPUs",
    "allow_older_generation": "accept older CPU generations",
    "allow_burstable": "accept burstable and flex types",
    "same_cpu_maker": "require the same CPU maker",
    "uses_local_storage": "require as much local storage",
    "keeps_bandwidth": "require as much network and EBS bandwidth",
    "use_claims": "count what AWS claims about performance where nothing was measured",
}


def _set_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    add = parser.add_argument
    add("--base", metavar="NAME", help="workload to start from (default: its newest version)")
    add("--description", help="what it assumes, in a sentence")
    lost = parser.add_mutually_exclusive_group()
    lost.add_argument(
        "--work-lost-h", type=_HOURS, help="mean hours of work that an interruption destroys"
    )
    lost.add_argument(
        "--checkpoint-interval-h",
        type=options.number(0, 2 * options.HOURS_OF_A_YEAR, "hours"),
        help="hours between checkpoints; half of it is lost on average",
    )
    for name, (kind, text) in _NUMBERS.items():
        add(_option(name), type=kind, help=text)
    add("--region", action="append", help="region where it may run; repeatable")
    add("--zone", action="append", help="zone where it may run; repeatable")
    add(
        "--group-tag",
        metavar="NAME",
        help="name of the tag whose value makes the group; without one, the instances with this "
        "workload form one group",
    )
    add("--unset", action="append", default=[], choices=[*_EMPTY], help="remove it; repeatable")
    requirement_options.add(
        parser.add_argument_group(
            "requirements of a replacement",
            "All of them instead of those derived from the instance's type. Regions and zones are "
            "those above.",
        )
    )
    share = options.number(0, 0.5)
    add("--memory-tolerance", type=share, help="share of memory that a replacement may lack")
    add("--equal-gpus", nargs="+", metavar="MODEL", help="GPU models that count as equal")
    for name, text in _FLAGS.items():
        add(_option(name), action=argparse.BooleanOptionalAction, help=text)
    add(
        "--dry-run",
        action="store_true",
        help="show which decisions it would change now, and save nothing",
    )
    options.add_reason(parser)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _set(args: argparse.Namespace, settings: Settings) -> Result:
    changes: dict[str, Any] = {
        name: getattr(args, name)
        for name in (*_NUMBERS, "description", "group_tag")
        if getattr(args, name) is not None
    }
    for each in args.unset:
        changes |= _EMPTY[each]
    if (given := requirement_options.requirements(args)) != Requirements():
        changes["requirements"] = given
    for name, values in (("regions", args.region), ("zones", args.zone)):
        if values is not None:
            changes[name] = tuple(values)
    rule = {field.name for field in fields(HardwareRule)}
    hardware = {name: getattr(args, name) for name in rule if getattr(args, name) is not None}
    if "equal_gpus" in hardware:
        hardware["equal_gpus"] = frozenset(model.lower() for model in hardware["equal_gpus"])
    lost_h, interval_h = args.work_lost_h, args.checkpoint_interval_h
    if not (changes or hardware or args.base or lost_h is not None or interval_h is not None):
        raise InvalidSetting("Nothing was given to set.", remedy="See `spotlab workloads set -h`.")
    with open_services(settings) as services:
        known = sorted({each.workload.name for each in services.workloads.versions()})
        if args.base is None and args.name not in known:
            raise InvalidSetting(
                f"There is no workload {args.name!r} yet.",
                remedy=f"Name one to start from with --base: {', '.join(known)}.",
            )
        base = services.workloads.get(args.base or args.name)
        workload = replace(
            with_work_lost(base, lost_h, interval_h),
            name=args.name,
            hardware=replace(base.hardware, **hardware),
            **changes,
        )
        if args.dry_run:
            services.workloads.check(workload)
            return _consequence(services.workloads.consequence(workload))
        saved = services.workloads.save(workload, args.reason)
    text = f"Saved {saved.reference}: an interruption costs {_cost(saved)}."
    return Result({"workload": to_parameters(saved)}, text)


def _consequence(found: Consequence) -> Result:
    """What a workload would change; the market must have been collected."""
    changed = [
        {
            "instance_id": each.instance.instance_id,
            "name": each.instance.name,
            "before": _outcome(each.before),
            "after": _outcome(each.after),
        }
        for each in found.changed
    ]
    number, total = len(changed), len(found.instances)
    use = "use it" if found.assigned else "would use it if it were assigned to all"
    lines = [
        f"Nothing is saved. {describe_cost(found.workload)}",
        f"{number} of {total} instances that {use} would be decided otherwise"
        f"{':' if changed else '.'}",
        *(
            f"{each['name'] or each['instance_id']}: {each['before']} → {each['after']}"
            for each in changed
        ),
    ]
    document = {
        "workload": to_parameters(found.workload),
        "consequence": {"assigned": found.assigned, "instances": total, "changed": changed},
    }
    return Result(document, in_lines(lines))


def _outcome(verdict: Verdict | None) -> str:
    if verdict is None:
        return "no decision"
    pool = f" {verdict.chosen.pool.label}" if verdict.chosen is not None else ""
    return f"{verdict.decision.value}{pool}"


def _assign_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help='workload, or "default" to remove the assignment'
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--instance", metavar="INSTANCE_ID", help="assign to one instance")
    where.add_argument("--tag", metavar="NAME=VALUE", help="assign to instances with this tag")
    where.add_argument("--account", metavar="ACCOUNT", help="assign to an account's instances")
    options.add_reason(parser)


def _assign(args: argparse.Namespace, settings: Settings) -> Result:
    scope, key = next(
        (scope, getattr(args, scope.value))
        for scope in (AssignmentScope.INSTANCE, AssignmentScope.TAG, AssignmentScope.ACCOUNT)
        if getattr(args, scope.value) is not None
    )
    workload = None if args.name == "default" else args.name
    with open_services(settings) as services:
        services.workloads.assign(scope, key, workload, args.reason)
    text = (
        f"{scope.value} {key}: {workload}." if workload else f"{scope.value} {key}: not assigned."
    )
    return Result({"scope": scope.value, "key": key, "workload": workload}, text)


def _document(version: WorkloadVersion) -> dict[str, Any]:
    return {
        **to_parameters(version.workload),
        "created_at": iso(version.created_at),
        "created_by": version.created_by or None,
        "reason": version.reason or None,
    }


def _origin(version: WorkloadVersion) -> str:
    if version.created_at is None:
        return "preset"
    return f"{version.created_by}, {version.created_at:%Y-%m-%d %H:%M} UTC"


def _text(value: object) -> str:
    if isinstance(value, dict):
        given = {name: each for name, each in value.items() if each not in (None, [], False)}
        return ", ".join(f"{name} {_text(each)}" for name, each in given.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)


def _cost(workload: Workload) -> str:
    return describe_cost(workload).removeprefix("An interruption costs ").removesuffix(".")


COMMANDS = (
    Command("list", "List workloads and their assignments.", no_arguments, _list),
    Command("show", "Show a workload and its versions.", _name_argument, _show),
    Command("set", "Save a new version of a workload, or a new workload.", _set_arguments, _set),
    Command(
        "assign", "Assign a workload to an instance, tag or account.", _assign_arguments, _assign
    ),
)
WORKLOADS = command_group(
    "workloads",
    "Workloads: what an interruption costs, and what counts as equal hardware.",
    lambda: COMMANDS,
)
