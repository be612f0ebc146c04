"""Nothing secret reaches the database, a log line, an answer or an error in a whole switch."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.domain.ports import Account
from spotlab.domain.switches import SwitchState
from spotlab.errors import SpotlabError
from spotlab.services import Services
from spotlab.switching.rounds import drive_all
from tests.support.lab import save_toy_model
from tests.support.switching import APPROVER, OPERATOR, allow
from tests.switching.emulated_lab import TARGET, EmulatedLab, emulated_lab

USER_DATA = "#!/bin/sh\nexport DB_PASSWORD=correct-horse-battery\n"
ADMIN = Principal("adam", Role.ADMIN, via="a test")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def aws(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedLab]:
    models_dir = tmp_path_factory.mktemp("models")
    save_toy_model(models_dir)
    with emulated_lab(home, models_dir) as made:
        yield made


def session_credentials(aws: EmulatedLab) -> list[str]:
    """The secret key and the token of the account's role, as STS returned them."""
    cloud = aws.lab.open_cloud()
    assumed = cloud.sessions.assume(cloud.accounts[0])
    return [assumed["secret_key"], assumed["token"]]


def with_user_data(aws: EmulatedLab, name: str) -> str:
    """A running instance whose user data contains a password."""
    instance_id = aws.launch(name)
    aws.ec2.stop_instances(InstanceIds=[instance_id])
    aws.clock.sleep(300)
    aws.ec2.modify_instance_attribute(
        InstanceId=instance_id, UserData={"Value": b64encode(USER_DATA.encode())}
    )
    aws.ec2.start_instances(InstanceIds=[instance_id])
    aws.clock.sleep(300)
    return instance_id


def answers(aws: EmulatedLab, switch_id: str) -> str:
    """What screens, API and command line are made from."""
    services = Services(aws.lab, ADMIN)
    documents: list[Any] = [
        [asdict(each) for each in services.accounts.list()],
        [asdict(each) for each in services.switches.journal(switch_id)],
        asdict(services.switches.get(switch_id)),
        [asdict(each) for each in services.audit.list()],
        [asdict(each) for each in aws.lab.store.fleet.instances(active_only=False)],
    ]
    return json.dumps(documents, default=str) + repr(aws.lab.open_cloud().accounts)


def test_a_whole_switch_leaves_no_secret_behind(
    aws: EmulatedLab, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account: Account = aws.lab.open_cloud().accounts[0]
    secrets = [
        account.external_id,
        "correct-horse-battery",
        b64encode(USER_DATA.encode()).decode(),
        *session_credentials(aws),
    ]
    with caplog.at_level(logging.DEBUG, logger="spotlab"):
        instance_id = with_user_data(aws, "web-secret")
        allow(aws.lab, instance_id, aws.account)
        switches = Services(aws.lab, OPERATOR).switches
        plan = switches.plan(instance_id, pool=TARGET)
        confirmed = [each.code for each in plan.preflight.questions]
        switch = switches.request(instance_id, pool=TARGET, confirmed=confirmed)
        Services(aws.lab, APPROVER).switches.approve(switch.switch_id)
        drive_all(aws.lab, sleep=aws.clock.sleep, monotonic=aws.clock)
        Services(aws.lab, ADMIN).accounts.validate(aws.account)
    done = aws.lab.store.switches.get(switch.switch_id)
    assert done.state is SwitchState.DONE, done.situation
    assert done.got is not None
    data = aws.ec2.describe_instance_attribute(
        InstanceId=done.got.instance_id, Attribute="userData"
    )["UserData"]
    assert data["Value"] == b64encode(USER_DATA.encode()).decode(), "it was taken over"
    stored = b"".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())
    logged = "\n".join(record.getMessage() for record in caplog.records)
    shown = answers(aws, switch.switch_id) + repr(plan)
    for secret in secrets:
        assert secret.encode() not in stored
        assert secret not in shown
        assert secret not in logged


def test_an_error_of_sts_names_no_external_id(aws: EmulatedLab) -> None:
    cloud = aws.lab.open_cloud()
    known = cloud.accounts[0]
    wrong = Account(
        known.name, known.aws_account_id, known.role_arn, "another-external-id", known.regions, True
    )
    with pytest.raises(SpotlabError) as refused:
        cloud.sessions.assume(wrong)
    assert "another-external-id" not in str(refused.value)
    assert "another-external-id" not in repr(wrong)
