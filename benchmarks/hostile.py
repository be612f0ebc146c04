"""Hostile uploads during other users' requests: `python -m benchmarks hostile`.

An attacker with a researcher's token uploads models that are designed to crash the server,
including mutants of the shipped one, and requests candidates and explanations with accepted ones.
Another user reads from the API before and during the attack.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import tempfile
import time
import zipfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

from benchmarks._http import Client, Responses, request_at_rate
from benchmarks._people import prepare_home
from benchmarks._server import Server
from benchmarks._timing import latency_line
from spotlab.cli.identity import current_user
from spotlab.domain.access import RIGHTS, Role
from spotlab.runtime.bootstrap import bootstrap
from spotlab.services import Services
from spotlab.settings import Settings
from tests.inference.mutants import mutant
from tests.support.hostile_models import ADVISOR, HOSTILE, artefact_files, hostile_artefact

ON_REQUEST = True
API = "/api/v1"
SEED = 7
PAUSE_S = 0.5
"""Pause between uploads: an account may write 120 times per minute."""


def main(seconds: str = "300", before: str = "60", rate: str = "20") -> None:
    """Start a server, measure reads before and during the attack, and print both."""
    with tempfile.TemporaryDirectory(prefix="spotlab-hostile-") as folder:
        home = Path(folder) / "home"
        token, instances, _ = prepare_home(home)
        attacker = _attacker_token(home)
        server = Server(home, auth="accounts", scheduler="off")
        try:
            server.wait_until("/readyz")
            pid, paths = server.process.pid, _paths(instances)
            asyncio.run(request_at_rate(Client(server.port, token), paths, 5, 4))
            baseline = asyncio.run(
                request_at_rate(Client(server.port, token), paths, float(rate), float(before))
            )
            memory = server.rss_mb()
            attacked, tally = asyncio.run(
                _read_under_attack(server, token, attacker, paths, float(rate), float(seconds))
            )
            memory = server.rss_mb() - memory
            alive = server.process.poll() is None and server.process.pid == pid
            server.wait_until("/readyz")
        finally:
            code, stop_s = server.stop()
    print(f"{rate} reads/s, an open loop, on {os.cpu_count()} processors shared with all of this")
    print(_summary(f"before, {before} s", baseline))
    print(_summary(f"attacked, {seconds} s", attacked))
    print(f"attack: {', '.join(f'{count} x {what}' for what, count in tally.most_common())}")
    print(
        f"server {'never restarted' if alive else 'GONE'}; memory {memory:+.0f} MB; stopped in "
        f"{stop_s:.1f} s, exit code {code}"
    )


def _attacker_token(home: Path) -> str:
    """The token of a researcher."""
    chosen = Settings(home=home, market="simulated")
    with bootstrap(chosen) as lab:
        services = Services(lab, current_user())
        services.users.add("mallory", Role.RESEARCHER, password="a password for one benchmark")
        rights = RIGHTS[Role.RESEARCHER]
        return services.api_tokens.create("mallory", "attack", rights, timedelta(hours=6))[1]


def _paths(instances: list[str]) -> list[tuple[str, str]]:
    paths = [("instances", "/instances"), ("candidates", "/candidates?limit=20")]
    paths += [("instance", f"/instances/{each}") for each in instances[:6]]
    return [(name, API + path) for name, path in paths]


async def _read_under_attack(
    server: Server,
    token: str,
    attacker: str,
    paths: list[tuple[str, str]],
    rate: float,
    seconds: float,
) -> tuple[Responses, Counter[str]]:
    tally: Counter[str] = Counter()
    until = time.monotonic() + seconds
    attack = asyncio.create_task(_attack(Client(server.port, attacker), until, tally))
    answers = await request_at_rate(Client(server.port, token), paths, rate, seconds)
    await attack
    return answers, tally


async def _attack(client: Client, until: float, tally: Counter[str]) -> None:
    random_source, number, accepted = random.Random(SEED), 0, []
    text = (ADVISOR / "model.txt").read_text()
    while time.monotonic() < until:
        number += 1
        version = f"6.6.{number}"
        if number % 2:
            files = hostile_artefact(random_source.choice(sorted(HOSTILE)), version=version)
        else:
            files = artefact_files(mutant(text, random_source), ADVISOR, version)
        status, _ = await client.request(
            f"{API}/models", "POST", _zipped(files), "Content-Type: application/zip\r\n"
        )
        tally[f"upload answered {status}"] += 1
        if status == 201:
            accepted.append(f"advisor-lgbm@{version}")
        for model in accepted[-1:]:
            await _use(client, model, tally)
        await asyncio.sleep(PAUSE_S)
    client.close()


async def _use(client: Client, model: str, tally: Counter[str]) -> None:
    """Request candidates and an explanation with an uploaded model."""
    status, content = await client.request(f"{API}/candidates?limit=1&model={model}")
    tally[f"candidates answered {status}"] += 1
    if status == 200:
        pool = json.loads(content)["items"][0]["pool"]["key"]
        status, _ = await client.request(f"{API}/explanation?pool={pool}&model={model}")
        tally[f"explanation answered {status}"] += 1


def _zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in files.items():
            archive.writestr(name, each)
    return content.getvalue()


def _summary(name: str, responses: Responses) -> str:
    latencies_s = [each for of_path in responses.latencies_s.values() for each in of_path]
    return f"{latency_line(name, latencies_s)}   {sum(responses.errors.values())} errors"
