"""Accounts that an administrator adds: saved, managed and checked, with secrets masked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from spotlab.aws.session import Sessions
from spotlab.demo.world import accounts as emulated_accounts
from spotlab.domain.access import Role
from spotlab.domain.ports import Account, AuditFilter
from spotlab.errors import Conflict, Forbidden, InvalidInput
from spotlab.runtime.bootstrap import bootstrap
from spotlab.runtime.cloud import Cloud, FeedAddresses, with_stored_accounts
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.services.accounts import MASK
from spotlab.settings import Settings
from tests.support.lab import save_toy_model
from tests.support.market import StillClock
from tests.support.people import ANA, person

EXTERNAL = "a-secret-between-two"
GOOD: dict[str, Any] = {"name": "team", "aws_account_id": "1" * 12, "regions": ["us-east-1"]}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A home with the emulated AWS."""
    models = tmp_path_factory.mktemp("models")
    save_toy_model(models)
    home = tmp_path_factory.mktemp("home")
    with bootstrap(Settings(home=home, models_dir=models, market="simulated")) as made:
        made.sync_fleet()
        yield made


@pytest.fixture
def services(lab: Lab) -> Services:
    return Services(lab, ANA)


def test_an_account_that_is_kept_here_is_looked_after(services: Services) -> None:
    one = emulated_accounts(services.lab.settings.demo_seed)[0]
    saved = services.accounts.save(
        "copy",
        one.account_id,
        ["us-east-1"],
        role_arn=one.role_arn,
        external_id=one.external_id,
        reason="a second look",
    )
    assert saved.external_id.startswith(MASK)
    assert one.external_id not in saved.external_id
    assert saved.emulated
    assert services.accounts.list_now() == []
    (standing,) = [each for each in services.accounts.statuses() if each.account.name == "copy"]
    assert standing.managed
    assert standing.instances > 0
    assert standing.listing.at is not None
    validation = services.accounts.validate("copy")
    assert validation.ok
    assert [check.name for check in validation.checks] == [
        "assume the role",
        "require the external id",
        "list instances in us-east-1",
    ]
    services.accounts.set_active("copy", False, "seen enough")
    assert "copy" not in [account.name for account in services.lab.cloud().accounts]
    assert not [i for i in services.instances.list() if i.account == "copy"]
    entry = services.lab.store.audit.entries(AuditFilter(target="copy"))[0]
    assert (entry.before["active"], entry.after["active"]) == (True, False)
    assert one.external_id not in repr(services.lab.store.audit.entries(AuditFilter(target="copy")))


def test_what_does_not_work_is_said(services: Services) -> None:
    services.accounts.save(
        "wrong",
        "1" * 12,
        ["us-east-1"],
        role_arn=f"arn:aws:iam::{'1' * 12}:role/none",
        external_id=EXTERNAL,
    )
    validation = services.accounts.validate("wrong")
    assert not validation.ok
    assert "does not let SpotLab assume" in validation.checks[0].reason
    assert EXTERNAL not in repr(validation)
    assert services.accounts.list_now()
    standing = next(each for each in services.accounts.statuses() if each.account.name == "wrong")
    assert standing.listing.at is None
    assert "assume" in standing.listing.error
    services.accounts.set_active("wrong", False)


def test_the_external_id_stays_when_it_is_not_given(services: Services) -> None:
    services.accounts.save(**GOOD, external_id=EXTERNAL)
    masked = services.accounts.save(**GOOD).external_id
    assert masked.startswith(MASK)
    assert services.accounts.save(**GOOD, external_id=masked).external_id == masked
    kept = next(a for a in services.lab.store.fleet.accounts() if a.name == "team")
    assert kept.external_id == EXTERNAL
    assert services.accounts.save(**GOOD, external_id="").external_id == ""
    assert EXTERNAL not in repr(services.accounts.list())
    services.accounts.set_active("team", False)


