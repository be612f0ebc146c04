"""The fleet's contract, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from spotlab.domain.decision import Lifecycle, PipelineMode
from spotlab.domain.market import Pool
from spotlab.domain.ports import AuditFilter, By, Listing, RegionListing
from spotlab.domain.requirements import Requirements
from spotlab.errors import InvalidInput, NotFound
from spotlab.store import Store
from spotlab.store.fleet import SqlFleet
from spotlab.store.secret_cipher import SecretCipher
from tests.support import builders as make

WANTED = Requirements(regions=("us-east-1",), families=("m6i", "m7i"), vcpu_min=4, accelerator=True)


def test_an_account_is_saved_and_changed_by_name(store: Store) -> None:
    store.fleet.save_account(make.account("staging"))
    store.fleet.save_account(make.account("production"))
    changed = make.account("staging", regions=(), emulated=True)
    store.fleet.save_account(changed)

    assert store.fleet.accounts() == [make.account("production"), changed]


def test_a_person_says_whether_an_account_is_active(store: Store) -> None:
    account = make.account("staging")
    off = make.account("staging", active=False)
    store.fleet.save_account(account)
    store.fleet.save_account(off, By("ana", make.NOW))
    store.fleet.save_account(account)  # seen in the settings again
    assert store.fleet.accounts() == [off]


def test_a_listing_that_failed_keeps_the_time_of_the_last_one(store: Store) -> None:
    store.fleet.save_account(make.account("staging"))
    assert store.fleet.listings() == {"staging": Listing(None, "")}
    store.fleet.note_listing("staging", make.NOW)
    store.fleet.note_listing("staging", make.NOW + timedelta(hours=1), "It was refused.")
    assert store.fleet.listings() == {"staging": Listing(make.NOW, "It was refused.")}
    store.fleet.note_listing("staging", make.NOW + timedelta(hours=2))
    assert store.fleet.listings() == {"staging": Listing(make.NOW + timedelta(hours=2), "")}


def test_a_region_that_failed_keeps_the_time_of_its_last_listing(store: Store) -> None:
    later, latest = make.NOW + timedelta(hours=1), make.NOW + timedelta(hours=2)
    store.fleet.save_account(make.account("staging"))
    store.fleet.note_listing(
        "staging",
        make.NOW,
        regions=[RegionListing("us-east-1", make.NOW), RegionListing("eu-west-1", make.NOW)],
    )
    refused = RegionListing("eu-west-1", None, "It is not enabled.", "OptInRequired")
    store.fleet.note_listing(
        "staging", later, "It is not enabled.", [RegionListing("us-east-1", later), refused]
    )
    kept = replace(refused, at=make.NOW)
    listing = Listing(later, "It is not enabled.", (kept, RegionListing("us-east-1", later)))
    assert store.fleet.listings() == {"staging": listing}
    assert listing.failed_regions == (kept,)

    store.fleet.note_listing("staging", latest, "None.", [replace(refused, region="us-east-1")])
    (region,) = store.fleet.listings()["staging"].regions
    assert (region.region, region.at, region.code) == ("us-east-1", later, "OptInRequired")
    assert store.fleet.listings()["staging"].at == later, "nothing was listed"


def test_the_next_external_id_is_stored_and_the_settings_do_not_remove_it(store: Store) -> None:
    account = make.account("staging", external_id="current", pending_external_id="next")
    store.fleet.save_account(account, make.BY)
    store.fleet.save_account(replace(account, pending_external_id=""))
    assert store.fleet.accounts() == [account]
    assert "next" not in repr(account)
    entries = store.audit.entries(AuditFilter(target="staging"))
    assert entries[0].after["pending_external_id"] == "***"


def test_external_ids_are_stored_encrypted(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    def raw() -> list[str]:
        with store.engine.connect() as connection:
            query = text("SELECT external_id, pending_external_id FROM accounts")
            return [value for row in connection.execute(query) for value in row]

    def using(key: bytes) -> SqlFleet:
        fleet = SqlFleet(store.engine)
        fleet.encrypt_external_ids(SecretCipher(lambda: key))
        return fleet

    old = make.account("old", external_id="from-an-older-version")
    store.fleet.save_account(old)
    fleet = using(b"k" * 32)
    new = make.account("new", external_id="current", pending_external_id="next")
    fleet.save_account(new, make.BY)
    fleet.save_account(replace(new, regions=()), make.BY, new)
    assert fleet.accounts() == [replace(new, regions=()), old]
    assert all(not each or each.startswith("encrypted: ") for each in raw())
    assert using(b"k" * 32).accounts() == fleet.accounts()

    other = using(b"another key, also of 32 letters.").accounts()
    assert [each.external_id for each in other] == ["", ""]
    assert "'old' was encrypted with another secret key" in caplog.text


def test_instances_come_back_equal_in_order(store: Store) -> None:
    last = make.instance("i-1", name="z", requirements=WANTED)
    first = make.instance("i-3", name="a", lifecycle=Lifecycle.ON_DEMAND, launched_at=None)
    second = make.instance("i-2", name="z", pool=make.pool("a1.medium", None), shadow=False)
    other = make.instance("i-0", account="another", mode=PipelineMode.OFF, model="m@1")
    store.fleet.sync("production", [last, first, replace(second, instance_id="i-0z")])
    store.fleet.sync("another", [other])

    expected = [other, first, replace(second, instance_id="i-0z"), last]
    assert store.fleet.instances() == expected
    assert store.fleet.instance("i-1") == last


def test_a_sync_keeps_what_a_user_set(store: Store) -> None:
    store.fleet.sync("production", [make.instance()])
    store.registry.register(make.model_record())
    store.registry.assign("i-0a1", make.model_record(), By("ana", make.NOW))
    store.fleet.set_shadow("i-0a1", False, make.BY)
    store.fleet.set_mode("i-0a1", PipelineMode.OFF, make.BY)
    store.fleet.set_requirements("i-0a1", WANTED, make.BY)
    store.ledger.record(make.experiment())

    moved = make.instance(
        pool=make.pool("c6i.large", "us-east-1b"),
        lifecycle=Lifecycle.ON_DEMAND,
        name="renamed",
        state="stopped",
        launched_at=make.NOW,
    )
    store.fleet.sync("production", [moved])

    assert store.fleet.instance("i-0a1") == replace(
        moved,
        model="advisor-lgbm@1.0.0",
        shadow=False,
        mode=PipelineMode.OFF,
        requirements=WANTED,
        last_evaluated_at=make.NOW,
    )


def test_what_a_user_set_can_be_taken_back(store: Store) -> None:
    store.fleet.sync("production", [make.instance(model="m@1", requirements=WANTED)])
    store.registry.assign("i-0a1", None, By("ana", make.NOW))
    store.fleet.set_requirements("i-0a1", None, make.BY)
    assert store.fleet.instance("i-0a1") == make.instance()


def test_an_instance_that_is_gone_becomes_inactive_and_can_return(store: Store) -> None:
    store.fleet.sync("production", [make.instance("i-1"), make.instance("i-2")])
    store.fleet.sync("another", [make.instance("i-3", account="another")])
    store.fleet.set_shadow("i-1", False, make.BY)

    store.fleet.sync("production", [make.instance("i-2")])
    assert [each.instance_id for each in store.fleet.instances()] == ["i-3", "i-2"]
    everyone = store.fleet.instances(active_only=False)
    assert [(each.instance_id, each.active) for each in everyone] == [
        ("i-3", True),
        ("i-1", False),
        ("i-2", True),
    ]

    store.fleet.sync("production", [make.instance("i-1")])
    back = store.fleet.instance("i-1")
    assert (back.active, back.shadow) == (True, False)


def test_instances_of_a_region_that_was_not_listed_stay(store: Store) -> None:
    away = Pool("eu-west-1", "eu-west-1a", "m5.large")
    elsewhere = make.instance("i-2", pool=away)
    store.fleet.sync("production", [make.instance("i-1"), elsewhere])
    store.fleet.sync("production", [], unlisted=["eu-west-1"])
    assert store.fleet.instances() == [elsewhere]
    store.fleet.sync("production", [])
    assert store.fleet.instances() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda fleet: fleet.set_shadow("i-none", True, make.BY),
        lambda fleet: fleet.set_mode("i-none", PipelineMode.OFF, make.BY),
        lambda fleet: fleet.set_requirements("i-none", None, make.BY),
        lambda fleet: fleet.instance("i-none"),
    ],
    ids=["shadow", "mode", "requirements", "read"],
)
def test_an_unknown_instance_is_not_found(
    store: Store, change: Callable[[SqlFleet], object]
) -> None:
    with pytest.raises(NotFound, match="Instance 'i-none' is not in the fleet"):
        change(store.fleet)


def test_a_time_without_a_zone_refuses_the_whole_sync(store: Store) -> None:
    naive = make.instance("i-2", launched_at=datetime(2026, 11, 3))  # noqa: DTZ001
    store.fleet.sync("production", [make.instance("i-0")])
    with pytest.raises(InvalidInput, match="no time zone"):
        store.fleet.sync("production", [make.instance("i-1"), naive])
    assert [each.instance_id for each in store.fleet.instances()] == ["i-0"]


def test_syncs_and_decisions_at_once_lose_nothing(store: Store) -> None:
    fleet = [make.instance(f"i-{number}") for number in range(12)]
    store.fleet.sync("production", fleet)

    def work(number: int) -> None:
        if number % 3:
            store.ledger.record(make.experiment(instance=fleet[number]))
        else:
            store.fleet.sync("production", fleet[::-1] if number % 2 else fleet)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(12)))

    assert store.ledger.count() == 8
    evaluated = [each for each in store.fleet.instances() if each.last_evaluated_at]
    assert len(store.fleet.instances()) == 12
    assert len(evaluated) == 8


def test_a_launch_in_another_zone_of_time_is_the_same_moment(store: Store) -> None:
    moment = datetime(2026, 11, 3, 1, 2, 3, 456789, tzinfo=UTC) - timedelta(days=9)
    store.fleet.sync("production", [make.instance(launched_at=moment.astimezone())])
    assert store.fleet.instance("i-0a1").launched_at == moment
