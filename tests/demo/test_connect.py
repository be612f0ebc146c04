"""All processes of a home share one emulated AWS, which restarts at its address if it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import httpx
import pytest

import spotlab.demo.connect
from spotlab.demo.connect import EmulatedAws, connect
from spotlab.demo.endpoint import read_ready, ready_file
from spotlab.domain.ports import Account
from tests.demo.conftest import AT
from tests.support.emulated import instances


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose servers end as soon as all processes have left."""
    monkeypatch.setattr(spotlab.demo.connect, "IDLE_S", 0.2)
    yield tmp_path
    for path in (tmp_path / "run").glob("emulated-aws-*.json"):
        ready = read_ready(path)
        assert ready is not None
        await_end(ready["pid"])


def await_end(pid: int) -> None:
    deadline = time.monotonic() + 20
    while _alive(pid):
        assert time.monotonic() < deadline, "the server goes on"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ids(aws: EmulatedAws, account: Account) -> list[str]:
    sts = boto3.client(
        "sts",
        region_name="us-east-1",
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key,
    )
    keys = sts.assume_role(
        RoleArn=account.role_arn, RoleSessionName="spotlab", ExternalId=account.external_id
    )["Credentials"]
    ec2 = boto3.client(
        "ec2",
        region_name="us-east-1",
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    return sorted(each["InstanceId"] for each in instances(ec2))


def test_two_users_share_a_server_and_another_seed_has_its_own(home: Path) -> None:
    with_first, with_second = connect(home, 7, AT), connect(home, 7, AT)
    other = connect(home, 8, AT)
    try:
        assert with_first.endpoint_url == with_second.endpoint_url != other.endpoint_url
        assert [account.name for account in with_first.accounts] == ["payments-prod", "research"]
        assert all(account.emulated for account in with_first.accounts)
        first_fleet = ids(with_first, with_first.accounts[0])
        assert len(first_fleet) >= 6
        assert not set(first_fleet) & set(ids(other, other.accounts[0]))
        advisor = httpx.get(with_first.advisor_url, trust_env=False)
        on_demand = httpx.get(
            with_first.on_demand_url.format(location="EU (Ireland)"), trust_env=False
        )
        assert (advisor.status_code, on_demand.status_code) == (200, 200)
    finally:
        for each in (with_first, with_second, other):
            each.close()


def test_a_server_that_died_comes_back_with_its_address_keys_and_fleet(home: Path) -> None:
    aws = connect(home, 7, AT)
    try:
        account = aws.accounts[0]
        before = ids(aws, account)
        ready = read_ready(ready_file(home, 7, AT))
        assert ready is not None
        os.kill(ready["pid"], signal.SIGKILL)
        again, deadline = ready, time.monotonic() + 20
        while again is None or again["pid"] == ready["pid"]:
            assert time.monotonic() < deadline, "the server does not come back"
            aws.ensure_running()
            again = read_ready(ready_file(home, 7, AT))
        assert again["port"] == ready["port"]
        assert ids(aws, account) == before
    finally:
        aws.close()


def test_a_damaged_ready_file_is_no_server(tmp_path: Path) -> None:
    path = tmp_path / "emulated-aws-7.json"
    for content in ("", "{", "[]", '{"port": "x"}'):
        path.write_text(content)
        assert read_ready(path) is None
    assert read_ready(tmp_path / "absent.json") is None


def test_seed_and_time_name_the_server(tmp_path: Path) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert ready_file(tmp_path, 7, None).name == "emulated-aws-7.json"
    assert ready_file(tmp_path, 7, at).name == "emulated-aws-7-at-20260102T030405.json"


def test_a_process_that_connects_does_not_import_the_emulator() -> None:
    code = "import sys, spotlab.demo.connect, spotlab.demo.world; sys.exit('moto' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
