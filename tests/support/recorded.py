"""A small synthetic market in the format of AWS's feeds, for training."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1", "sa-east-1")
FAMILIES = ("m5", "m6i", "m6g", "c5", "c6i", "c7g", "r5", "r6i", "g4dn", "p3", "t3", "i3")
SIZES = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32}
TYPES = {f"{family}.{size}": vcpu for family in FAMILIES for size, vcpu in SIZES.items()}
ADVISOR_DAYS = ("2021-02-10", "2024-02-28", "2025-06-28")
PRICE_DAYS = ("2025-03-27", "2025-05-03")


def write_market(folder: Path, seed: int = 5) -> Path:
    """Write advisor, prices and specifications; some families and large types are risky."""
    rng = np.random.default_rng(seed)
    stress = dict(zip(FAMILIES, rng.normal(0.0, 1.0, len(FAMILIES)), strict=True))
    for day in ADVISOR_DAYS:
        write_json(folder / "advisor" / f"{day}.json.gz", _advisor(rng, stress))
    for day in PRICE_DAYS:
        write_json(folder / "spot-prices" / f"{day}.json.gz", _prices(rng))
    _write_specs(folder / "instance-specs" / "instance_types-2026-08-21.csv")
    return folder


def write_2022(
    folder: Path, seed: int = 6, days: tuple[str, ...] = ("2022-01-09", "2022-04-06")
) -> None:
    """Write advisor snapshots for evaluation only; a family's stress is the same in all of them."""
    rng = np.random.default_rng(seed)
    stress = dict(zip(FAMILIES, rng.normal(0.0, 1.0, len(FAMILIES)), strict=True))
    for day in days:
        path = folder / "evaluation-only" / "advisor" / f"{day}.json.gz"
        write_json(path, _advisor(rng, stress))


def write_json(path: Path, document: Any) -> None:
    """Write one gzipped feed file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))


def read_json(path: Path) -> Any:
    """Read a file from `write_json`."""
    return json.loads(gzip.decompress(path.read_bytes()))


def _advisor(rng: np.random.Generator, stress: dict[str, float]) -> dict[str, Any]:
    def rate(name: str, vcpu: int) -> dict[str, int]:
        score = 2.0 + stress[name.partition(".")[0]] + 0.3 * np.log2(vcpu / 8) + rng.normal(0, 0.7)
        return {"r": int(np.clip(round(score), 0, 4)), "s": int(rng.integers(40, 90))}

    return {
        "spot_advisor": {
            region: {"Linux": {name: rate(name, vcpu) for name, vcpu in TYPES.items()}}
            for region in REGIONS
        },
        "instance_types": {
            name: {"cores": vcpu, "ram_gb": 4.0 * vcpu} for name, vcpu in TYPES.items()
        },
    }


def _prices(rng: np.random.Generator) -> dict[str, Any]:
    def size(name: str, vcpu: int) -> dict[str, Any]:
        usd = f"{0.012 * vcpu * rng.lognormal(0.0, 0.2):.4f}"
        return {"size": name, "valueColumns": [{"name": "linux", "prices": {"USD": usd}}]}

    regions = [
        {
            "region": region,
            "instanceTypes": [{"sizes": [size(name, vcpu) for name, vcpu in TYPES.items()]}],
        }
        for region in REGIONS
    ]
    return {"config": {"rate": "perhr", "regions": regions}}


def _write_specs(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{name},{'arm64' if name[2] == 'g' else 'x86_64'},{vcpu},{vcpu * 4096}"
        for name, vcpu in TYPES.items()
    ]
    path.write_text("\n".join(["instance_type,arch,vcpu,memory_mib", *lines]) + "\n")
