"""Fleet sync: lists the instances of every account and records interruptions."""

from __future__ import annotations

import time
from collections.abc import Callable

from spotlab.aws.fleet import Ec2Instances
from spotlab.domain.components import INSTANCE_MANAGER
from spotlab.domain.ports import Clock
from spotlab.errors import Cancelled, SpotlabError
from spotlab.runtime.cloud import Cloud
from spotlab.store import Store

SLACK_S = 300.0
"""A time further in the future than this means that the clock was set back."""


def sync_fleet(
    cloud: Cloud, store: Store, clock: Clock, cancelled: Callable[[], bool] | None = None
) -> list[SpotlabError]:
    """List the instances of every account; if an account cannot be read, its last list stays.

    Running spot instances and interruptions are recorded as evidence.

    Returns:
        One error per account that failed.
    Raises:
        Cancelled: between two accounts; those listed before stay recorded.
        DatabaseDown: the list cannot be recorded.
    """
    source = Ec2Instances(cloud.sessions)
    errors: list[SpotlabError] = []
    started, now = time.perf_counter(), clock.now()
    last = store.health.last(INSTANCE_MANAGER, ok=True)
    listed = store.fleet.listings()
    for index, account in enumerate(cloud.accounts):
        if cancelled is not None and cancelled():
            raise Cancelled(
                f"Listing was cancelled after {index} of {len(cloud.accounts)} accounts."
            )
        if account.from_settings:
            store.fleet.save_account(account)
        try:
            instances = source.instances(account)
            reclaimed = source.interruptions(account, now)
        except SpotlabError as exc:
            errors.append(exc)
            store.fleet.note_listing(account.name, now, str(exc))
            continue
        store.fleet.sync(account.name, instances)
        # An account that was added since the last listing was not observed in between.
        observed = last is not None and (account.from_settings or account.name in listed)
        store.interruptions.record_running(
            instances,
            now,
            last.checked_at if last is not None and observed else None,
            emulated=account.emulated,
        )
        store.interruptions.add(reclaimed)
        store.fleet.note_listing(account.name, now)
    store.health.note(
        INSTANCE_MANAGER,
        ok=not errors,
        at=clock.now(),
        latency_ms=(time.perf_counter() - started) * 1e3,
        reason=" ".join(str(error) for error in errors),
    )
    return errors


def listed_age_s(store: Store, clock: Clock) -> float | None:
    """Seconds since the whole fleet was last listed; None: never."""
    last = store.health.last(INSTANCE_MANAGER, ok=True)
    return (clock.now() - last.checked_at).total_seconds() if last is not None else None
