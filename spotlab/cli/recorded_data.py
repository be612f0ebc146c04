"""`spotlab data`: supported formats of recorded data, and the content of files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

Document = dict[str, Any]
MOST_SHOWN = 20


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="file to describe (default: list the supported formats)",
    )
    options.add_trace_arguments(parser)
    add(
        "--nodes",
        type=options.integer(1),
        default=1,
        metavar="N",
        help="nodes that must be available for a tick to count as available (default 1)",
    )


def _run(args: argparse.Namespace, _settings: Settings) -> Result:
    if not args.files:
        return _formats()
    documents = [_description(path, args) for path in args.files]
    return Result({"files": documents}, "\n".join(map(_text, documents)))


def _formats() -> Result:
    from spotlab.recorded.formats import FORMATS

    document: Document = {
        "forms": [
            {
                "name": form.name,
                "title": form.title,
                "form": form.form,
                "asks": form.required_options or None,
                "notice": form.notice or None,
                "may_train_shipped_models": form.trainable,
            }
            for form in FORMATS
        ]
    }
    lines = [
        f"{form.name:<15}{form.title}: {form.form}"
        + (f"\n{'':<15}needs {form.required_options}" if form.required_options else "")
        + (f"\n{'':<15}{form.notice}" if form.notice else "")
        for form in FORMATS
    ]
    return Result(document, "\n".join(lines))


def _description(path: Path, args: argparse.Namespace) -> Document:
    from spotlab.recorded.file_reading import digest_of_file
    from spotlab.recorded.formats import EVALUATION_ONLY, recognise_format

    form = recognise_format(path, args.columns)
    content = _table(path, form, args) if form.table is not None else _trace(path, args)
    return {
        "file": str(path),
        "form": form.name,
        "sha256": digest_of_file(path),
        "may_train_shipped_models": form.trainable and EVALUATION_ONLY not in path.resolve().parts,
        "notice": form.notice or None,
        **content,
    }


def _table(path: Path, form: Any, args: argparse.Namespace) -> Document:
    reading = form.table(path, zone_ids=options.zone_ids(args.zone_ids), columns=args.columns)
    times = reading.rows["event_time"]
    return {
        "rows": len(reading.rows),
        "from": times.min().isoformat(),
        "to": times.max().isoformat(),
        "refused": list(reading.rejected),
        "source": reading.source,
    }


def _trace(path: Path, args: argparse.Namespace) -> Document:
    import numpy as np

    from spotlab.recorded.traces import read_trace

    trace = read_trace(
        path,
        polarity=args.polarity,
        gap_s=args.gap_s,
        nodes=args.nodes,
        columns=args.columns,
        zone_ids=options.zone_ids(args.zone_ids),
    )
    known = ~np.isnan(trace.available)
    return {
        "rows": len(trace.available),
        "recorded_share": round(float(known.mean()), 4),
        "available_share": round(float(trace.available[known].mean()), 4),
        "hours": round(float(trace.elapsed_h[-1]), 2),
        "from": trace.started_at.isoformat() if trace.started_at else None,
        "pool": trace.pool.key if trace.pool else None,
        "refused": [],
        "source": trace.source,
    }


def _text(document: Document) -> str:
    lines = [f"{document['file']}: {document['rows']:,} rows, {document['source']}"]
    if "available_share" in document:
        lines.append(f"  {document['hours']:g} h, available {document['available_share']:.1%}")
    lines += [f"  not used: {text}" for text in document["refused"][:MOST_SHOWN]]
    if (more := len(document["refused"]) - MOST_SHOWN) > 0:
        lines.append(f"  and {more:,} more, which --json lists")
    if document["notice"]:
        lines.append(f"  {document['notice']}")
    return in_lines(lines)


DATA = Command(
    "data", "List the supported recorded formats, or describe recorded files.", _arguments, _run
)
