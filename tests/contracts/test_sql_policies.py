"""Policies in SQL, on SQLite and PostgreSQL: versions, states, one active, audited."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from spotlab.domain.policy import DEFAULT_POLICY, Policy, PolicyParams, PolicyState, PolicyVersion
from spotlab.domain.ports import AuditFilter, By
from spotlab.errors import ChangedMeanwhile, Conflict, NotFound
from spotlab.store import Store
from tests.support import builders as make

BY = By("ana", make.NOW, "a test", "session")
CAUTIOUS = Policy("cautious", 0, "Fewer moves.", PolicyParams(min_saving_fraction=1 / 3))


def states(store: Store) -> dict[str, str]:
    return {each.reference: each.state for each in store.policies.versions()}


def activate(store: Store, version: PolicyVersion) -> PolicyVersion:
    policy = version.policy
    return store.policies.set_state(policy.name, policy.version, PolicyState.ACTIVE, BY)


def test_the_built_in_policy_is_active_until_another_is(store: Store) -> None:
    (only,) = store.policies.versions()
    assert (only.policy, only.state, only.history) == (DEFAULT_POLICY, PolicyState.ACTIVE, ())
    assert store.policies.active() == DEFAULT_POLICY


def test_a_saved_version_comes_back_equal_and_a_change_is_the_next_one(store: Store) -> None:
    first = store.policies.save(CAUTIOUS, BY)
    second = store.policies.save(replace(CAUTIOUS, params=PolicyParams(cooldown_h=12.0)), BY)
    assert (first.reference, second.reference) == ("cautious@1", "cautious@2")
    assert store.policies.versions("cautious") == [second, first]
    assert first.policy == replace(CAUTIOUS, version=1)
    assert [(e.actor, e.before, e.after, e.reason) for e in first.history] == [
        ("ana", None, PolicyState.DRAFT, "a test")
    ]
    assert store.policies.save(replace(CAUTIOUS, name="default"), BY).reference == "default@2"


def test_a_change_based_on_an_older_version_is_refused(store: Store) -> None:
    store.policies.save(CAUTIOUS, BY, expected_version=0)
    with pytest.raises(ChangedMeanwhile, match="'cautious' is at version 1, not 0"):
        store.policies.save(CAUTIOUS, BY, expected_version=0)
    assert store.policies.save(CAUTIOUS, BY, expected_version=1).policy.version == 2


def test_exactly_one_version_is_active_and_the_former_retires(store: Store) -> None:
    first, second = store.policies.save(CAUTIOUS, BY), store.policies.save(CAUTIOUS, BY)
    moved = activate(store, first)
    assert states(store) == {
        "cautious@1": "active",
        "cautious@2": "draft",
        "default@1": "retired",
    }
    assert store.policies.active() == first.policy
    assert moved in store.policies.versions()
    activate(store, second)
    assert states(store)["cautious@1"] == "retired"
    (retired, *_) = store.policies.versions("cautious")[1].history
    assert retired.reason == "cautious@2 became active. a test"
    built_in = store.policies.versions("default")[0]
    activate(store, built_in)
    assert states(store) == {
        "cautious@1": "retired",
        "cautious@2": "retired",
        "default@1": "active",
    }
    assert store.policies.active() == DEFAULT_POLICY
    store.policies.set_state("cautious", 2, PolicyState.SHADOW, BY)
    assert states(store)["cautious@2"] == "shadow"


def test_the_built_in_policy_runs_in_shadow_of_its_successor(store: Store) -> None:
    activate(store, store.policies.save(CAUTIOUS, BY))
    store.policies.set_state("default", 1, PolicyState.SHADOW, BY)
    assert states(store) == {"cautious@1": "active", "default@1": "shadow"}


def test_a_refused_change_changes_nothing(store: Store) -> None:
    store.policies.save(CAUTIOUS, BY)
    entries = store.audit.count()
    with pytest.raises(NotFound, match="There is no policy cautious@2"):
        store.policies.set_state("cautious", 2, PolicyState.SHADOW, BY)
    with pytest.raises(Conflict, match="already draft"):
        store.policies.set_state("cautious", 1, PolicyState.DRAFT, BY)
    with pytest.raises(ChangedMeanwhile, match="is draft, not shadow"):
        store.policies.set_state("cautious", 1, PolicyState.ACTIVE, BY, expected=PolicyState.SHADOW)
    with pytest.raises(Conflict, match="Activate another version"):
        store.policies.set_state("default", 1, PolicyState.RETIRED, BY)
    assert states(store) == {"cautious@1": "draft", "default@1": "active"}
    assert store.audit.count() == entries


def test_every_change_is_audited(store: Store) -> None:
    activate(store, store.policies.save(CAUTIOUS, BY))
    entries = store.audit.entries(AuditFilter())
    assert [(e.action, e.target, e.actor, e.before, e.after) for e in entries[:2]] == [
        ("policy.state", "cautious@1", "ana", "draft", "active"),
        ("policy.state", "default@1", "ana", "active", "retired"),
    ]
    saved = entries[2]
    assert (saved.action, saved.target, saved.before) == ("policy.save", "cautious@1", None)
    assert saved.after is not None
    assert saved.after["min_saving_fraction"] == 1 / 3
    assert store.audit.check().broken_at is None


def test_versions_saved_at_once_are_numbered_one_after_the_other(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        saved = list(pool.map(lambda _: store.policies.save(CAUTIOUS, BY), range(8)))
    assert sorted(each.policy.version for each in saved) == list(range(1, 9))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: activate(store, each), saved))
    found = [each for each in store.policies.versions() if each.state is PolicyState.ACTIVE]
    assert len(found) == 1
