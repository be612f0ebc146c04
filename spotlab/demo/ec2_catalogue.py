"""EC2's regions, zones, instance types and offerings, limited to those of the simulated market.

The specifications of the types are moto's, which come from AWS.
"""

from __future__ import annotations

from moto.ec2.models import availability_zones_and_regions as places
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, InstanceTypeBackend

from spotlab.demo.catalogue import POOLS, REGIONS, TYPES
from spotlab.demo.patcher import Patches


def patch_catalogue(patches: Patches) -> None:
    """Limit moto's EC2 to the simulated regions, zones, types and offerings."""
    names = {spec.name for spec in TYPES}
    types = [each for each in InstanceTypeBackend.instance_types if each.name in names]
    patches.attribute(InstanceTypeBackend, "instance_types", types)
    backend = places.RegionsAndZonesBackend
    regions = [
        places.Region(region.name, f"ec2.{region.name}.amazonaws.com", "opt-in-not-required")
        for region in REGIONS
    ]
    patches.attribute(backend, "regions", regions)
    zones = {
        region.name: [
            places.Zone(name=zone, region_name=region.name, zone_id=region.zone_id(zone))
            for zone in region.zones
        ]
        for region in REGIONS
    }
    patches.attribute(backend, "zones", zones)
    for kind in ("region", "availability-zone", "availability-zone-id"):
        patches.item(INSTANCE_TYPE_OFFERINGS, kind, _offerings(kind))


def _offerings(kind: str) -> dict[str, list[dict[str, str]]]:
    by_region: dict[str, dict[tuple[str, str], None]] = {region.name: {} for region in REGIONS}
    for pool in POOLS:
        place = {
            "region": pool.region.name,
            "availability-zone": pool.zone,
            "availability-zone-id": pool.region.zone_id(pool.zone),
        }[kind]
        by_region[pool.region.name][pool.spec.name, place] = None
    return {
        region: [
            {"InstanceType": name, "Location": place, "LocationType": kind}
            for name, place in offers
        ]
        for region, offers in by_region.items()
    }
