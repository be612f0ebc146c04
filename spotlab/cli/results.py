"""`spotlab results`: measures docs/results.md again, and compares or writes it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from spotlab.cli.command import Command, Result
from spotlab.errors import Conflict, InvalidInput
from spotlab.settings import Settings

OUT = Path(__file__).resolve().parents[2] / "docs" / "results.md"
SHOWN = 40
SECTIONS = ("capacity", "losses", "advisor", "champions", "online", "policies")


def _arguments(parser: argparse.ArgumentParser) -> None:
    data = os.environ.get("SPOTLAB_SHARED_DATA", "../shared/data")
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        default=Path(data),
        help="folder with recorded data (default: SPOTLAB_SHARED_DATA)",
    )
    add(
        "--out",
        type=Path,
        help="Markdown file to compare with, or to write (default docs/results.md)",
    )
    add(
        "--write",
        action="store_true",
        help="write the measured figures instead of comparing them; with --only it needs --out",
    )
    add(
        "--only",
        action="append",
        default=[],
        choices=SECTIONS,
        help="measure only this section; repeat for several",
    )


def _run(args: argparse.Namespace, settings: Settings) -> Result:
    from spotlab.runtime.bootstrap import bootstrap
    from spotlab.sweeps.results.measure import measure_results

    out = args.out or OUT
    if args.write and args.only and args.out is None:
        raise InvalidInput(
            f"--write with --only would drop the other sections of {out}.",
            remedy="Name another file with --out, or measure all sections.",
        )
    stored = None if args.write else _read(out)

    def report_progress(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    with bootstrap(settings) as lab:
        report = measure_results(args.data, lab, report_progress, args.only)
    text = report.as_markdown()
    if stored is None:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = out.with_name(f".{out.name}.draft")
        draft.write_text(text)
        draft.replace(out)
    else:
        _require_same(out, stored, text, partial=bool(args.only))
    figures = [figure for section in report.sections for figure in section.figures if figure.target]
    document = {
        "out": str(out),
        "written": stored is None,
        "sections": [
            {"title": section.title, "skipped": section.skipped or None}
            for section in report.sections
        ],
        "figures": [
            {
                "what": figure.what,
                "measure": figure.measure,
                "value": figure.value,
                "low": figure.low,
                "high": figure.high,
                "to_reach": str(figure.target),
                "verdict": figure.verdict,
            }
            for figure in figures
        ],
    }
    reached = sum(figure.verdict == "reached" for figure in figures)
    summary = f"{reached} of {len(figures)} targets reached"
    if stored is None:
        return Result(document, f"{summary}; written to {out}")
    compared = f"{summary}; the figures stored in {out} are the measured ones"
    return Result(document, f"{text}\n{compared}" if args.only else compared)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput(
            f"{path} cannot be read: {exc}.",
            remedy="Name a results document with --out, or write one with --write.",
        ) from exc


def _require_same(path: Path, stored: str, measured: str, partial: bool) -> None:
    from spotlab.sweeps.results.comparison import differences

    found = differences(stored, measured, partial)
    if found:
        shown = [f"  {difference}" for difference in found[:SHOWN]]
        more = [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        raise Conflict(
            "\n".join(
                [f"{len(found)} figures of {path} are not the measured ones:", *shown, *more]
            ),
            remedy="Restore the document, or write the measured figures with --write.",
        )


RESULTS = Command("results", "Measure every figure of docs/results.md again.", _arguments, _run)
