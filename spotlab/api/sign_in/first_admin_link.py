"""At start: the link of the first administrator, and a word where keys differ."""

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
"""Where `spotlab serve` started the server: told by the one process to the next."""
KEY_CHECK_INTERVAL_S: Final = 60.0
KEY_VALID_FOR: Final = timedelta(seconds=180)


def announce_first_admin(lab: Lab) -> Callable[[], None]:
    """Tell whoever started the server how to become its administrator."""
    if lab.settings.auth == "off":
        return lambda: None
    try:
        _print_first_admin_link(lab)
    except SpotlabError as exc:
        log.error("cannot make the first administrator's link: %s", exc)
    stop = threading.Event()
    thread = threading.Thread(target=_compare_keys, args=(lab, stop), name="key", daemon=True)
    thread.start()

    def stopped() -> None:
        stop.set()
        thread.join()

    return stopped


def _print_first_admin_link(lab: Lab) -> None:
    if lab.settings.auth == "oidc":
        if not lab.store.users.any():
            _print(
                "There are no users yet. Add the first administrator, by the e-mail address that "
                "the provider has verified:",
                "spotlab users add NAME --role admin --email ADDRESS",
            )
        return
    path = first_administrator_link(lab)
    if path is not None:
        base = lab.settings.public_url.rstrip("/") or os.environ.get(SERVED_AT, "")
        _print(
            "There are no users yet. Become the first administrator, within 60 minutes:",
            f"{base}{path}",
        )


def _print(*lines: str) -> None:
    """To stderr, and not to the log: whoever reads the log later must not find a link there."""
    sys.stderr.write("\n" + "".join(f"  {line}\n" for line in lines) + "\n")
    sys.stderr.flush()


def _compare_keys(lab: Lab, stop: threading.Event) -> None:
    """Every process says which key it signs with; where two differ, each says so once."""
    told: set[str] = set()
    while True:
        try:
            ours, now = secret_key(lab.settings).fingerprint, lab.clock.now()
            others = set(lab.store.sessions.note_key(ours, now, now - KEY_VALID_FOR)) - told
        except SpotlabError as exc:
            log.warning("cannot compare the secret keys of the processes: %s", exc)
            others = set()
        for other in sorted(others):
            log.error(
                "another process on this database signs sessions with another secret key (%s, "
                "this one: %s), so each signs the other's users out: give every replica the same "
                "SPOTLAB_SECRET_KEY. Right after the key was changed this is to be expected.",
                other,
                ours,
            )
        told |= others
        if stop.wait(KEY_CHECK_INTERVAL_S):
            return
