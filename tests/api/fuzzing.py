"""`make api-fuzz`: Schemathesis with the OpenAPI document, against its own server on loopback."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
ENDLESS = ["stream_logs"]


def fuzz(options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Serve a small lab, and run all checks of Schemathesis on every operation except streams."""
    command = [sys.executable, "-m", "tests.api.serving"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HERE.parents[1]
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        served = json.loads(server.stdout.readline())
        try:
            return run(served["url"], served["token"], options)
        finally:
            server.stdin.close()
            server.wait(30)


def run(url: str, token: str, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis in a temporary folder, where it stores its findings."""
    excluded = [part for each in ENDLESS for part in ("--exclude-operation-id", each)]
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [
                *(str(Path(sys.executable).parent / "schemathesis"), "--config-file"),
                *(str(HERE / "schemathesis.toml"), "run", f"{url}/api/openapi.json"),
                *("-H", f"Authorization: Bearer {token}", "--checks", "all", "--no-color"),
                *("--seed", "1", "--continue-on-failure", "--request-timeout", "30"),
                *excluded,
                *options,
            ],
            cwd=folder,
            env=os.environ
            | {"SCHEMATHESIS_HOOKS": "tests.api.fuzz_hooks"}
            | {"PYTHONPATH": str(HERE.parents[1])},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )


def main() -> int:
    """Print the output of Schemathesis."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-examples", type=int, default=50)
    args = parser.parse_args()
    done = fuzz(["--phases", "examples,coverage,fuzzing", "-n", str(args.max_examples)])
    sys.stdout.write(done.stdout)
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
