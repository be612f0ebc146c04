"""`spotlab results`: measures docs/results.md again from recorded data."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from spotlab.cli.command import Command, Result
from spotlab.settings import Settings

OUT = Path(__file__).resolve().parents[2] / "docs" / "results.md"
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
        help="Markdown file to write (default docs/results.md; with --only: printed, not written)",
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

    def report_progress(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    with bootstrap(settings) as lab:
        report = measure_results(args.data, lab, report_progress, args.only)
    text = report.as_markdown()
    out = args.out or (None if args.only else OUT)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = out.with_name(f".{out.name}.draft")
        draft.write_text(text)
        draft.replace(out)
    figures = [figure for section in report.sections for figure in section.figures if figure.target]
    document = {
        "out": str(out) if out is not None else None,
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
    return Result(
        document, f"{summary}; written to {out}" if out is not None else f"{text}\n{summary}"
    )


RESULTS = Command("results", "Measure every figure of docs/results.md again.", _arguments, _run)