def test_an_account_of_the_settings_is_not_changed_here(services: Services) -> None:
    name = emulated_accounts(services.lab.settings.demo_seed)[0].name
    with pytest.raises(Conflict, match="comes from the settings"):
        services.accounts.save(name, "1" * 12, ["us-east-1"])
    services.accounts.set_active(name, False, "moved away")
    services.lab.sync_fleet()
    assert name not in [account.name for account in services.lab.cloud().accounts]
    assert not services.accounts.get(name).active, "a listing does not take it up again"
    services.accounts.set_active(name, True)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "no such/name"}, "name"),
        ({"aws_account_id": "12"}, "12 digits"),
        ({"regions": []}, "no region"),
        ({"regions": ["Ireland"]}, "Ireland"),
        ({"role_arn": "arn:aws:iam::222222222222:role/x"}, "not a role of account"),
        ({"external_id": "white space"}, "external id"),
    ],
)
def test_what_cannot_be_an_account_is_refused(
    services: Services, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        services.accounts.save(**GOOD | wrong)
    assert wrong.get("external_id", "\0") not in str(caught.value)


def test_somebody_sees_the_standing_of_their_accounts_alone(lab: Lab) -> None:
    name = emulated_accounts(lab.settings.demo_seed)[1].name
    seen = Services(lab, person(Role.OPERATOR, name)).accounts.statuses()
    assert [standing.account.name for standing in seen] == [name]


def test_an_administrator_of_some_accounts_adds_none_beside_them(lab: Lab) -> None:
    """They would not see what they add, and must not learn which names exist."""
    seen, unseen = (each.name for each in emulated_accounts(lab.settings.demo_seed)[:2])
    services = Services(lab, person(Role.ADMIN, seen))
    for name in ("new", unseen):
        with pytest.raises(Forbidden, match=f"may not do this in the account '{name}'"):
            services.accounts.add(Account(name, "1" * 12, regions=("us-east-1",)))


def test_an_administrator_of_some_accounts_points_none_at_what_is_not_theirs(lab: Lab) -> None:
    """Otherwise the name would show the instances of another AWS account."""
    own, foreign = emulated_accounts(lab.settings.demo_seed)[:2]
    Services(lab, ANA).accounts.save("own", own.account_id, ["us-east-1"], role_arn=own.role_arn)
    services = Services(lab, person(Role.ADMIN, "own")).accounts
    for number, role_arn in ((foreign.account_id, foreign.role_arn), (own.account_id, "")):
        with pytest.raises(Forbidden, match="may not point an account at"):
            services.save("own", number, ["us-east-1"], role_arn=role_arn)
    changed = services.save(
        "own", own.account_id, ["us-east-1"], role_arn=own.role_arn, active=False
    )
    assert not changed.active
    nowhere = Services(lab, person(Role.ADMIN, "nowhere")).accounts
    with pytest.raises(Forbidden, match="another AWS account"):
        nowhere.add(Account("nowhere", foreign.account_id, regions=("us-east-1",)))


@pytest.mark.parametrize("name", ["TEAM-X", "team-x ", " team-x", "team\u2010x", "\uff54eam-x"])
def test_no_account_is_called_what_reads_like_another(services: Services, name: str) -> None:
    if all(account.name != "team-x" for account in services.accounts.list()):
        services.accounts.save("team-x", "1" * 12, ["us-east-1"])
    with pytest.raises((Conflict, InvalidInput)):
        services.accounts.add(Account(name, "1" * 12, regions=("us-east-1",)))


def test_which_accounts_are_looked_after() -> None:
    file = Account("file", "1" * 12)
    kept = Account("kept", "2" * 12, from_settings=False)
    emulated = replace(kept, name="emulated", emulated=True)
    off = replace(kept, name="off", active=False)
    mine = replace(file, from_settings=False, aws_account_id="3" * 12)

    def after(given: list[Account], stored: list[Account], *, emulated: bool) -> list[Account]:
        sessions = Sessions(clock=StillClock())
        cloud = Cloud(emulated, sessions, tuple(given), FeedAddresses("", "", ""))
        return list(with_stored_accounts(cloud, stored).accounts)

    assert after([file], [kept, emulated, off], emulated=False) == [file, kept]
    assert after([file], [replace(file, active=False)], emulated=False) == []
    assert after([file], [mine], emulated=False) == [mine]
    assert after([], [kept, emulated], emulated=True) == [emulated]
