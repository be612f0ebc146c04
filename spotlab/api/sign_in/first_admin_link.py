"""At start: the first administrator's link, and a check for differing secret keys."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from spotlab.access.one_time_links import first_administrator_link
from spotlab.access.secret_key import secret_key
from spotlab.errors import SpotlabError
from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.api")

SERVED_AT: Final = "SPOTLAB_SERVED_AT"
"""Address of the server, which `spotlab serve` passes to the server process."""
KEY_CHECK_INTERVAL_S: Final = 60.0
KEY_VALID_FOR: Final = timedelta(seconds=180)


def announce_first_admin(lab: Lab) -> Callable[[], None]:
    """Print how to become the first administrator, and start comparing keys."""
    if lab.settings.auth == "off":
        return lambda: None
    try:
        _print_first_admin_link(lab)
    except SpotlabError as exc:
        log.error("cannot make the first administrator's link: %s", exc)
    stop = threading.Event()
    thread = threading.Thread(target=_compare_keys, args=(lab, stop), name="key", daemon=True)
    thread.start()

    def stop_comparing() -> None:
        stop.set()
        thread.join()

    return stop_comparing


def _print_first_admin_link(lab: Lab) -> None:
    if lab.settings.auth == "oidc":
        if not lab.store.users.any():
            _print(
                "There are no users yet. Add the first administrator, with the e-mail address that "
                "the identity provider has verified:",
                "spotlab users add NAME --role admin --email ADDRESS",
            )
        return
    path = first_administrator_link(lab)
    if path is not None:
        base = lab.settings.public_url.rstrip("/") or os.environ.get(SERVED_AT, "")
        _print(
            "There are no users yet. Open this link within 60 minutes to become the first "
            "administrator:",
            f"{base}{path}",
        )


def _print(*lines: str) -> None:
    """Print to stderr, not to the log, where others could find the link later."""
    sys.stderr.write("\n" + "".join(f"  {line}\n" for line in lines) + "\n")
    sys.stderr.flush()


def _compare_keys(lab: Lab, stop: threading.Event) -> None:
    """Store the fingerprint of this process's key, and log once if another process has another."""
    reported: set[str] = set()
    while True:
        try:
            own_key, now = secret_key(lab.settings).fingerprint, lab.clock.now()
            others = set(lab.store.sessions.note_key(own_key, now, now - KEY_VALID_FOR)) - reported
        except SpotlabError as exc:
            log.warning("cannot compare the secret keys of the processes: %s", exc)
            others = set()
        for other in sorted(others):
            log.error(
                "another process on this database signs sessions with another secret key (%s, "
                "this one: %s), so that each signs out the other's users. Set the same "
                "SPOTLAB_SECRET_KEY on all replicas. Right after a key change, this is expected.",
                other,
                own_key,
            )
        reported |= others
        if stop.wait(KEY_CHECK_INTERVAL_S):
            return
