"""`spotlab accounts …`: onboarding, validation, rotation and removal of AWS accounts."""

from __future__ import annotations

import argparse
import json
import shlex
from typing import TYPE_CHECKING, Any, Final

from spotlab.cli import options
from spotlab.cli.command import Command, Result, command_group, confirm, iso, no_arguments
from spotlab.cli.local_session import open_services
from spotlab.domain.ports import Account
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.aws.onboarding import RoleTemplate
    from spotlab.services.accounts import AccountStatus, Validation

_READ_ONLY: Final = "read-only"
_SWITCHING: Final = "switching"


def _name_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the account in SpotLab")


def _list(_args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        statuses = services.accounts.statuses()
    lines = [f"{'account':<28}{'AWS account id':<16}{'instances':>10}  regions"]
    for each in statuses:
        failed = [region.region for region in each.listing.failed_regions]
        note = f" (not listed: {', '.join(failed)})" if failed else ""
        lines.append(
            f"{each.account.name:<28}{each.account.aws_account_id:<16}{each.instances:>10}  "
            f"{', '.join(each.account.regions)}{note}"
        )
    text = in_lines(lines) if statuses else "No accounts."
    return Result({"accounts": [_document(each) for each in statuses]}, text)


def _show(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        services.accounts.get(args.name)
        status = next(e for e in services.accounts.statuses() if e.account.name == args.name)
    account, listing = status.account, status.listing
    lines = [
        f"{account.name}: AWS account {account.aws_account_id}, "
        f"{'managed' if account.active else 'not managed'}",
        f"role: {account.role_arn or 'none, SpotLab uses its own credentials'}",
        f"external id: {_external_id(account)}",
        f"instances: {status.instances}",
    ]
    known = {region.region: region for region in listing.regions}
    for name in account.regions:
        region = known.get(name)
        if region is None:
            lines.append(f"{name}: not listed yet")
            continue
        at = f"last listed {region.at:%Y-%m-%d %H:%M} UTC" if region.at else "never listed"
        lines.append(f"{name}: {at}{f'; {region.error}' if region.error else ''}")
    return Result(_document(status), in_lines(lines))


def _external_id(account: Account) -> str:
    if account.pending_external_id:
        word = shlex.quote(account.name)
        return f"is being rotated; confirm with `spotlab accounts rotate {word} --confirm`"
    return "set" if account.external_id else "none"


def _document(status: AccountStatus) -> dict[str, Any]:
    account = status.account
    return {
        "name": account.name,
        "aws_account_id": account.aws_account_id,
        "role_arn": account.role_arn or None,
        "external_id_set": bool(account.external_id),
        "rotation_pending": bool(account.pending_external_id),
        "regions": list(account.regions),
        "emulated": account.emulated,
        "active": account.active,
        "from_settings": account.from_settings,
        "managed": status.managed,
        "instances": status.instances,
        "listed_at": iso(status.listing.at),
        "listing_error": status.listing.error or None,
        "listings": [
            {
                "region": region.region,
                "listed_at": iso(region.at),
                "error": region.error or None,
                "code": region.code or None,
            }
            for region in status.listing.regions
        ],
    }


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    add = parser.add_argument
    add("--account-id", required=True, metavar="ID", help="AWS account id, 12 digits")
    add("--region", action="append", required=True, help="region to manage; repeatable")
    options.add_reason(parser)


def _add(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        added = services.onboarding.start(args.name, args.account_id, args.region, args.reason)
    name, word = args.name, shlex.quote(args.name)
    text = in_lines(
        [
            f"{name} is added; it is not managed yet. Next:",
            f"1. spotlab accounts cloudformation {word} > spotlab-role.yaml",
            "2. Create the stack in that account, with this external id as its parameter:",
            f"   {added.external_id}",
            "   It is shown only once.",
            f"3. spotlab accounts enable {word} --role-arn {added.account.role_arn}",
            f"4. spotlab accounts validate {word}",
        ]
    )
    document = {
        "name": name,
        "external_id": added.external_id,
        "role_arn": added.account.role_arn,
    }
    return Result(document, text)


def _enable_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    parser.add_argument(
        "--role-arn", default="", metavar="ARN", help="role to assume (default: as stored)"
    )
    options.add_reason(parser)


def _enable(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        if args.role_arn:
            account = services.onboarding.finish(args.name, args.role_arn, args.reason)
        else:
            account = services.accounts.set_active(args.name, True, args.reason)
    text = f"{account.name} is managed; its instances appear at the next listing."
    return Result({"name": account.name, "active": True, "role_arn": account.role_arn}, text)


def _disable_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    options.add_reason(parser)


def _disable(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        account = services.accounts.set_active(args.name, False, args.reason)
    text = f"{account.name} is no longer managed; its decisions remain stored."
    return Result({"name": account.name, "active": False}, text)


def _remove_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    parser.add_argument("--yes", action="store_true", help="remove it without asking")
    options.add_reason(parser)


def _remove(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        account = services.accounts.get(args.name)
        if not args.yes:
            confirm(
                f"{account.name}, AWS account {account.aws_account_id}, and its external id are "
                "removed; its decisions and switches remain stored.",
                f"{account.name} was not removed.",
            )
        services.onboarding.remove(args.name, args.reason)
    left = f" The role {account.role_arn} remains in AWS: delete it there." * bool(account.role_arn)
    return Result({"name": account.name, "removed": True}, f"{account.name} is removed.{left}")


def _access_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--access",
        choices=[_READ_ONLY, _SWITCHING],
        default=_READ_ONLY,
        help="what SpotLab may do (default: read-only)",
    )


def _template_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    _access_argument(parser)
    parser.add_argument(
        "--principal",
        default="",
        metavar="ARN",
        help="identity that SpotLab runs as (default: asks AWS)",
    )


def _template(args: argparse.Namespace, settings: Settings) -> RoleTemplate:
    from spotlab.services.onboarding import access_of

    with open_services(settings) as services:
        return services.onboarding.template(args.name, access_of(args.access), args.principal)


def _policy(args: argparse.Namespace, settings: Settings) -> Result:
    template = _template(args, settings)
    document = {"policy": template.policy(), "explanation": template.explanation()}
    return Result(document, json.dumps(template.policy(), indent=2))


def _trust(args: argparse.Namespace, settings: Settings) -> Result:
    template = _template(args, settings)
    document = {
        "role_arn": template.role_arn,
        "trust_policy": template.trust_policy(),
        "own_policy": template.caller_policy(),
    }
    return Result(document, json.dumps(template.trust_policy(), indent=2))


def _cloudformation(args: argparse.Namespace, settings: Settings) -> Result:
    text = _template(args, settings).cloudformation()
    return Result({"template": text}, text.rstrip())


def _terraform(args: argparse.Namespace, settings: Settings) -> Result:
    text = _template(args, settings).terraform()
    return Result({"template": text}, text.rstrip())


def _validate_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    _access_argument(parser)


def _validate(args: argparse.Namespace, settings: Settings) -> Result:
    from spotlab.services.onboarding import access_of

    with open_services(settings) as services:
        validation = services.accounts.validate(args.name, access_of(args.access))
    failed = [check.name for check in validation.checks if not check.ok]
    denied = sorted({e.permission for e in validation.permissions if e.state.value == "denied"})
    problems = [*(f"{name} failed" for name in failed), *(f"{name} is denied" for name in denied)]
    return Result(
        _validation_document(validation),
        _validation_text(validation),
        code=0 if validation.ok else 1,
        error=f"{args.name}: {', '.join(problems)}." if problems else "",
    )


def _validation_document(validation: Validation) -> dict[str, Any]:
    return {
        "account": validation.account,
        "ok": validation.ok,
        "checked_at": iso(validation.checked_at),
        "checks": [
            {"name": check.name, "ok": check.ok, "reason": check.reason}
            for check in validation.checks
        ],
        "permissions": [
            {
                "permission": each.permission,
                "feature": each.feature,
                "purpose": each.purpose,
                "region": each.region,
                "state": each.state.value,
                "reason": each.reason,
            }
            for each in validation.permissions
        ],
    }


def _validation_text(validation: Validation) -> str:
    lines = [
        f"{'passed' if check.ok else 'failed':<8} {check.name}: {check.reason}"
        for check in validation.checks
    ]
    lines += [
        f"{each.state.value:<8} {each.permission:<44} {each.region:<16} {each.reason}"
        for each in validation.permissions
    ]
    return in_lines(lines)


def _rotate_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    step = parser.add_mutually_exclusive_group()
    step.add_argument(
        "--confirm",
        action="store_true",
        help="assume the role with the new external id, then forget the old one",
    )
    step.add_argument("--cancel", action="store_true", help="forget the new external id")
    options.add_reason(parser)


def _rotate(args: argparse.Namespace, settings: Settings) -> Result:
    name, reason = args.name, args.reason
    with open_services(settings) as services:
        onboarding = services.onboarding
        if args.confirm:
            onboarding.confirm_rotation(name, reason)
            text = f"AWS accepts the new external id of {name}; the old one is forgotten."
            return Result({"name": name, "state": "confirmed"}, text)
        if args.cancel:
            onboarding.cancel_rotation(name, reason)
            text = f"The new external id of {name} is forgotten; the old one stays in use."
            return Result({"name": name, "state": "cancelled"}, text)
        rotated = onboarding.rotate(name, reason)
    text = in_lines(
        [
            f"The new external id of {name} is shown only once:",
            rotated.external_id,
            "1. Put it into the role's trust policy: the parameter ExternalId of the stack, or the",
            "   variable spotlab_external_id of Terraform.",
            f"2. spotlab accounts rotate {shlex.quote(name)} --confirm",
            "Until then the old one stays in use.",
        ]
    )
    document = {"name": name, "state": "started", "external_id": rotated.external_id}
    return Result(document, text)


COMMANDS: Final = (
    Command("list", "List the accounts and when they were last listed.", no_arguments, _list),
    Command("show", "Show an account and the state of each region.", _name_argument, _show),
    Command("add", "Add an account; prints its external id once.", _add_arguments, _add),
    Command("enable", "Manage an account with its role.", _enable_arguments, _enable),
    Command("disable", "Stop managing an account.", _disable_arguments, _disable),
    Command(
        "remove",
        "Remove an account and its external id; its decisions remain stored.",
        _remove_arguments,
        _remove,
    ),
    Command("policy", "Print the IAM policy of the role.", _template_arguments, _policy),
    Command("trust", "Print the trust policy of the role.", _template_arguments, _trust),
    Command(
        "cloudformation",
        "Print a CloudFormation template of the role.",
        _template_arguments,
        _cloudformation,
    ),
    Command("terraform", "Print Terraform of the role.", _template_arguments, _terraform),
    Command(
        "validate",
        "Try the role, its regions and each permission; changes nothing.",
        _validate_arguments,
        _validate,
    ),
    Command("rotate", "Rotate the external id of an account.", _rotate_arguments, _rotate),
)
ACCOUNTS: Final = command_group(
    "accounts", "AWS accounts: onboarding, validation, rotation and removal.", lambda: COMMANDS
)
