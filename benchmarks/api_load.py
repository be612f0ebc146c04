"""API reads at a constant rate: `python -m benchmarks api-load [--rate=200] [--seconds=60]`.

Server and generator share this machine's processors; the generator's own delay is reported.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from benchmarks._http import Client, request_at_rate
from benchmarks._people import prepare_home
from benchmarks._server import Server
from benchmarks._timing import latency_line

ON_REQUEST = True
API = "/api/v1"


def main(rate: str = "200", seconds: str = "60") -> None:
    """Start a server, send requests and print the latencies."""
    with tempfile.TemporaryDirectory(prefix="spotlab-api-load-") as folder:
        home = Path(folder) / "home"
        token, instances, experiments = prepare_home(home)
        server = Server(home, auth="accounts", scheduler="off")
        try:
            server.wait_until("/readyz")
            client = Client(server.port, token)
            paths = _paths(instances, experiments)
            asyncio.run(request_at_rate(client, paths, 5, len(paths) / 5))
            memory, cpu = server.rss_mb(), server.cpu_s()
            client = Client(server.port, token)
            responses = asyncio.run(request_at_rate(client, paths, float(rate), float(seconds)))
            memory, cpu = server.rss_mb() - memory, server.cpu_s() - cpu
        finally:
            code, stop_s = server.stop()
    print(
        f"{rate} requests/s for {seconds} s, an open loop; {os.cpu_count()} processors shared with "
        f"the generator, load average {os.getloadavg()[0]:.1f}"
    )
    for name in sorted(responses.latencies_s):
        print(latency_line(name, responses.latencies_s[name]))
    print(
        latency_line(
            "all", [took for of_path in responses.latencies_s.values() for took in of_path]
        )
    )
    print(latency_line("generator late", responses.send_delays_s))
    print(
        f"errors {sum(responses.errors.values())}; statuses {dict(responses.statuses)}; server "
        f"memory {memory:+.0f} MB, processor {cpu:.0f} s; stopped in {stop_s:.1f} s, exit code "
        f"{code}"
    )
    for error, count in responses.errors.most_common(8):
        print(f"  {count} × {error}")


def _paths(instances: list[str], experiments: list[int]) -> list[tuple[str, str]]:
    fixed = [
        ("me", "/me"),
        ("instances", "/instances"),
        ("experiments", "/experiments?limit=20"),
        ("models", "/models"),
        ("accounts", "/accounts"),
        ("candidates", "/candidates?limit=20"),
    ]
    paths = []
    for number in range(12):
        instance = instances[number % len(instances)]
        experiment = experiments[number % len(experiments)]
        paths += fixed
        paths += [
            ("instance", f"/instances/{instance}"),
            ("of an instance", f"/instances/{instance}/experiments"),
            ("experiment", f"/experiments/{experiment}"),
            ("its candidates", f"/experiments/{experiment}/candidates"),
        ]
    return [(name, API + path) for name, path in paths]
