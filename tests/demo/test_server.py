"""The server: loopback only, fast to start, equal in all processes, with a pinned moto."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import AmiBackend
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses import EC2Response
from moto.elbv2.models import FakeTargetGroup

import spotlab.demo.patches
from spotlab.demo.endpoint import ready_file
from spotlab.demo.market import Market
from spotlab.demo.patches import MOTO_VERSION, emulated
from spotlab.demo.server import bind, main, serve_in_thread
from spotlab.demo.world import Account, Clock, World, accounts
from spotlab.errors import InvalidInput, NotAvailable
from tests.demo.conftest import AT
from tests.support.emulated import BASE_KEYS, instances

READY_DEADLINE_S = 30.0


@contextmanager
def process(home: Path, seed: int) -> Iterator[str]:
    """A server process; yields its URL."""
    command = [sys.executable, "-m", "spotlab.demo.server", "--home", str(home)]
    with subprocess.Popen([*command, "--seed", str(seed), "--at", AT.isoformat()]) as running:
        try:
            yield f"http://127.0.0.1:{_ready(ready_file(home, seed, AT), running)['port']}"
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(10)


def _ready(path: Path, running: subprocess.Popen[bytes]) -> dict[str, int]:
    deadline = time.monotonic() + READY_DEADLINE_S
    while not path.exists():
        assert running.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server is not ready in time"
        time.sleep(0.02)
    content: dict[str, int] = json.loads(path.read_text())
    assert content["pid"] == running.pid
    return content


def read_everything(address: str, known: tuple[Account, ...]) -> dict[str, Any]:
    """Everything that can be read from outside: the feeds, and both fleets with their ids."""
    seen: dict[str, Any] = {
        name: httpx.get(f"{address}/feeds/{name}", trust_env=False).text
        for name in ("advisor.json", "spot.json")
    }
    sts = boto3.client("sts", region_name="us-east-1", endpoint_url=address, **BASE_KEYS)
    for account in known:
        keys = sts.assume_role(
            RoleArn=account.role_arn, RoleSessionName="spotlab", ExternalId=account.external_id
        )["Credentials"]
        for region in account.regions:
            ec2 = boto3.client(
                "ec2",
                region_name=region,
                endpoint_url=address,
                aws_access_key_id=keys["AccessKeyId"],
                aws_secret_access_key=keys["SecretAccessKey"],
                aws_session_token=keys["SessionToken"],
            )
            seen[f"{account.name}/{region}"] = [
                (
                    each["InstanceId"],
                    each["InstanceType"],
                    each["Placement"],
                    each["LaunchTime"],
                    sorted((tag["Key"], tag["Value"]) for tag in each["Tags"]),
                )
                for each in instances(ec2)
            ]
            history = ec2.describe_spot_price_history(StartTime=AT)["SpotPriceHistory"]
            seen[f"{account.name}/{region}/prices"] = history
    return seen


def test_two_processes_of_one_seed_are_the_same_aws(tmp_path: Path) -> None:
    with process(tmp_path / "one", 11) as one, process(tmp_path / "two", 11) as two:
        first, second = read_everything(one, accounts(11)), read_everything(two, accounts(11))
    assert first == second
    fleets = [name for name in first if name.count("/") == 1]
    assert sum(len(first[name]) for name in fleets) == 24


def test_another_seed_is_another_aws() -> None:
    ids, feeds = [], []
    for seed in (1, 2):
        with serve_in_thread(seed, AT) as served:
            seen = read_everything(served.endpoint_url, served.world.accounts)
            ids.append({each[0] for each in seen["research/us-west-2"]})
            feeds.append(seen["spot.json"])
    assert not ids[0] & ids[1]
    assert feeds[0] != feeds[1]


def test_ids_of_new_launches_do_not_come_back_after_a_restart() -> None:
    found = []
    for _ in range(2):
        with serve_in_thread(7, AT) as served:
            backend = ec2_backends["111122223333"]["us-east-1"]
            found.append(backend.create_volume(size=1, zone_name="us-east-1a").id)
            assert served.port
    assert found[0] != found[1]


def test_it_says_that_it_is_well_and_has_no_back_door() -> None:
    with serve_in_thread(7, AT) as served:
        well = httpx.get(f"{served.endpoint_url}/healthz", trust_env=False)
        reset = httpx.post(f"{served.endpoint_url}/moto-api/reset", trust_env=False)
        foreign = httpx.options(
            served.endpoint_url,
            headers={"Origin": "https://example.com", "Access-Control-Request-Method": "POST"},
            trust_env=False,
        )
    assert well.json() == {"status": "ok", "pid": os.getpid(), "seed": 7}
    assert reset.status_code == 404
    assert "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "example.com", ""])
def test_it_binds_to_loopback_only(host: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be bound"):
        bind(World.of(7, Clock(AT)), host)


def test_the_command_line_refuses_another_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(tmp_path), "--seed", "7", "--host", "0.0.0.0"]) == 2
    assert "127.0.0.1" in capsys.readouterr().err
    assert not ready_file(tmp_path, 7, None).exists()


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no time zone"):
        Clock(AT.replace(tzinfo=None))


def test_an_unknown_key_is_refused_as_the_service_words_it() -> None:
    keys = {"aws_access_key_id": "AKIA" + "0" * 16, "aws_secret_access_key": "x"}
    with serve_in_thread(7, AT) as served:
        asked = {
            "ec2": lambda ec2: ec2.describe_instances(),
            "sts": lambda sts: sts.get_caller_identity(),
            "pricing": lambda pricing: pricing.get_products(ServiceCode="AmazonEC2"),
        }
        answers = {}
        for service, ask in asked.items():
            stranger = boto3.client(
                service, region_name="us-east-1", endpoint_url=served.endpoint_url, **keys
            )
            with pytest.raises(ClientError) as refused:
                ask(stranger)
            answers[service] = refused.value.response["Error"]["Code"]
    assert answers == {
        "ec2": "AuthFailure",
        "sts": "InvalidClientTokenId",
        "pricing": "UnrecognizedClientException",
    }


def test_patches_are_undone() -> None:
    patched = (AmiBackend, EBSBackend, EC2Response, FakeTargetGroup, Instance, InstanceBackend)
    owners = [dict(vars(each)) for each in patched]
    before = RegionsAndZonesBackend.regions
    with emulated(World.of(7, Clock(AT))):
        assert len(RegionsAndZonesBackend.regions) == 3
        assert [dict(vars(each)) for each in patched] != owners
    assert [dict(vars(each)) for each in patched] == owners
    assert RegionsAndZonesBackend.regions is before
    assert not hasattr(spotlab.demo.patches.EC2Response, "get_spot_placement_scores")


def test_the_patches_are_for_the_installed_moto(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import version

    assert version("moto") == MOTO_VERSION, "read moto's changes, adapt the patches, then this"
    monkeypatch.setattr(spotlab.demo.patches, "version", lambda name: "9.9")
    with pytest.raises(NotAvailable, match=r"9\.9"), emulated(World.of(7, Clock(AT))):
        pytest.fail("patched another moto")


def test_the_fleet_is_in_the_past_whatever_the_time() -> None:
    early = AT.replace(year=2025)
    with emulated(World(Clock(early), Market(7), accounts(7))):
        backends = ec2_backends["444455556666"]
        launched = [
            each.launch_time
            for region in ("us-east-1", "us-west-2", "eu-west-1")
            for each in backends[region].all_instances()
        ]
    assert len(launched) == 12
    assert max(launched) < early.replace(tzinfo=None)


def test_the_server_does_not_read_offerings_of_other_regions() -> None:
    code = (
        "import spotlab.demo.server\n"
        "from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES\n"
        "offers = [each for kind in INSTANCE_TYPE_OFFERINGS.values() for each in kind.values()]\n"
        "assert not any(offers) and 'm5.large' in INSTANCE_TYPES and len(INSTANCE_TYPES) < 200"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
