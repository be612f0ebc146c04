"""The model registry's contract, on SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from spotlab.domain.model_lifecycle import ModelAction
from spotlab.domain.ports import By, ModelEvent, ModelRecord
from spotlab.errors import InvalidInput, NotFound
from spotlab.store import Store
from tests.support import builders as make
from tests.support.databases import Database

RACE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from spotlab.domain.model_lifecycle import ModelAction
from spotlab.domain.ports import By
from spotlab.errors import InvalidInput
from spotlab.store import open_store
url, path, actor, own, other = sys.argv[1:]
registry = open_store(url or None, Path(path)).registry
print("ready", flush=True)
sys.stdin.readline()
for _ in range(10):
    for version in (own, other):
        try:
            by = By(actor, datetime.now(UTC))
            registry.move("advisor-lgbm", version, ModelAction.CHAMPION, by)
        except InvalidInput as exc:
            assert "is the champion" in str(exc) or "is already champion" in str(exc), exc
"""


def by(actor: str = "ana", minutes: float = 0.0, reason: str = "") -> By:
    return By(actor, make.NOW + timedelta(minutes=minutes), reason)


def move(store: Store, version: str, *actions: str, minutes: float = 0.0) -> ModelRecord:
    for action in actions:
        signed = by(minutes=minutes, reason=f"{action} it")
        store.registry.move("advisor-lgbm", version, ModelAction(action), signed)
    return next(each for each in store.registry.records() if each.version == version)


def registered(store: Store, *versions: str) -> None:
    for version in versions:
        store.registry.register(make.model_record(version), by("spotlab"))


def states(store: Store) -> dict[str, str]:
    return {record.version: record.state for record in store.registry.records()}


def trail(store: Store, name: str | None = None) -> list[str]:
    """Oldest first, a line each."""
    return [
        f"{e.actor}: {e.action} {e.name}@{e.version} {e.before}>{e.after}"
        for e in reversed(store.registry.events(name))
    ]


def test_a_record_comes_back_equal(store: Store) -> None:
    record = make.model_record(card={"trees": 300, "auc": 0.1 + 0.2, "notes": ["ü", None, True]})
    assert store.registry.register(record)
    assert store.registry.records() == [record]
    assert record.enabled


def test_registering_again_changes_nothing(store: Store) -> None:
    registered(store, "1.0.0")
    move(store, "1.0.0", "graduate", "champion")
    before = store.registry.events()
    assert not store.registry.register(make.model_record(path="elsewhere"))
    assert store.registry.records() == [make.model_record(state="champion")]
    assert store.registry.events() == before


def test_another_artefact_needs_another_version(store: Store) -> None:
    store.registry.register(make.model_record())
    with pytest.raises(InvalidInput, match=r"advisor-lgbm@1\.0\.0 is registered with another"):
        store.registry.register(make.model_record(digest="0" * 64))
    assert store.registry.records() == [make.model_record()]
    assert len(store.registry.events()) == 1


def test_nothing_is_registered_as_more_than_a_candidate(store: Store) -> None:
    with pytest.raises(InvalidInput, match="cannot be registered as champion"):
        store.registry.register(make.model_record(state="champion"))
    assert store.registry.records() == []


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


def test_a_version_is_trusted_from_graduation_on_while_it_is_enabled(store: Store) -> None:
    record = make.model_record("1.0.0")
    trusts = store.registry.trusts
    assert not trusts("advisor-lgbm", "1.0.0", record.digest), "nobody knows it"
    registered(store, "1.0.0")
    for action, trusted in (
        ("", False),
        ("graduate", True),
        ("disable", False),
        ("enable", True),
        ("reject", False),
        ("graduate", True),
        ("archive", False),
        ("graduate", True),
        ("champion", True),
    ):
        move(store, "1.0.0", *([action] if action else []))
        assert trusts("advisor-lgbm", "1.0.0", record.digest) is trusted, action
        assert not trusts("advisor-lgbm", "1.0.0", "0" * 64), "of other content"
        assert not trusts("advisor-lgbm", "1.0.1", record.digest)


