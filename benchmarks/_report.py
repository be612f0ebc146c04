"""The document with the figures of all benchmarks, and its chart."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks._comparison import Row

LIMIT_S = 600.0
"""A benchmark that takes longer is ended, and the document says so."""
PACKAGES = ("numpy", "pandas", "numba", "lightgbm", "polars", "duckdb", "streamlit", "redis")
_ROOT = Path(__file__).parent.parent
_REACHED, _MISSED, _NO_TARGET = "#009E73", "#D55E00", "#56B4E9"


@dataclass(frozen=True)
class Outcome:
    """What one benchmark printed.

    Args:
        name: of the benchmark.
        rows: its comparisons; empty if it prints text only.
        text: what it printed, if it has no rows, or why it failed.
        took_s: seconds.
    """

    name: str
    rows: tuple[Row, ...]
    text: str
    took_s: float


def run_alone(name: str) -> Outcome:
    """Run a benchmark in a process of its own, with --json if its `main` has that option.

    `IN_ALL` in its text has options that make it small enough to be one of all.
    """
    source = Path(__file__).with_name(f"{name}.py").read_text()
    signature = re.search(r"^def main\((.*?)\) ->", source, re.DOTALL | re.MULTILINE)
    options = ["--json"] if signature and re.search(r"\bjson\b", signature[1]) else []
    if smaller := re.search(r'^IN_ALL = "(.*)"', source, re.MULTILINE):
        options += smaller[1].split()
    print(f"{name} …", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks", name, *options]
    started = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=_ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        rows, text = parsed(done.stdout)
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            rows, text = (), f"failed: {lines[-1] if lines else done.returncode}"
    except subprocess.TimeoutExpired:
        rows, text = (), f"ended after {LIMIT_S:.0f} s without a result"
    return Outcome(name, rows, text, time.perf_counter() - started)


def parsed(output: str) -> tuple[tuple[Row, ...], str]:
    """Rows of a benchmark's output, or its text."""
    for line in output.splitlines():
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            if isinstance(found.get("rows"), list):
                return tuple(Row(**row) for row in found["rows"]), ""
    return (), output.strip()


def write(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write the document, and its chart into the folder `images` beside it."""
    rows = [row for outcome in outcomes for row in outcome.rows]
    chart = path.parent / "images" / f"{path.stem}.svg"
    chart.parent.mkdir(exist_ok=True)
    chart.write_text(bars(rows))
    path.write_text(document(outcomes, f"images/{chart.name}"))


def document(outcomes: Sequence[Outcome], chart: str) -> str:
    """The document, in Markdown."""
    rows = [row for outcome in outcomes for row in outcome.rows]
    judged = [row for row in rows if row.target is not None]
    reached = sum(row.reached is True for row in judged)
    parts = [
        "# Benchmarks",
        "Written by `make bench`, which measures everything on this page again. Both sides of a "
        "row do the same work on the same input, alternately in one run, and their results are "
        "compared first. Ratios can be compared between machines; seconds cannot.",
        f"**{reached} of {len(judged)} targets are reached.** The ratio is the peer's time divided "
        "by SpotLab's: above 1, SpotLab is faster.",
        f"![Ratios of all rows, on a logarithmic scale]({chart})",
        "## Machine",
        _machine(),
    ]
    for outcome in outcomes:
        parts.append(f"## {outcome.name.replace('_', '-')}")
        if outcome.rows:
            parts.append(_table(outcome.rows))
        if outcome.text:
            parts.append(f"```\n{outcome.text}\n```")
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Row]) -> str:
    head = "| what | SpotLab, ms | peer | peer, ms | ratio | target |"
    return "\n".join([head, "| --- | ---: | --- | ---: | ---: | --- |", *map(_line, rows)])


def _line(row: Row) -> str:
    if row.target is None:
        wanted = "—"
    elif row.reached:
        wanted = f"≥ {row.target:g}: reached"
    else:
        wanted = f"≥ {row.target:g}: not reached ({row.ratio / row.target:.0%} of it)"
    return (
        f"| {row.what} | {_ms(row.ours_s)} | {row.peer} | {_ms(row.peer_s)} "
        f"| {row.ratio:.3g} | {wanted} |"
    )


def _ms(seconds: float) -> str:
    """Milliseconds with three digits, or whole ones."""
    return f"{seconds * 1e3:,.0f}" if seconds >= 0.1 else f"{seconds * 1e3:.3g}"


def _machine() -> str:
    model = re.search(r"model name\s*: (.*)", _read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", _read("/proc/meminfo"))
    facts = [
        f"{os.cpu_count()} × {model[1] if model else platform.machine()}",
        *([f"{int(memory[1]) / 1e6:.0f} GB of memory"] if memory else []),
        f"load average {os.getloadavg()[0]:.1f} at the end",
        f"{platform.system()}, Python {platform.python_version()}",
        f"{datetime.now(UTC):%Y-%m-%d}",
    ]
    return f"{'; '.join(facts)}.\n\nVersions: {', '.join(filter(None, map(_version, PACKAGES)))}."


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def bars(rows: Sequence[Row]) -> str:
    """A bar chart of the ratios as SVG: logarithmic, with a mark at each target."""
    left, right, step, top = 430, 330, 24, 34
    width, height = left + right + 110, top + step * len(rows) + 10
    values = [row.ratio for row in rows] + [row.target for row in rows if row.target]
    low = math.floor(math.log10(min([*values, 1.0])))
    high = max(math.ceil(math.log10(max([*values, 10.0]))), low + 1)

    def x(ratio: float) -> float:
        return left + right * (math.log10(ratio) - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12" role="img">',
        "<title>Time of the peer divided by SpotLab's time</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts += [
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top - 6}" y2="{height - 8}" stroke="#ddd"/>',
            f'<text x="{at:.1f}" y="{top - 12}" text-anchor="middle" fill="#555">'
            f"{10.0**power:g} ×</text>",
        ]
    for number, row in enumerate(rows):
        y = top + step * number
        start, end = sorted((x(1.0), x(row.ratio)))
        colour = _NO_TARGET if row.target is None else _REACHED if row.reached else _MISSED
        parts += [
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">'
            f"{escape(_short(f'{row.what}: {row.peer}'))}</text>",
            f'<rect x="{start:.1f}" y="{y + 3}" width="{max(end - start, 1.0):.1f}" height="15" '
            f'fill="{colour}"/>',
            f'<text x="{max(end, x(row.target) if row.target else end) + 6:.1f}" y="{y + 14}">'
            f"{row.ratio:.3g} ×{'' if row.reached is not False else ' (not reached)'}</text>",
        ]
        if row.target is not None:
            mark = x(row.target)
            parts.append(
                f'<line x1="{mark:.1f}" x2="{mark:.1f}" y1="{y + 1}" y2="{y + 20}" '
                'stroke="black" stroke-width="2"/>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _short(text: str) -> str:
    return text if len(text) <= 66 else f"{text[:65]}…"
