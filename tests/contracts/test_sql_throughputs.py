"""The contract of measured throughputs, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import date

import pytest

from spotlab.domain.performance import CLAIMS_VERSION, EQUAL, Basis, index_for
from spotlab.domain.ports import AuditFilter, By
from spotlab.domain.throughputs import Throughput
from spotlab.errors import ChangedMeanwhile, InvalidInput, NotFound
from spotlab.store import Store
from tests.support import builders as make

BY = By("ana", make.NOW, "measured on Tuesday")
M6G = Throughput("m6g.large", 1000.1, date(2026, 11, 3), "batch 32")
M7G = Throughput("m7g.large", 1180.7)


def test_a_set_comes_back_whole_and_older_versions_stay(store: Store) -> None:
    first = store.throughputs.save("training", [M6G, M7G], "images/s", BY)
    second = store.throughputs.save("training", [M7G], "images/s", BY)
    assert (first.version, second.version) == (1, 2)
    assert first.throughputs == (M6G, M7G)
    assert store.throughputs.versions() == [second, first]
    assert store.throughputs.versions("other") == []
    assert store.throughputs.newest() == {"training": second}


def test_each_workload_has_its_own_versions(store: Store) -> None:
    own = store.throughputs.save("training", [M6G], "images/s", BY)
    everyone = store.throughputs.save("", [M7G], "", BY)
    assert (own.version, everyone.version) == (1, 1)
    assert store.throughputs.newest() == {"": everyone, "training": own}


def test_a_change_of_a_version_that_is_no_longer_the_newest_is_refused(store: Store) -> None:
    store.throughputs.save("", [M6G], "", BY, expected_version=0)
    with pytest.raises(ChangedMeanwhile, match="at version 1, not 0"):
        store.throughputs.save("", [M7G], "", BY, expected_version=0)
    assert store.throughputs.newest()[""].throughputs == (M6G,)


def test_two_values_of_one_type_are_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"m6g\.large has 2 throughputs"):
        store.throughputs.save("", [M6G, M6G], "", BY)
    assert store.throughputs.newest() == {}


def test_changes_are_audited(store: Store) -> None:
    store.throughputs.save("", [M6G], "req/s", BY)
    store.throughputs.save("", [], "", BY)
    entries = store.audit.entries(AuditFilter(action="throughputs.save"))
    newest, first = entries
    assert (newest.target, newest.reason) == ("*@2", "measured on Tuesday")
    assert first.after == {"version": 1, "throughputs": 1, "unit": "req/s"}
    assert newest.before == first.after


def test_an_index_can_be_opened_again_as_it_was(store: Store) -> None:
    """A decision is computed again from the versions that it used, not from the newest."""
    store.throughputs.save("training", [M6G, M7G], "images/s", BY)
    store.throughputs.save("", [M6G], "", BY)
    used = index_for("training", store.throughputs.newest())
    assert used.fingerprint == f"training@1+*@1+claims@{CLAIMS_VERSION}"
    before = used.relative("m6g.large", "m7g.large")
    assert before.basis is Basis.MEASURED
    store.throughputs.save("training", [M6G, Throughput("m7g.large", 2000.0)], "images/s", BY)
    store.throughputs.save("", [], "", BY)
    again = store.throughputs.index_at(used.fingerprint)
    assert again == used
    assert again.relative("m6g.large", "m7g.large") == before
    assert index_for("training", store.throughputs.newest()).fingerprint == "training@2+claims@1"


def test_an_index_without_claims_and_the_one_before_there_was_any(store: Store) -> None:
    unclaimed = index_for("", store.throughputs.newest(), use_claims=False)
    assert store.throughputs.index_at(unclaimed.fingerprint) == unclaimed == EQUAL
    assert store.throughputs.index_at("") == EQUAL


def test_an_index_whose_set_is_missing_is_an_error(store: Store) -> None:
    with pytest.raises(NotFound, match="not in this database"):
        store.throughputs.index_at("training@7+claims@1")
