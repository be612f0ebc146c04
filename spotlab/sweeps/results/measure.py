"""Measuring all parts of docs/results.md, in order."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from spotlab import __version__
from spotlab.errors import SpotlabError
from spotlab.recorded.file_reading import digest_of_file
from spotlab.recorded.formats import EVALUATION_ONLY
from spotlab.runtime.lab import Lab
from spotlab.runtime.model_catalogue import find_model
from spotlab.sweeps.results import (
    advisor,
    capacity,
    champions,
    joint_losses,
    online,
    policies,
    short_evidence,
    skynomad,
)
from spotlab.sweeps.results.document import Results, Section
from spotlab.training.advisor.evaluation import TASK as ADVISOR
from spotlab.training.capacity.evaluation import TASK as CAPACITY
from spotlab.training.capacity.evaluation import forecaster
from spotlab.training.saved_version import Step

PACKAGES: Final = ("numpy", "pandas", "lightgbm")
NOTES: Final = (
    "Every interval is a 95 % bootstrap interval over whole days (traces), instance families "
    "(advisor) or days of windows (policies). Seeds are fixed: the same data and versions give the "
    "same figures.",
    "What is fitted on evaluation-only data to measure a recipe is thrown away; the shipped models "
    "learned from none of those files. The capacity model did learn from a record of the campaign "
    "of 2023-02-15 that was rebuilt from another source: its figures there are marked as no test.",
    "A launch probe that fails is a loss of capacity, not an interruption of a running instance.",
)
_LICENCES: Final = {
    "advisor/2024-02-28.json.gz": "MIT",
    "advisor": "Apache-2.0",
    "spot-prices": "Apache-2.0",
    "instance-specs": "Apache-2.0",
    "traces": "MIT",
    "skynomad": "Apache-2.0",
    EVALUATION_ONLY: "none stated: measures only",
}


@dataclass(frozen=True, slots=True)
class Part:
    """Sections that are measured together; `name` is a value of the option `--only`."""

    name: str
    measure: Callable[[Path, Lab, Step], Sequence[Section]]


def measure_results(folder: Path, lab: Lab, step: Step, only: Sequence[str] = ()) -> Results:
    """Measure all parts, or some.

    Args:
        folder: recorded data.
        lab: with the models and the database to use.
        step: called at the start of each step.
        only: names in PARTS; empty: all.
    """
    sections: list[Section] = []
    for part in PARTS:
        if only and part.name not in only:
            continue
        try:
            sections += part.measure(folder, lab, step)
        except SpotlabError as exc:
            sections.append(Section(part.name.capitalize(), "", skipped=str(exc)))
    return Results(
        date=f"{lab.clock.now():%Y-%m-%d}",
        versions={
            "SpotLab": __version__,
            "Python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
        files=_files(folder),
        sections=sections,
        notes=NOTES,
    )


def _recipes(folder: Path, _lab: Lab, step: Step) -> list[Section]:
    from spotlab.training.capacity.training import recipe_forecast

    return [
        capacity.recipe_section(folder, split, recipe_forecast, step) for split in capacity.SPLITS
    ]


def _advisor(folder: Path, _lab: Lab, step: Step) -> list[Section]:
    return [
        advisor.walk_forward_section(folder, step),
        advisor.newest_section(folder, step),
        advisor.clean_section(folder, step),
    ]


def _capacity_champion(folder: Path, lab: Lab, step: Step) -> list[Section]:
    model: Any = lab.predictor.get(find_model(lab.store.registry, CAPACITY).reference)
    return [champions.capacity_section(folder, model, forecaster(model), step)]


def _advisor_champion(folder: Path, lab: Lab, step: Step) -> list[Section]:
    model: Any = lab.predictor.get(find_model(lab.store.registry, ADVISOR).reference)
    return [champions.advisor_section(folder, model, lab.clock, step)]


def _online(folder: Path, lab: Lab, step: Step) -> list[Section]:
    capacity_model: Any = lab.predictor.get(find_model(lab.store.registry, CAPACITY).reference)
    advisor_model: Any = lab.predictor.get(find_model(lab.store.registry, ADVISOR).reference)
    return [
        online.capacity_online_section(folder, capacity_model, forecaster(capacity_model), step),
        online.advisor_online_section(folder, advisor_model, lab.clock, step),
    ]


def _policies(folder: Path, lab: Lab, step: Step) -> list[Section]:
    return [
        *policies.held_out_sections(folder, step),
        policies.deadline_section(folder, lab, step),
        policies.service_section(folder, lab, step),
        skynomad.skynomad_section(folder, step),
    ]


def _losses(folder: Path, _lab: Lab, step: Step) -> list[Section]:
    return [
        joint_losses.joint_losses_section(folder, step),
        short_evidence.short_evidence_section(folder, step),
    ]


PARTS: Final = (
    Part("capacity", _recipes),
    Part("losses", _losses),
    Part("advisor", _advisor),
    Part("champions", _capacity_champion),
    Part("champions", _advisor_champion),
    Part("online", _online),
    Part("policies", _policies),
)


def _files(folder: Path) -> list[tuple[str, str, str]]:
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        licence = next((text for start, text in _LICENCES.items() if name.startswith(start)), "")
        if path.is_file() and licence and "az-prices" not in name:
            found.append((name, digest_of_file(path), licence))
    return found
