"""`spotlab serve`: starts the app."""

from __future__ import annotations

import argparse
import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import Final

from spotlab.access.loopback import is_loopback
from spotlab.access.secret_key import secret_key
from spotlab.cli import options
from spotlab.cli.command import Command, Result
from spotlab.errors import InvalidSetting, NotAvailable
from spotlab.runtime.home import usable_home
from spotlab.runtime.prestart import prestart
from spotlab.settings import Settings

APP: Final = Path(__file__).resolve().parents[2] / "app.py"
LOOPBACK: Final = "127.0.0.1"


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--port",
        type=options.integer(1, 65_535),
        default=8501,
        help="port to listen on (default 8501)",
    )
    add("--address", default=LOOPBACK, help="IP address to listen on (default 127.0.0.1)")


def _serve(args: argparse.Namespace, settings: Settings) -> Result:
    _check_address(args.address, settings)
    _check_port(args.address, args.port)
    home = usable_home(settings)
    if settings.auth != "off":
        secret_key(settings)
    if settings.auth == "oidc":
        from spotlab.access.oidc_users import login_section

        login_section(settings)
    shown = f"[{args.address}]" if ":" in args.address else args.address
    url = f"http://{shown}:{args.port}"
    os.environ["SPOTLAB_HOME"] = str(home)
    os.environ["SPOTLAB_SERVED_AT"] = url
    os.chdir(APP.parent)
    arguments = ["--server.port", str(args.port), "--server.address", args.address]
    prestart(settings)
    sys.stderr.write(f"SpotLab on {settings.public_url or url}\n")
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "spotlab.ui.run", str(APP), *arguments])  # noqa: S606


def _check_address(address: str, settings: Settings) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise InvalidSetting(
            f"--address {address!r} is not an IP address.", remedy="Use 127.0.0.1, ::1 or 0.0.0.0."
        ) from None
    if is_loopback(address):
        return
    if settings.auth == "off":
        raise InvalidSetting(
            f"--address {address}: without sign-in the server listens on loopback only.",
            remedy="Set SPOTLAB_AUTH=accounts (or oidc).",
        )
    if not settings.public_url.startswith("https://"):
        sys.stderr.write(
            "spotlab: SPOTLAB_PUBLIC_URL is not an https:// address, so passwords and session "
            "cookies are sent unencrypted. Put a TLS proxy in front of the server.\n"
        )


def _check_port(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as exc:
            raise NotAvailable(
                f"Port {port} on {address} cannot be used: {exc.strerror}.",
                remedy="Choose another port with --port (make run PORT=…).",
            ) from None


SERVE: Final = Command("serve", "Start the app, on 127.0.0.1 by default.", _arguments, _serve)
