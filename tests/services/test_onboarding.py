"""Onboarding: an external id is generated and shown once, and rotated without an interruption."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from spotlab.aws.permission_checks import State
from spotlab.aws.permissions import Access
from spotlab.demo.world import accounts as emulated_accounts
from spotlab.domain.access import Role
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account, AuditFilter, By, RegionListing
from spotlab.domain.switch_guards import AccountGuards, SwitchingMode
from spotlab.errors import AccessDenied, Conflict, Forbidden, InvalidInput, NotFound
from spotlab.runtime.bootstrap import bootstrap
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.services.accounts import MASK
from spotlab.services.onboarding import access_of
from spotlab.settings import Settings
from tests.support import switches as make
from tests.support.lab import save_toy_model
from tests.support.people import ANA, person

NUMBER = "111111111111"


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


def stored(services: Services, name: str) -> Account:
    return next(each for each in services.lab.store.fleet.accounts() if each.name == name)


def test_a_new_account_gets_an_external_id_of_its_own_and_is_not_managed_yet(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first = services.onboarding.start("first", NUMBER, ["us-east-1", "me-south-1"], "of shop")
    second = services.onboarding.start("second", NUMBER, ["cn-north-1"])
    assert first.external_id != second.external_id
    assert stored(services, "first").external_id == first.external_id
    assert not first.account.active
    assert first.account.role_arn == f"arn:aws:iam::{NUMBER}:role/SpotLab"
    assert second.account.role_arn == f"arn:aws-cn:iam::{NUMBER}:role/SpotLab"
    assert first.account.external_id.startswith(MASK)
    assert "first" not in [each.name for each in services.lab.cloud().accounts]
    everywhere = repr(
        (first, services.accounts.list(), services.lab.store.audit.entries(AuditFilter()))
    )
    assert first.external_id not in everywhere + caplog.text

    finished = services.onboarding.finish("first", f"arn:aws:iam::{NUMBER}:role/ops/SpotLab")
    assert finished.active
    assert stored(services, "first").external_id == first.external_id
    services.accounts.set_active("first", False)


def test_the_templates_are_of_the_account_and_without_its_external_id(services: Services) -> None:
    started = services.onboarding.start("templated", NUMBER, ["us-gov-west-1"])
    principal = "arn:aws-us-gov:iam::222222222222:role/spotlab-server"
    template = services.onboarding.template("templated", Access.SWITCHING, principal)
    texts = template.cloudformation() + template.terraform() + repr(template)
    assert started.external_id not in texts
    assert f"arn:aws-us-gov:ec2:*:{NUMBER}:instance/*" in texts
    with pytest.raises(InvalidInput, match="the partition aws, and the account is in aws-us"):
        services.onboarding.template(
            "templated", Access.READ_ONLY, principal.replace("aws-us-gov", "aws")
        )


def test_the_principal_is_asked_from_aws(services: Services) -> None:
    services.onboarding.start("asked", NUMBER, ["us-east-1"])
    template = services.onboarding.template("asked", Access.READ_ONLY)
    assert template.principal.startswith("arn:aws:iam::")


def test_regions_of_two_partitions_are_refused(services: Services) -> None:
    with pytest.raises(InvalidInput, match="different partitions: aws and aws-cn"):
        services.onboarding.start("mixed", NUMBER, ["us-east-1", "cn-north-1"])
    with pytest.raises(InvalidInput, match="is not a role of account"):
        services.accounts.save(
            "wrong partition",
            NUMBER,
            ["cn-north-1"],
            role_arn=f"arn:aws:iam::{NUMBER}:role/SpotLab",
        )


def emulated(services: Services, name: str, **changes: str) -> Account:
    """An account whose role is that of the first emulated account."""
    one = emulated_accounts(services.lab.settings.demo_seed)[0]
    services.accounts.save(
        name,
        one.account_id,
        ["us-east-1"],
        role_arn=one.role_arn,
        external_id=one.external_id,
    )
    changed = replace(stored(services, name), **changes)  # type: ignore[arg-type]
    services.lab.store.fleet.save_account(changed, services.accounts.by())
    return changed


def test_the_old_external_id_stays_in_use_until_aws_accepts_the_new_one(services: Services) -> None:
    account = emulated(services, "rotated")
    rotated = services.onboarding.rotate("rotated", "yearly")
    now = stored(services, "rotated")
    assert (now.external_id, now.pending_external_id) == (account.external_id, rotated.external_id)
    with pytest.raises(AccessDenied, match="does not let SpotLab assume") as refused:
        services.onboarding.confirm_rotation("rotated")
    assert rotated.external_id not in str(refused.value)
    assert stored(services, "rotated") == now, "nothing changes before AWS accepts it"
    assert services.accounts.validate("rotated").ok
    cancelled = services.onboarding.cancel_rotation("rotated")
    assert not cancelled.pending_external_id
    services.accounts.set_active("rotated", False)


def test_listing_goes_on_when_the_trust_policy_has_changed_before_the_confirmation(
    services: Services,
) -> None:
    one = emulated_accounts(services.lab.settings.demo_seed)[0]
    emulated(services, "changed", external_id="the-old-one", pending_external_id=one.external_id)
    assert services.accounts.list_now() == []
    confirmed = services.onboarding.confirm_rotation("changed", "done")
    assert not confirmed.pending_external_id
    assert stored(services, "changed").external_id == one.external_id
    entries = services.lab.store.audit.entries(AuditFilter(target="changed"))
    steps = [each.after["step"] for each in entries if each.action == "account.rotate"]
    assert steps == ["rotation confirmed"]
    assert one.external_id not in repr(entries)
    assert "the-old-one" not in repr(entries)
    with pytest.raises(Conflict, match="No rotation"):
        services.onboarding.confirm_rotation("changed")
    services.accounts.set_active("changed", False)


def test_a_change_of_regions_keeps_the_rotation(services: Services) -> None:
    account = emulated(services, "kept")
    services.onboarding.rotate("kept")
    services.accounts.save("kept", account.aws_account_id, ["us-west-2"], role_arn=account.role_arn)
    assert stored(services, "kept").pending_external_id
    services.accounts.set_active("kept", False)


def test_what_cannot_be_rotated_says_why(services: Services) -> None:
    name = emulated_accounts(services.lab.settings.demo_seed)[0].name
    with pytest.raises(Conflict, match="comes from the settings"):
        services.onboarding.rotate(name)
    services.accounts.save("own keys", NUMBER, ["us-east-1"], active=False)
    with pytest.raises(Conflict, match="has no role"):
        services.onboarding.rotate("own keys")
    with pytest.raises(NotFound):
        services.onboarding.rotate("nowhere")


def test_only_who_may_change_accounts_sees_an_external_id_or_a_template(lab: Lab) -> None:
    name = emulated_accounts(lab.settings.demo_seed)[0].name
    operator = Services(lab, person(Role.OPERATOR, name)).onboarding
    for refused in (
        lambda: operator.start("mine", NUMBER, ["us-east-1"]),
        lambda: operator.rotate(name),
        lambda: operator.confirm_rotation(name),
        lambda: operator.cancel_rotation(name),
        lambda: operator.template(name, Access.READ_ONLY),
    ):
        with pytest.raises(Forbidden):
            refused()
    elsewhere = Services(lab, person(Role.ADMIN, "elsewhere")).onboarding
    with pytest.raises(NotFound):
        elsewhere.template(name, Access.READ_ONLY)
    with pytest.raises(NotFound):
        elsewhere.rotate(name)


def test_permissions_are_tried_on_the_emulated_aws(services: Services) -> None:
    name = emulated_accounts(services.lab.settings.demo_seed)[0].name
    services.accounts.list_now()
    before = services.instances.list()
    validation = services.accounts.validate(name, Access.READ_ONLY)
    found = {each.permission: each.state for each in validation.permissions}
    assert found["ec2:DescribeInstances"] is State.ALLOWED
    assert validation.count(State.DENIED) == 0
    services.accounts.list_now()
    assert {each.instance_id for each in services.instances.list()} == {
        each.instance_id for each in before
    }


def test_an_unknown_access_is_refused() -> None:
    assert access_of("switching") is Access.SWITCHING
    with pytest.raises(InvalidInput, match="'all' is not an access"):
        access_of("all")


def test_an_account_is_removed_with_its_external_id_and_its_decisions_stay(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    lab, name = services.lab, "leaving"
    secret = services.onboarding.start(name, NUMBER, ["us-east-1"]).external_id
    now = lab.clock.now()
    pool = Pool("us-east-1", "us-east-1a", "m5.large")
    machine = Instance("i-0000000000000077a", name, pool, Lifecycle.SPOT, launched_at=now)
    lab.store.fleet.sync(name, [machine])
    lab.store.fleet.note_listing(name, now, regions=[RegionListing("us-east-1", now)])
    by = By("ana", now)
    lab.store.switch_guards.save(name, AccountGuards(mode=SwitchingMode.ON, autonomy=True), by)
    open_switch = make.switch("sw-leaving", account=name, instance_id=machine.instance_id)
    lab.store.switches.create(open_switch, by)

    with pytest.raises(Conflict, match="'leaving' are not finished: sw-leaving"):
        services.onboarding.remove(name)
    assert lab.store.switch_guards.account(name).mode is SwitchingMode.ON, "nothing was changed"

    services.switches.reject("sw-leaving")
    removed = services.onboarding.remove(name, "sold")
    assert removed.external_id.startswith(MASK)
    with pytest.raises(NotFound):
        services.accounts.get(name)
    assert name not in lab.store.fleet.listings()
    assert secret not in repr(lab.store.fleet.accounts()) + caplog.text
    assert not lab.store.fleet.instance(machine.instance_id).active
    assert services.switches.get("sw-leaving").account == name
    (entry,) = lab.store.audit.entries(AuditFilter(target=name, action="account.remove"))
    assert (entry.actor, entry.reason, entry.after) == ("ana", "sold", None)
    assert entry.before["external_id"] == "***"
    with pytest.raises(NotFound):
        services.onboarding.remove(name)

    services.onboarding.start(name, "222222222222", ["us-east-1"])
    guards = lab.store.switch_guards.account(name)
    assert (guards.mode, guards.autonomy) == (SwitchingMode.OFF, False), "it starts switched off"
    services.onboarding.remove(name)


def test_an_account_of_the_settings_is_removed_there_first(services: Services) -> None:
    name = services.lab.open_cloud().accounts[0].name
    with pytest.raises(Conflict, match="comes from the settings"):
        services.onboarding.remove(name)
    left_over = Account("left-over", NUMBER, emulated=True)
    services.lab.store.fleet.save_account(left_over)
    assert services.onboarding.remove("left-over").name == "left-over"


def test_who_may_not_change_accounts_removes_none(services: Services) -> None:
    services.onboarding.start("steady", NUMBER, ["us-east-1"])
    for who in (person(Role.OPERATOR), person(Role.VIEWER)):
        with pytest.raises(Forbidden):
            Services(services.lab, who).onboarding.remove("steady")
    services.onboarding.remove("steady")
