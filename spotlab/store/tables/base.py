"""The base class of every SQL table.

It has its own registry and metadata: a hot reload imports all tables again, which fails in
SQLModel's shared registry with "Table … is already defined".
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, MetaData
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
NULLABLE_JSON: Final = JSON(none_as_null=True)


class Base(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """Base of every table, with its own registry."""

    model_config = {"defer_build": True}  # rows are not validated: no schemas needed
