"""`spotlab train`: trains models on recorded data and registers them as candidates."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from spotlab.cli import options
from spotlab.cli.command import Command, Result
from spotlab.cli.local_session import open_services
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings

if TYPE_CHECKING:
    from spotlab.training.advisor.hyperparameters import Budget
    from spotlab.training.capacity.evaluation import TraceOptions

Document = dict[str, Any]
Progress = Callable[[str, float], None]
ADVISOR, CAPACITY = "advisor", "capacity"
DEFAULT_TRIALS: Final = 40
"""Limit of a search without --search-trials: on these data, more trials do not pay off."""


class TrainedModel(Protocol):
    """Result of a training run."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def version(self) -> str:
        """Version of the artefact."""
        ...

    @property
    def folder(self) -> Path:
        """Folder of the artefact."""
        ...

    def as_document(self) -> Document:
        """The result as JSON values."""
        ...

    def as_text(self) -> str:
        """The result in a few lines of text."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """Checked arguments of a training run.

    Args:
        data: folders or files; empty for the task's data in SPOTLAB_SHARED_DATA.
        split: how to validate; "" for the task's default.
        out: folder of model artefacts.
        seed: random seed.
        budget: limits of the hyperparameter search; None for no search.
        version: version to write; None for the first free one.
        reading: properties that trace files do not state.
    """

    data: tuple[Path, ...]
    split: str
    out: Path
    seed: int
    budget: Budget | None
    version: str | None
    reading: TraceOptions


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--task",
        choices=[*TRAINERS],
        help="task of the model, or name of a simple rule (default: all, one after the other)",
    )
    add(
        "--data",
        nargs="+",
        type=Path,
        action="extend",
        default=[],
        metavar="PATH",
        help="files or folders to train on (default: the task's data in SPOTLAB_SHARED_DATA)",
    )
    add("--split", default="", metavar="SPEC", help=SPLIT_HELP)
    add(
        "--out", type=Path, metavar="DIR", help="folder for the model (default: SPOTLAB_MODELS_DIR)"
    )
    add("--seed", type=options.integer(0), default=7, help="random seed (default 7)")
    add(
        "--search-trials",
        type=options.integer(1, 100_000, "trials"),
        metavar="N",
        help="search for hyperparameters with at most N trials",
    )
    minutes = options.number(0, 60 * options.HOURS_OF_A_YEAR, "minutes", above=True)
    add(
        "--search-minutes",
        type=minutes,
        metavar="M",
        help="search for hyperparameters, and start no trial after M minutes",
    )
    add("--version", metavar="X", help="version to write (default: the first free one)")
    options.add_trace_arguments(parser)


def _train(args: argparse.Namespace, settings: Settings) -> Result:
    from spotlab.recorded.formats import reject_untrainable

    tasks = [args.task] if args.task else [*TRAINERS]
    if not args.task and (args.data or args.split or args.version):
        raise InvalidSetting(
            "--data, --split and --version depend on the task.",
            remedy=f"Add --task {' or --task '.join(TRAINERS)}.",
        )
    unstated = any((args.polarity, args.gap_s, args.columns, args.zone_ids))
    if unstated and TRAINERS[tasks[0]] in (_advisor, _advisor_rule):
        raise InvalidSetting(
            "--polarity, --gap-s, --columns and --zone-ids describe traces.",
            remedy="Use them with the task of a capacity model.",
        )
    out = args.out or settings.models_dir
    request = TrainingRequest(
        data=tuple(args.data),
        split=args.split,
        out=out,
        seed=args.seed,
        budget=_budget(args),
        version=args.version,
        reading=_reading(args),
    )
    registers = _is_models_folder(out, settings)
    if registers:
        reject_untrainable(request.data, args.columns)
        # Registers existing versions first, so that a new one does not count as the first.
        _registered_states(settings)
    models = [
        TRAINERS[task](request, _progress_writer(f"{task}: " if len(tasks) > 1 else ""))
        for task in tasks
    ]
    states = _registered_states(settings) if registers else {}
    documents = [_document(task, each, states) for task, each in zip(tasks, models, strict=True)]
    text = "\n".join(_text(each, states) for each in models)
    return Result(documents[0] if args.task else {"models": documents}, text)


def _advisor(request: TrainingRequest, report_progress: Progress) -> TrainedModel:
    from spotlab.training.advisor.splits import GroupSplit
    from spotlab.training.advisor.training import SPLIT, train

    folder = _one_folder(request.data)
    return train(
        folder,
        request.out,
        seed=request.seed,
        progress=report_progress,
        cancelled=_never,
        budget=request.budget,
        version=request.version,
        split=GroupSplit.parse(request.split) if request.split else SPLIT,
    )


def _capacity(request: TrainingRequest, report_progress: Progress) -> TrainedModel:
    from spotlab.training.capacity import recipe
    from spotlab.training.capacity.training import train_capacity

    return train_capacity(
        request.data or (shared_data() / TRACES,),
        request.out,
        seed=request.seed,
        progress=report_progress,
        cancelled=_never,
        budget=request.budget,
        version=request.version,
        split=request.split or recipe.SPLIT,
        options=request.reading,
    )


def _advisor_rule(request: TrainingRequest, report_progress: Progress) -> TrainedModel:
    from spotlab.training.advisor.rule import train_rule
    from spotlab.training.advisor.splits import GroupSplit
    from spotlab.training.advisor.training import SPLIT

    return train_rule(
        _one_folder(request.data),
        request.out,
        seed=request.seed,
        progress=report_progress,
        cancelled=_never,
        version=request.version,
        split=GroupSplit.parse(request.split) if request.split else SPLIT,
    )


def _capacity_rule(name: str) -> Callable[[TrainingRequest, Progress], TrainedModel]:
    def train(request: TrainingRequest, report_progress: Progress) -> TrainedModel:
        from spotlab.training.capacity import recipe
        from spotlab.training.capacity.rule import RULES, train_rule

        return train_rule(
            RULES[name],
            request.data or (shared_data() / TRACES,),
            request.out,
            seed=request.seed,
            progress=report_progress,
            cancelled=_never,
            version=request.version,
            split=request.split or recipe.SPLIT,
            options=request.reading,
        )

    return train


TRAINERS: Final[Mapping[str, Callable[[TrainingRequest, Progress], TrainedModel]]] = {
    ADVISOR: _advisor,
    CAPACITY: _capacity,
    "advisor-persistence": _advisor_rule,
    "capacity-streak": _capacity_rule("capacity-streak"),
    "capacity-pool-rate": _capacity_rule("capacity-pool-rate"),
}
"""By task; the rules by the name of their model."""
SPLIT_HELP: Final = (
    "how to validate; advisor: by family or region, with folds (family:5); capacity: time:0.6, "
    "group:pool or none"
)
TRACES: Final = "traces"
"""Folder of the recorded data with traces that may be used for training."""


def _one_folder(paths: Sequence[Path]) -> Path:
    if len(paths) > 1:
        raise InvalidSetting(
            f"The advisor model is trained on one folder, not on {len(paths)} paths.",
            remedy="Specify the folder that contains advisor, spot-prices and instance-specs.",
        )
    return paths[0] if paths else shared_data()


def shared_data() -> Path:
    """The folder of recorded data, from the environment."""
    return Path(os.environ.get("SPOTLAB_SHARED_DATA", "../shared/data"))


def _reading(args: argparse.Namespace) -> TraceOptions:
    from spotlab.training.capacity.evaluation import TraceOptions

    return TraceOptions(
        polarity=args.polarity,
        gap_s=args.gap_s,
        columns=args.columns,
        zone_ids=options.zone_ids(args.zone_ids),
    )


def _budget(args: argparse.Namespace) -> Budget | None:
    if args.search_trials is None and args.search_minutes is None:
        return None
    from spotlab.training.advisor.hyperparameters import Budget

    return Budget(args.search_trials or DEFAULT_TRIALS, args.search_minutes)


def _registered_states(settings: Settings) -> Mapping[tuple[str, str], str]:
    """The state of every registered version.

    Opening the lab first registers the artefacts on disk, new versions as candidates.
    """
    with open_services(settings) as services:
        return {(r.name, r.version): r.state for r in services.models.records()}


def _document(task: str, model: TrainedModel, states: Mapping[tuple[str, str], str]) -> Document:
    return {
        "task": task,
        **model.as_document(),
        "state": states.get((model.name, model.version)),
    }


def _text(model: TrainedModel, states: Mapping[tuple[str, str], str]) -> str:
    state = states.get((model.name, model.version))
    registration = (
        f"registered: {state}"
        if state
        else "not registered: this home does not read models from that folder"
    )
    return f"{model.as_text()}\n{registration}"


def _progress_writer(prefix: str) -> Progress:
    """A function that writes progress to stderr, one line per step."""

    def write_progress(text: str, share: float) -> None:
        with suppress(OSError):
            sys.stderr.write(f"{share:4.0%} {prefix}{text}\n")
            sys.stderr.flush()

    return write_progress


def _never() -> bool:
    return False  # Ctrl-C raises KeyboardInterrupt; nothing is written before the last step


def _is_models_folder(out: Path, settings: Settings) -> bool:
    """Whether this home reads models from the folder."""
    from spotlab.runtime.model_registration import UPLOADS

    folders = (settings.models_dir, settings.home / UPLOADS)
    return out.resolve() in {folder.resolve() for folder in folders}


TRAIN: Final = Command(
    "train", "Train models on recorded data and register them as candidates.", _arguments, _train
)
