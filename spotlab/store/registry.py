"""Model versions and the champion. Store floor: implements ports.ModelRegistry on SQL."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import Engine, update
from sqlmodel import Session, col, select

from spotlab.domain.ports import ModelRecord
from spotlab.errors import InvalidInput, NotFound
from spotlab.store.engine import one_at_a_time, reading, writing
from spotlab.store.tables import ModelVersionRow

_CHAMPION: Final = "champion"
_GRADUATED: Final = "graduated"
_ONE_CHAMPION: Final = "one champion a task"


class SqlModelRegistry:
    """Model versions in SQL; the database itself allows one champion a task.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def register(self, record: ModelRecord) -> bool:
        """Insert by (name, version); True when new. A new champion replaces its task's former.

        Raises:
            InvalidInput: the version exists with another digest.
        """
        with writing(self._engine) as session:
            one_at_a_time(session, _ONE_CHAMPION)
            known = session.get(ModelVersionRow, (record.name, record.version))
            if known is not None and known.digest != record.digest:
                raise InvalidInput(
                    f"Model {record.name}@{record.version} is registered with another digest.",
                    remedy="Give the changed artefact a new version.",
                )
            if known is None:
                if record.state == _CHAMPION:
                    _retire_champion(session, record.task)
                session.add(_row(record))
            return known is None

    def records(self) -> list[ModelRecord]:
        """By name, then newest version first."""
        with reading(self._engine) as session:
            found = [_record(row) for row in session.exec(select(ModelVersionRow))]
        newest_first = sorted(found, key=lambda each: _order(each.version), reverse=True)
        return sorted(newest_first, key=lambda each: each.name)

    def champion(self, task: str) -> ModelRecord | None:
        """The champion of a task."""
        query = select(ModelVersionRow).where(
            ModelVersionRow.task == task, ModelVersionRow.state == _CHAMPION
        )
        with reading(self._engine) as session:
            row = session.exec(query).first()
        return None if row is None else _record(row)

    def set_champion(self, name: str, version: str) -> None:
        """Make it the champion of its task; the former one becomes graduated. Raises NotFound."""
        with writing(self._engine) as session:
            one_at_a_time(session, _ONE_CHAMPION)
            row = session.get(ModelVersionRow, (name, version))
            if row is None:
                raise NotFound(
                    f"Model {name}@{version} is not registered.",
                    remedy="`spotlab models` lists the versions there are.",
                )
            if row.state != _CHAMPION:
                _retire_champion(session, row.task)
                row.state = _CHAMPION


def _retire_champion(session: Session, task: str) -> None:
    retire = update(ModelVersionRow).where(
        col(ModelVersionRow.task) == task, col(ModelVersionRow.state) == _CHAMPION
    )
    session.connection().execute(retire.values(state=_GRADUATED))


def _order(version: str) -> list[tuple[int, int, str]]:
    """So that 1.10.0 is newer than 1.9.0, and newer than its own 1.10.0-rc1."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    numbers_over_words = [(2, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
    return [*numbers_over_words, (1, 0, "")]


def _row(record: ModelRecord) -> ModelVersionRow:
    return ModelVersionRow(
        name=record.name,
        version=record.version,
        task=record.task,
        digest=record.digest,
        path=record.path,
        state=record.state,
        registered_at=record.registered_at,
        card=dict(record.card),
    )


def _record(row: ModelVersionRow) -> ModelRecord:
    return ModelRecord(**row.model_dump())
