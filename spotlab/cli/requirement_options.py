"""Options for the requirements of a pool, without regions and zones."""

from __future__ import annotations

import argparse
from typing import Final

from spotlab.cli import options
from spotlab.domain.requirements import Requirements

_SIZE: Final = options.number(0, 1e6, above=True)


def add(parser: argparse._ActionsContainer) -> None:
    """Add the options to a parser or a group of it."""
    add = parser.add_argument
    add("--family", action="append", help="allowed family, such as m6i; repeat for several")
    add("--vcpu-min", type=_SIZE, metavar="N", help="minimum vCPU")
    add("--vcpu-max", type=_SIZE, metavar="N", help="maximum vCPU")
    add("--memory-gb-min", type=_SIZE, metavar="GIB", help="minimum memory, GiB")
    add("--memory-gb-max", type=_SIZE, metavar="GIB", help="maximum memory, GiB")
    add("--arch", choices=["x86_64", "arm64"], help="CPU architecture")
    add(
        "--accelerator",
        action=argparse.BooleanOptionalAction,
        help="require or exclude types with a GPU or another accelerator",
    )
    add(
        "--burstable",
        action=argparse.BooleanOptionalAction,
        help="require or exclude burstable types",
    )
    add(
        "--max-bucket",
        type=options.integer(0, 4),
        metavar="0-4",
        help="highest allowed advisor bucket",
    )


def requirements(args: argparse.Namespace) -> Requirements:
    """The requirements that the options describe; equal to `Requirements()` if none is given."""
    return Requirements(
        families=tuple(args.family or ()),
        vcpu_min=args.vcpu_min,
        vcpu_max=args.vcpu_max,
        memory_gb_min=args.memory_gb_min,
        memory_gb_max=args.memory_gb_max,
        architecture=args.arch,
        accelerator=args.accelerator,
        burstable=args.burstable,
        max_advisor_bucket=args.max_bucket,
    )
