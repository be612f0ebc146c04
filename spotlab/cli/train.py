"""`spotlab train`: from recorded data to a candidate in the registry."""

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
from spotlab.cli.command import Command
from spotlab.cli.decision_output import Answer
from spotlab.cli.local_session import at_desk
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings

if TYPE_CHECKING:
    from spotlab.training.advisor.hyperparameters import Budget

Document = dict[str, Any]
ADVISOR, CAPACITY = "advisor", "capacity"
DEFAULT_TRIALS: Final = 40
"""Of a search that only minutes bound: more are not worth their time on these data."""


class Trained(Protocol):
    """What a training run made."""

    @property
    def name(self) -> str:
        """Of the model."""
        ...

    @property
    def version(self) -> str:
        """Of the artefact."""
        ...

    @property
    def folder(self) -> Path:
        """Where it is."""
        ...

    def as_document(self) -> Document:
        """As JSON-like values."""
        ...

    def as_text(self) -> str:
        """A few lines for a person."""
        ...


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for, checked.

    Args:
        data: folders or files; empty: the task's own under SPOTLAB_SHARED_DATA.
        split: as given; "" for the task's own.
        out: folder of model artefacts.
        seed: of everything drawn.
        budget: of a search; None: no search.
        version: to write; None: the first free one.
    """

    data: tuple[Path, ...]
    split: str
    out: Path
    seed: int
    budget: Budget | None
    version: str | None


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--task", choices=[*TRAINERS], help="default: every task, one after the other")
    add(
        "--data",
        nargs="+",
        type=Path,
        action="extend",
        default=[],
        metavar="PATH",
        help="default: the task's data under SPOTLAB_SHARED_DATA",
    )
    add("--split", default="", metavar="SPEC", help=SPLIT_HELP)
    add("--out", type=Path, metavar="DIR", help="models folder (default: SPOTLAB_MODELS_DIR)")
    add("--seed", type=options.whole(0), default=7)
    add(
        "--search-trials",
        type=options.whole(1, 100_000, "trials"),
        metavar="N",
        help="search settings: at most N trials",
    )
    minutes = options.number(0, 60 * options.HOURS_OF_A_YEAR, "minutes", above=True)
    add("--search-minutes", type=minutes, metavar="M", help="begin no trial after M minutes")
    add("--version", metavar="X", help="version to write (default: the first free one)")


def _train(args: argparse.Namespace, settings: Settings) -> Answer:
    from spotlab.recorded.formats import refuse_untrainable

    tasks = [args.task] if args.task else [*TRAINERS]
    if not args.task and (args.data or args.split or args.version):
        raise InvalidSetting(
            "--data, --split and --version differ by task.",
            remedy=f"Add --task {' or --task '.join(TRAINERS)}.",
        )
    out = args.out or settings.models_dir
    wish = Wish(
        data=tuple(args.data),
        split=args.split,
        out=out,
        seed=args.seed,
        budget=_budget(args),
        version=args.version,
    )
    known = _known_here(out, settings)
    if known:
        refuse_untrainable(wish.data)
        _registered(settings)  # what is there already, so that no new version is a first one
    made = [TRAINERS[task](wish, _teller(f"{task}: " if len(tasks) > 1 else "")) for task in tasks]
    states = _registered(settings) if known else {}
    documents = [_document(task, each, states) for task, each in zip(tasks, made, strict=True)]
    text = "\n".join(_text(each, states) for each in made)
    return Answer(documents[0] if args.task else {"models": documents}, text)


def _advisor(wish: Wish, tell: Callable[[str, float], None]) -> Trained:
    from spotlab.training.advisor.splits import GroupSplit
    from spotlab.training.advisor.training import SPLIT, train

    folder = _one_folder(wish.data)
    return train(
        folder,
        wish.out,
        seed=wish.seed,
        progress=tell,
        cancelled=_never,
        budget=wish.budget,
        version=wish.version,
        split=GroupSplit.parse(wish.split) if wish.split else SPLIT,
    )


def _capacity(wish: Wish, tell: Callable[[str, float], None]) -> Trained:
    from spotlab.training.capacity import recipe
    from spotlab.training.capacity.training import train_capacity

    return train_capacity(
        wish.data or (shared_data() / TRACES,),
        wish.out,
        seed=wish.seed,
        progress=tell,
        cancelled=_never,
        budget=wish.budget,
        version=wish.version,
        split=wish.split or recipe.SPLIT,
    )


TRAINERS: Final[Mapping[str, Callable[[Wish, Callable[[str, float], None]], Trained]]] = {
    ADVISOR: _advisor,
    CAPACITY: _capacity,
}
SPLIT_HELP: Final = (
    "how rows are validated; advisor: family or region, with folds (family:5); capacity: time:0.6, "
    "group:pool or none"
)
TRACES: Final = "traces"
"""Folder of traces that may train, in the recorded data."""


def _one_folder(given: Sequence[Path]) -> Path:
    if len(given) > 1:
        raise InvalidSetting(
            f"The advisor model learns from one folder of recorded data, not {len(given)} paths.",
            remedy="Give the folder that holds advisor, spot-prices and instance-specs.",
        )
    return given[0] if given else shared_data()


def shared_data() -> Path:
    """The folder of recorded data that the environment names."""
    return Path(os.environ.get("SPOTLAB_SHARED_DATA", "../shared/data"))


def _budget(args: argparse.Namespace) -> Budget | None:
    if args.search_trials is None and args.search_minutes is None:
        return None
    from spotlab.training.advisor.hyperparameters import Budget

    return Budget(args.search_trials or DEFAULT_TRIALS, args.search_minutes)


def _registered(settings: Settings) -> Mapping[tuple[str, str], str]:
    """The state of every version in the registry: starting a lab registers what is on disk, new
    versions as candidates."""
    with at_desk(settings) as desk:
        return {(r.name, r.version): r.state for r in desk.models.records()}


def _document(task: str, made: Trained, states: Mapping[tuple[str, str], str]) -> Document:
    return {
        "task": task,
        **made.as_document(),
        "state": states.get((made.name, made.version)),
    }


def _text(made: Trained, states: Mapping[tuple[str, str], str]) -> str:
    state = states.get((made.name, made.version))
    where = (
        f"registered: {state}"
        if state
        else "not registered: this home does not look for models there"
    )
    return f"{made.as_text()}\n{where}"


def _teller(before: str) -> Callable[[str, float], None]:
    """Progress on stderr; a line that was written stays, so a log can be read."""

    def tell(text: str, share: float) -> None:
        with suppress(OSError):
            sys.stderr.write(f"{share:4.0%} {before}{text}\n")
            sys.stderr.flush()

    return tell


def _never() -> bool:
    return False  # Ctrl-C raises where it strikes; nothing is written before the last step


def _known_here(out: Path, settings: Settings) -> bool:
    """Whether this home finds models there."""
    from spotlab.runtime.model_registration import UPLOADS

    folders = (settings.models_dir, settings.home / UPLOADS)
    return out.resolve() in {folder.resolve() for folder in folders}


TRAIN: Final = Command(
    "train", "Train a risk model from recorded data, as a candidate.", _arguments, _train
)
