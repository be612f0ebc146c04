"""Fleet sync: lists the instances of every account and records interruptions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from spotlab.aws.fleet import Ec2Instances, RegionFleet
from spotlab.domain.components import INSTANCE_MANAGER
from spotlab.domain.ports import Account, Clock, Listing, RegionListing
from spotlab.errors import AwsError, Cancelled, SpotlabError
from spotlab.runtime.cloud import Cloud
from spotlab.store import Store

SLACK_S = 300.0
"""A time further in the future than this means that the clock was set back."""
_NEVER: Final = Listing(None, "")


def sync_fleet(
    cloud: Cloud, store: Store, clock: Clock, cancelled: Callable[[], bool] | None = None
) -> list[SpotlabError]:
    """List the instances of every account, region by region.

    If a region cannot be listed, its last list stays, and the other regions are listed all the
    same. Running spot instances and interruptions are recorded as evidence.

    Returns:
        One error per region that failed, or per account if all of its regions failed alike.
    Raises:
        Cancelled: between two accounts; those listed before stay recorded.
        DatabaseDown: the list cannot be recorded.
    """
    source = Ec2Instances(cloud.sessions)
    errors: list[SpotlabError] = []
    started, now = time.perf_counter(), clock.now()
    listings = store.fleet.listings()
    for index, account in enumerate(cloud.accounts):
        if cancelled is not None and cancelled():
            raise Cancelled(
                f"Listing was cancelled after {index} of {len(cloud.accounts)} accounts."
            )
        if account.from_settings:
            store.fleet.save_account(account)
        fleets = source.list_regions(account, now)
        errors += _record(store, account, fleets, now, listings.get(account.name, _NEVER))
    store.health.note(
        INSTANCE_MANAGER,
        ok=not errors,
        at=clock.now(),
        latency_ms=(time.perf_counter() - started) * 1e3,
        reason=" ".join(str(error) for error in errors),
    )
    return errors


def _record(
    store: Store,
    account: Account,
    fleets: Sequence[RegionFleet],
    now: datetime,
    previous: Listing,
) -> list[SpotlabError]:
    """Record what the regions of an account answered; returns the errors."""
    errors = _distinct([fleet.error for fleet in fleets if fleet.error is not None])
    listed = [fleet for fleet in fleets if fleet.error is None]
    if listed:
        failed = [fleet.region for fleet in fleets if fleet.error is not None]
        instances = [instance for fleet in listed for instance in fleet.instances]
        store.fleet.sync(account.name, instances, unlisted=failed)
    # A region that was added or failed was not observed in between.
    observed = {region.region: region.at for region in previous.regions}
    for fleet in listed:
        store.interruptions.record_running(
            fleet.instances,
            now,
            observed.get(fleet.region) if observed else previous.at,
            emulated=account.emulated,
        )
        store.interruptions.add(fleet.interruptions)
    store.fleet.note_listing(
        account.name, now, " ".join(map(str, errors)), [_listing(fleet, now) for fleet in fleets]
    )
    return errors


def _listing(fleet: RegionFleet, now: datetime) -> RegionListing:
    if fleet.error is None:
        return RegionListing(fleet.region, now)
    code = fleet.error.code if isinstance(fleet.error, AwsError) else ""
    return RegionListing(fleet.region, None, str(fleet.error), code)


def _distinct(errors: Sequence[SpotlabError]) -> list[SpotlabError]:
    """Each error once: a role that cannot be assumed fails in every region alike."""
    return list({str(error): error for error in errors}.values())


def listed_age_s(store: Store, clock: Clock) -> float | None:
    """Seconds since the fleet was last listed, apart from regions that failed; None: never."""
    last = store.health.last(INSTANCE_MANAGER, ok=True)
    times = [listing.at for listing in store.fleet.listings().values()]
    times.append(last.checked_at if last is not None else None)
    known = [at for at in times if at is not None]
    return (clock.now() - max(known)).total_seconds() if known else None