def test_every_task_has_one_champion_and_the_former_steps_down(store: Store) -> None:
    registered(store, "1.0.0", "1.1.0")
    store.registry.register(make.model_record("3", name="capacity-lgbm", task="capacity"))
    for action in (ModelAction.GRADUATE, ModelAction.CHAMPION):
        store.registry.move("capacity-lgbm", "3", action, by())
    assert store.registry.champion("advisor") is None

    move(store, "1.0.0", "graduate", "champion")
    crowned = move(store, "1.1.0", "graduate", "champion")

    assert crowned == make.model_record("1.1.0", state="champion")
    assert store.registry.champion("advisor") == crowned
    assert states(store) == {"3": "champion", "1.1.0": "champion", "1.0.0": "graduated"}
    assert trail(store, "advisor-lgbm") == [
        "spotlab: register advisor-lgbm@1.0.0 >candidate",
        "spotlab: register advisor-lgbm@1.1.0 >candidate",
        "ana: graduate advisor-lgbm@1.0.0 candidate>graduated",
        "ana: champion advisor-lgbm@1.0.0 graduated>champion",
        "ana: graduate advisor-lgbm@1.1.0 candidate>graduated",
        "ana: step down advisor-lgbm@1.0.0 champion>graduated",
        "ana: champion advisor-lgbm@1.1.0 graduated>champion",
    ]
    stepped_down = store.registry.events()[1]
    assert stepped_down.reason == "advisor-lgbm@1.1.0 became the champion. champion it"


