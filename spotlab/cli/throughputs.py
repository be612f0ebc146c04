"""`spotlab throughputs …`: measured throughputs of instance types, and AWS's claims."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result, command_group, iso, no_arguments
from spotlab.cli.local_session import open_services
from spotlab.domain.performance_claims import CLAIMS, CLAIMS_VERSION, Claim
from spotlab.domain.throughput_file import MAX_FILE_BYTES
from spotlab.domain.throughputs import ThroughputSet
from spotlab.recorded.file_reading import read_file
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines


def _workload_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workload", metavar="NAME", default="", help="workload (default: all workloads)"
    )


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="CSV with the columns name (type or family), throughput (of a family: per vCPU, or "
        "per GPU), and optionally unit, measured_at and note",
    )
    _workload_argument(parser)
    parser.add_argument("--unit", default="", help="unit, if the file does not say it")
    options.add_reason(parser)


def _import(args: argparse.Namespace, settings: Settings) -> Result:
    content = read_file(args.file, MAX_FILE_BYTES)
    with open_services(settings) as services:
        made = services.throughputs.import_file(content, args.workload, args.unit, args.reason)
    saved = made.saved
    lines = [f"Saved {len(saved.throughputs)} {saved.label}."]
    if made.not_in_market:
        names = ", ".join(made.not_in_market)
        lines.append(f"No effect yet, because the active market lists no such type: {names}.")
    document = {**_document(saved), "not_in_market": list(made.not_in_market)}
    return Result(document, in_lines(lines))


def _list(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        sets = services.throughputs.newest()
    chosen = [each for name, each in sorted(sets.items()) if args.workload in ("", name)]
    lines = []
    for each in chosen:
        lines.append(f"{each.label[:1].upper()}{each.label[1:]}, imported by {each.created_by}:")
        lines += [
            f"  {one.name:<20}{one.value:>14,.6g} {each.unit_of(one)}" for one in each.throughputs
        ]
    return Result(
        {"throughputs": [_document(each) for each in chosen]},
        in_lines(lines or ["No throughputs have been imported."]),
    )


def _remove_arguments(parser: argparse.ArgumentParser) -> None:
    _workload_argument(parser)
    options.add_reason(parser)


def _remove(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        services.throughputs.remove(args.workload, args.reason)
    return Result(
        {"workload": args.workload},
        f"Removed the throughputs of {args.workload or 'all workloads'}.",
    )


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("own_type", metavar="OWN_TYPE", help="type that counts as 1")
    parser.add_argument("other_type", metavar="TYPE", help="type to compare with it")
    _workload_argument(parser)


def _compare(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        found = services.throughputs.compare(args.own_type, args.other_type, args.workload)
    document = {
        "own_type": found.own_type,
        "other_type": found.other_type,
        "ratio": found.ratio,
        "basis": found.basis.value,
        "source": found.source,
        "sentence": found.sentence,
    }
    return Result(document, found.sentence or "The same type.")


def _claims(_args: argparse.Namespace, _settings: Settings) -> Result:
    lines = [
        f"{', '.join(each.slower)} → {', '.join(each.faster)}: {each.ratio:g}\n"
        f'  "{each.statement}" ({each.source})\n  {each.url}'
        for each in CLAIMS
    ]
    document = {"version": CLAIMS_VERSION, "claims": [_claim(each) for each in CLAIMS]}
    return Result(document, "\n".join([*lines, "Claimed by AWS, not measured."]))


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "slower": list(claim.slower),
        "faster": list(claim.faster),
        "ratio": claim.ratio,
        "statement": claim.statement,
        "title": claim.title,
        "published": claim.published,
        "url": claim.url,
    }


def _document(each: ThroughputSet) -> dict[str, Any]:
    return {
        "workload": each.workload,
        "version": each.version,
        "unit": each.unit,
        "created_at": iso(each.created_at),
        "created_by": each.created_by,
        "reason": each.reason or None,
        "throughputs": [
            {
                "name": one.name,
                "throughput": one.value,
                "measured_at": one.measured_at.isoformat() if one.measured_at else None,
                "note": one.note,
            }
            for one in each.throughputs
        ],
    }


COMMANDS = (
    Command("import", "Replace the throughputs of a workload.", _import_arguments, _import),
    Command("list", "List measured throughputs.", _workload_argument, _list),
    Command("remove", "Remove the throughputs of a workload.", _remove_arguments, _remove),
    Command("compare", "Compare the performance of two types.", _compare_arguments, _compare),
    Command("claims", "List AWS's statements about performance.", no_arguments, _claims),
)
THROUGHPUTS = command_group(
    "throughputs",
    "Measured throughputs of instance types: prices per unit of work.",
    lambda: COMMANDS,
)
