"""`spotlab switches guards`: levels, limits, time windows and earned autonomy."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spotlab.cli import options
from spotlab.cli.command import Result
from spotlab.cli.local_session import open_services
from spotlab.domain.switch_autonomy import GOOD_MEANS, AutonomyFigures
from spotlab.domain.switch_guards import (
    AccountGuards,
    GuardVersion,
    InstallationGuards,
    SwitchingMode,
    TimeWindow,
    names_of,
)
from spotlab.errors import InvalidSetting, SpotlabError
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.services import Services

_WORDS: Final = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


def guard_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `switches guards`."""
    names = [
        name
        for name in (*names_of(AccountGuards), *names_of(InstallationGuards))
        if name != "windows"
    ]
    parser.add_argument("--account", metavar="NAME", help="an account (default: the installation)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"set a guard, repeatable: {', '.join(dict.fromkeys(names))}",
    )
    parser.add_argument(
        "--window",
        action="append",
        default=[],
        type=window,
        metavar='"DAYS HH:MM-HH:MM ZONE"',
        help='time window in which switches may begin, such as "sat,sun 22:00-04:00 UTC"; '
        "repeatable, replaces all",
    )
    parser.add_argument("--any-time", action="store_true", help="remove all time windows")
    parser.add_argument("--autonomy", action="store_true", help="show figures of earned autonomy")
    options.add_reason(parser)


def window(text: str) -> TimeWindow:
    """An argument type: a time window."""
    try:
        return TimeWindow.parse(text)
    except SpotlabError as exc:
        raise argparse.ArgumentTypeError(str(exc).rstrip(".")) from None


def show_or_set(args: argparse.Namespace, settings: Settings) -> Result:
    """Run `switches guards`."""
    changes = _changes(args)
    with open_services(settings) as services:
        if changes and args.account is None:
            services.switch_guards.set_installation(changes, args.reason)
        elif changes:
            services.switch_guards.set_account(args.account, changes, args.reason)
        return _shown(services, args)


def instance_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `switches live` and `switches shadow`."""
    parser.add_argument("instance_id", metavar="INSTANCE_ID", help="an instance")
    options.add_reason(parser)


def set_level(*, shadow: bool) -> Callable[[argparse.Namespace, Settings], Result]:
    """Turn the shadow mode of an instance on or off."""

    def run(args: argparse.Namespace, settings: Settings) -> Result:
        with open_services(settings) as services:
            changed = services.instances.set_shadow(args.instance_id, shadow, args.reason)
        state = "in shadow mode" if changed.shadow else "live"
        document = {"instance_id": changed.instance_id, "shadow": changed.shadow}
        return Result(document, f"{changed.name or changed.instance_id} is {state}.")

    return run


def _changes(args: argparse.Namespace) -> dict[str, Any]:
    kind = InstallationGuards if args.account is None else AccountGuards
    defaults: Any = kind()
    changes: dict[str, Any] = {}
    other = AccountGuards if args.account is None else InstallationGuards
    for each in args.set:
        name, _, text = each.partition("=")
        if name in names_of(other) and name not in names_of(kind):
            remedy = "Add --account NAME." if args.account is None else "Leave out --account."
            owner = "an account" if args.account is None else "the installation"
            raise InvalidSetting(f"--set: {name} is a guard of {owner}.", remedy=remedy)
        if name not in names_of(kind) or name == "windows":
            available = ", ".join(n for n in names_of(kind) if n != "windows")
            raise InvalidSetting(f"--set: {each!r} is not a guard.", remedy=f"Use {available}.")
        changes[name] = _value(name, text, getattr(defaults, name))
    if args.any_time or args.window:
        if args.account is None:
            raise InvalidSetting("--window needs an account.", remedy="Add --account NAME.")
        if args.any_time and args.window:
            raise InvalidSetting("--any-time and --window exclude each other.", remedy="Use one.")
        changes["windows"] = () if args.any_time else tuple(args.window)
    return changes


def _value(name: str, text: str, default: object) -> object:
    """The value of a guard. Raises InvalidSetting: it has another type."""
    try:
        if isinstance(default, SwitchingMode):
            return SwitchingMode(text)
        if isinstance(default, bool):
            return _WORDS[text.lower()]
        return int(text) if isinstance(default, int) else float(text)
    except (ValueError, KeyError):
        valid = "a number"
        if isinstance(default, SwitchingMode):
            valid = ", ".join(SwitchingMode)
        elif isinstance(default, bool):
            valid = "true or false"
        elif isinstance(default, int):
            valid = "a whole number"
        raise InvalidSetting(
            f"--set {name}: {text[:40]!r} is not valid.", remedy=f"Use {valid}."
        ) from None


def _shown(services: Services, args: argparse.Namespace) -> Result:
    service = services.switch_guards
    overview = service.overview()
    found = service.installation() if args.account is None else service.account(args.account)
    lines = [
        f"Installation: {overview.installation.value} (SPOTLAB_SWITCHING).",
        *(f"Account {name}: {mode.value}." for name, mode in overview.accounts.items()),
        *(stop.sentence for stop in overview.stops),
        f"{sum(each.under_way for each in overview.started)} switches are under way.",
        f"Guards of {args.account or 'the installation'} (version {found.version}):",
        *_guard_lines(found),
    ]
    document = {
        "installation": overview.installation.value,
        "accounts": {name: mode.value for name, mode in overview.accounts.items()},
        "stops": msgspec.to_builtins(list(overview.stops)),
        "started": msgspec.to_builtins(list(overview.started)),
        "guards": {"scope": args.account, "version": found.version, **_guards(found)},
    }
    if args.autonomy:
        figures = service.autonomy(args.account)
        document["autonomy"] = [_figures(each) for each in figures]
        lines += [f"{each.account}: {each.sentence}" for each in figures]
        lines.append(GOOD_MEANS)
    return Result(document, in_lines(lines))


def _guards(found: GuardVersion) -> dict[str, Any]:
    guards: dict[str, Any] = msgspec.to_builtins(found.guards)
    return guards


def _guard_lines(found: GuardVersion) -> list[str]:
    lines = [f"  {name:<26}{value}" for name, value in _guards(found).items() if name != "windows"]
    if isinstance(found.guards, AccountGuards):
        windows = "; ".join(each.label for each in found.guards.windows) or "at any time"
        lines.append(f"  {'windows':<26}{windows}")
    return lines


def _figures(found: AutonomyFigures) -> dict[str, Any]:
    share = found.share
    return {
        **msgspec.to_builtins(found),
        "known": found.known,
        "share": None if share is None else share.value,
        "share_low": None if share is None else share.low,
        "earned": found.earned,
        "sentence": found.sentence,
    }
