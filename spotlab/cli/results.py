"""`spotlab results`: docs/results.md, measured anew from recorded data."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from spotlab.cli.command import Command
from spotlab.cli.decision_output import Answer
from spotlab.settings import Settings

OUT = Path(__file__).resolve().parents[2] / "docs" / "results.md"
PARTS = ("capacity", "advisor", "champions", "policies")


def _arguments(parser: argparse.ArgumentParser) -> None:
    data = os.environ.get("SPOTLAB_SHARED_DATA", "../shared/data")
    add = parser.add_argument
    add("--data", type=Path, default=Path(data), help="recorded data folder")
    add(
        "--out",
        type=Path,
        help="Markdown file (default docs/results.md; with --only: printed, not written)",
    )
    add("--only", action="append", default=[], choices=PARTS, help="measure this part only")


def _run(args: argparse.Namespace, settings: Settings) -> Answer:
    from spotlab.runtime.bootstrap import bootstrap
    from spotlab.sweeps.results.measure import results

    def tell(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    with bootstrap(settings) as lab:
        found = results(args.data, lab, tell, args.only)
    text = found.as_markdown()
    out = args.out or (None if args.only else OUT)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = out.with_name(f".{out.name}.draft")
        draft.write_text(text)
        draft.replace(out)
    figures = [figure for section in found.sections for figure in section.figures if figure.target]
    document = {
        "out": str(out) if out is not None else None,
        "sections": [
            {"title": section.title, "skipped": section.skipped or None}
            for section in found.sections
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
    said = f"{reached} of {len(figures)} targets reached"
    return Answer(document, f"{said}; written to {out}" if out is not None else f"{text}\n{said}")


RESULTS = Command("results", "Measure every figure of docs/results.md again.", _arguments, _run)