PATHS = {
    "champion from candidate": ((), "champion", "is candidate"),
    "champion when rejected": (("reject",), "champion", "is rejected"),
    "champion when disabled": (("graduate", "disable"), "champion", "is disabled"),
    "champion twice": (("graduate", "champion"), "champion", "is already champion"),
    "graduate twice": (("graduate",), "graduate", "is already graduated"),
    "reject the archived": (("archive",), "reject", "is archived"),
    "reject the champion": (("graduate", "champion"), "reject", "is the champion"),
    "archive the champion": (("graduate", "champion"), "archive", "is the champion"),
    "graduate the champion": (("graduate", "champion"), "graduate", "is the champion"),
    "disable the champion": (("graduate", "champion"), "disable", "is the champion"),
    "enable twice": ((), "enable", "is already enabled"),
    "disable twice": (("disable",), "disable", "is already disabled"),
    "step down alone": (("graduate", "champion"), "step down", "does not allow the action"),
    "register again": ((), "register", "does not allow the action"),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_move_that_is_not_in_the_table_changes_nothing(store: Store, name: str) -> None:
    before, action, said = PATHS[name]
    registered(store, "1.0.0")
    move(store, "1.0.0", *before)
    records, events = store.registry.records(), store.registry.events()

    with pytest.raises(InvalidInput, match=said):
        move(store, "1.0.0", action)
    assert (store.registry.records(), store.registry.events()) == (records, events)


@pytest.mark.parametrize(
    ("moves", "ends"),
    [
        (("graduate",), "graduated"),
        (("reject",), "rejected"),
        (("reject", "graduate"), "graduated"),
        (("reject", "archive"), "archived"),
        (("archive", "graduate", "champion"), "champion"),
        (("graduate", "reject"), "rejected"),
        (("disable", "enable", "graduate", "champion"), "champion"),
    ],
    ids=" then ".join,
)
def test_a_mistaken_move_has_a_way_back(store: Store, moves: tuple[str, ...], ends: str) -> None:
    registered(store, "1.0.0")
    assert move(store, "1.0.0", *moves).state == ends
    assert len(store.registry.events()) == 1 + len(moves)


def test_a_disabled_model_says_so_and_who_did_it(store: Store) -> None:
    registered(store, "1.0.0")
    assert not move(store, "1.0.0", "disable", minutes=3).enabled
    assert not store.registry.records()[0].enabled
    assert store.registry.events(limit=1) == [
        ModelEvent(
            event_id=2,
            at=make.NOW + timedelta(minutes=3),
            actor="ana",
            name="advisor-lgbm",
            version="1.0.0",
            task="advisor",
            action="disable",
            before="enabled",
            after="disabled",
            reason="disable it",
        )
    ]


def test_what_was_live_at_a_moment(store: Store) -> None:
    registered(store, "1.0.0", "1.1.0")
    move(store, "1.0.0", "graduate", "champion", minutes=10)
    move(store, "1.1.0", "graduate", "champion", minutes=20)
    move(store, "1.0.0", "reject", minutes=30)

    def live(minutes: float, task: str = "advisor") -> str | None:
        event = store.registry.champion_event_at(task, make.NOW + timedelta(minutes=minutes))
        return event.version if event is not None else None

    assert [live(at) for at in (0, 9.99, 10, 15, 20, 99)] == [
        None,
        None,
        "1.0.0",
        "1.0.0",
        "1.1.0",
        "1.1.0",
    ]
    assert live(99, "capacity") is None


def test_a_clock_that_runs_behind_does_not_bring_an_old_champion_back(store: Store) -> None:
    registered(store, "1.0.0", "1.1.0")
    move(store, "1.0.0", "graduate", "champion", minutes=10)
    move(store, "1.1.0", "graduate", "champion", minutes=9.9)

    live = store.registry.champion_event_at("advisor", make.NOW + timedelta(minutes=60))
    assert live is not None
    assert live.version == "1.1.0"


def test_an_assignment_is_in_the_trail_of_both_models(store: Store) -> None:
    registered(store, "1.0.0", "1.1.0")
    store.fleet.sync("production", [make.instance()])
    first, second = make.model_record("1.0.0"), make.model_record("1.1.0")
    for record in (first, first, second, None, None):
        store.registry.assign("i-0a1", record, by(reason="a test"))
        expected = record.reference if record else None
        assert store.fleet.instance("i-0a1").model == expected

    assert trail(store)[2:] == [
        "ana: assign advisor-lgbm@1.0.0 champion>advisor-lgbm@1.0.0",
        "ana: unassign advisor-lgbm@1.0.0 advisor-lgbm@1.0.0>advisor-lgbm@1.1.0",
        "ana: assign advisor-lgbm@1.1.0 advisor-lgbm@1.0.0>advisor-lgbm@1.1.0",
        "ana: unassign advisor-lgbm@1.1.0 advisor-lgbm@1.1.0>champion",
    ]
    assert {event.instance_id for event in store.registry.events()} == {"i-0a1", ""}
    assert store.registry.champion_event_at("advisor", make.NOW + timedelta(days=1)) is None


@pytest.mark.parametrize("action", ["disable", "reject", "archive"])
def test_a_model_that_is_put_away_is_not_assigned(store: Store, action: str) -> None:
    registered(store, "1.0.0")
    store.fleet.sync("production", [make.instance()])
    record = move(store, "1.0.0", action)
    with pytest.raises(InvalidInput, match=r"advisor-lgbm@1\.0\.0 is (disabled|rejected|archived)"):
        store.registry.assign("i-0a1", record, by())
    assert store.fleet.instance("i-0a1").model is None


@pytest.mark.parametrize(
    "attempt",
    [
        lambda registry: registry.move("advisor-lgbm", "9", ModelAction.GRADUATE, by()),
        lambda registry: registry.assign("i-0a1", make.model_record("9"), by()),
        lambda registry: registry.assign("i-none", make.model_record("1.0.0"), by()),
    ],
    ids=["move", "assign", "instance"],
)
def test_what_is_not_there_is_not_found(store: Store, attempt: Callable[[object], object]) -> None:
    registered(store, "1.0.0")
    store.fleet.sync("production", [make.instance()])
    events = store.registry.events()
    with pytest.raises(NotFound, match=r"is not registered|is not in the fleet"):
        attempt(store.registry)
    assert store.registry.events() == events


def test_a_refused_upload_leaves_a_line(store: Store) -> None:
    store.registry.record_rejection("", "", "", by(reason="model.pkl is a pickle."))
    store.registry.record_rejection("toy", "2", "advisor", by(reason="too slow"))
    assert [(e.action, e.name, e.reason) for e in store.registry.events()] == [
        ("refuse", "toy", "too slow"),
        ("refuse", "", "model.pkl is a pickle."),
    ]
    assert store.registry.records() == []


def test_a_moment_needs_a_time_zone(store: Store) -> None:
    with pytest.raises(InvalidInput, match="no time zone"):
        store.registry.champion_event_at("advisor", datetime(2026, 1, 1))  # noqa: DTZ001


def test_several_starts_at_once_register_once(store: Store) -> None:
    versions = [make.model_record(f"{number % 4}") for number in range(16)]

    def register(record: ModelRecord) -> bool:
        return store.registry.register(replace(record))

    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(register, versions))

    assert new.count(True) == 4
    assert len(store.registry.events()) == 4


def test_two_processes_that_crown_at_once_leave_one_champion_and_a_whole_trail(
    database: Database,
) -> None:
    with database.opened() as store:
        registered(store, "1", "2", "3")
        for version in ("1", "2", "3"):
            move(store, version, "graduate")
        arguments = [sys.executable, "-c", RACE, database.url or "", str(database.sqlite_path)]
        racers = [
            subprocess.Popen(
                [*arguments, actor, *order],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for actor, order in (("ana", ("1", "2")), ("ben", ("2", "3")))
        ]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        assert [racer.communicate("go\n", timeout=60)[1] for racer in racers] == ["", ""]

        events = list(reversed(store.registry.events()))
        assert sorted(states(store).values()) == ["champion", "graduated", "graduated"]
        crowned = [e for e in events if e.action == "champion"]
        assert {e.actor for e in crowned} == {"ana", "ben"}
        champion = store.registry.champion("advisor")
        assert champion is not None
        assert champion.version == crowned[-1].version
        in_force = ""
        for event in events:
            if event.action == "step down":
                assert event.version == in_force
                in_force = ""
            elif event.action == "champion":
                assert in_force == ""
                in_force = event.version
