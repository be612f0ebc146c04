"""Numbers of experiments by their values, so that counting a million does not read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import func
from sqlmodel import Session, col

from spotlab.store.engine import add_to
from spotlab.store.tables.core import ExperimentCountRow, ExperimentRow

GROUP: Final[tuple[Any, ...]] = (
    col(ExperimentRow.account),
    col(ExperimentRow.model),
    func.coalesce(ExperimentRow.decision, "").label("decision"),
    col(ExperimentRow.shadow),
    col(ExperimentRow.is_degraded),
    (col(ExperimentRow.error) != "").label("failed"),
)
"""What experiments are counted by, in the order of the table's columns."""
_NAMES: Final = ("account", "model", "decision", "shadow", "is_degraded", "failed")


def add(session: Session, groups: Iterable[tuple[Any, ...]], sign: int) -> None:
    """Change the counts of experiments that are added (1) or deleted (-1) in this transaction.

    Args:
        session: inside the transaction.
        groups: the values of GROUP of each experiment.
        sign: 1 or -1.
    """
    # In one order, so that two transactions cannot wait for each other.
    for group, number in sorted(Counter(map(tuple, groups)).items()):
        row = ExperimentCountRow(**dict(zip(_NAMES, group, strict=True)), experiments=sign * number)
        add_to(session, row, "experiments")


def group_of(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of GROUP of an experiment, from its columns."""
    decision, failed = values["decision"] or "", values["error"] != ""
    account, model = values["account"], values["model"]
    return account, model, decision, values["shadow"], values["is_degraded"], failed
