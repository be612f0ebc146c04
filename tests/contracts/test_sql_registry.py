"""The model registry's contract, on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from spotlab.domain.ports import ModelRecord
from spotlab.errors import InvalidInput, NotFound
from spotlab.store import Store
from tests.support import builders as make


def states(store: Store) -> dict[str, str]:
    return {record.version: record.state for record in store.registry.records()}


def test_a_record_comes_back_equal(store: Store) -> None:
    record = make.model_record(card={"trees": 300, "auc": 0.1 + 0.2, "notes": ["ü", None, True]})
    assert store.registry.register(record)
    assert store.registry.records() == [record]


def test_registering_again_changes_nothing(store: Store) -> None:
    store.registry.register(make.model_record())
    store.registry.set_champion("advisor-lgbm", "1.0.0")
    assert not store.registry.register(make.model_record(path="elsewhere"))
    assert store.registry.records() == [make.model_record(state="champion")]


def test_another_artefact_needs_another_version(store: Store) -> None:
    store.registry.register(make.model_record())
    with pytest.raises(InvalidInput, match=r"advisor-lgbm@1\.0\.0 is registered with another"):
        store.registry.register(make.model_record(digest="0" * 64))
    assert store.registry.records() == [make.model_record()]


def test_records_are_by_name_then_newest_version(store: Store) -> None:
    for version in ("1.9.0", "1.10.0", "1.10.0-rc1", "2.0.0", "0.1"):
        store.registry.register(make.model_record(version))
    store.registry.register(make.model_record("9", name="a-baseline"))

    assert [(each.name, each.version) for each in store.registry.records()] == [
        ("a-baseline", "9"),
        ("advisor-lgbm", "2.0.0"),
        ("advisor-lgbm", "1.10.0"),
        ("advisor-lgbm", "1.10.0-rc1"),
        ("advisor-lgbm", "1.9.0"),
        ("advisor-lgbm", "0.1"),
    ]


def test_a_task_has_one_champion(store: Store) -> None:
    for version in ("1.0.0", "1.1.0"):
        store.registry.register(make.model_record(version))
    other = make.model_record("1.2.0", task="capacity", state="champion")
    store.registry.register(other)
    assert store.registry.champion("advisor") is None

    store.registry.set_champion("advisor-lgbm", "1.0.0")
    store.registry.set_champion("advisor-lgbm", "1.1.0")
    store.registry.set_champion("advisor-lgbm", "1.1.0")

    champion = store.registry.champion("advisor")
    assert champion == make.model_record("1.1.0", state="champion")
    assert states(store) == {"1.2.0": "champion", "1.1.0": "champion", "1.0.0": "graduated"}


def test_a_champion_that_is_registered_takes_over(store: Store) -> None:
    store.registry.register(make.model_record("1.0.0", state="champion"))
    store.registry.register(make.model_record("2.0.0", state="champion"))
    assert states(store) == {"2.0.0": "champion", "1.0.0": "graduated"}


def test_an_unknown_version_is_no_champion(store: Store) -> None:
    store.registry.register(make.model_record(state="champion"))
    with pytest.raises(NotFound, match=r"advisor-lgbm@9 is not registered"):
        store.registry.set_champion("advisor-lgbm", "9")
    assert states(store) == {"1.0.0": "champion"}


def test_several_starts_at_once_register_once(store: Store) -> None:
    versions = [make.model_record(f"{number % 4}", state="champion") for number in range(16)]

    def register(record: ModelRecord) -> bool:
        return store.registry.register(replace(record))

    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(register, versions))

    assert new.count(True) == 4
    assert sorted(states(store).values()) == ["champion", "graduated", "graduated", "graduated"]
