"""An instance type's name says its architecture, size and kind."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from spotlab.domain.instance_types import Architecture, parse_type


@pytest.mark.parametrize(
    ("name", "family", "generation", "size_factor", "architecture", "accelerated"),
    [
        ("m6i.xlarge", "m6i", 6, 2.0, "x86_64", False),
        ("m7gd.2xlarge", "m7gd", 7, 4.0, "arm64", False),
        ("t4g.nano", "t4g", 4, 0.0625, "arm64", False),
        ("g4dn.12xlarge", "g4dn", 4, 24.0, "x86_64", True),
        ("g5g.xlarge", "g5g", 5, 2.0, "arm64", True),
        ("inf2.48xlarge", "inf2", 2, 96.0, "x86_64", True),
        ("c5.metal", "c5", 5, None, "x86_64", False),
        ("u-6tb1.metal", "u-6tb1", None, None, "x86_64", False),
        ("a1.large", "a1", 1, 1.0, "arm64", False),
    ],
)
def test_reads_the_name(
    name: str,
    family: str,
    generation: int | None,
    size_factor: float | None,
    architecture: str,
    accelerated: bool,
) -> None:
    parsed = parse_type(name)
    assert parsed.family == family
    assert parsed.generation == generation
    assert parsed.size_factor == size_factor
    assert parsed.architecture is Architecture(architecture)
    assert parsed.accelerated is accelerated


@pytest.mark.parametrize("name", ["", "m5", "m5.", ".large", "5m.large"])
def test_refuses_what_is_no_instance_type(name: str) -> None:
    with pytest.raises(ValueError, match="is not an instance type"):
        parse_type(name)


@pytest.mark.shared_data
def test_a_name_of_any_length_is_refused_at_once() -> None:
    for name in ("a" * 100_000 + "!.large", "a1" * 50_000 + ".large", "u-" + "0" * 100_000 + "!.x"):
        with pytest.raises(ValueError, match="is not an instance type"):
            parse_type(name)


def test_agrees_with_the_published_architecture_of_every_type(shared_data: Path) -> None:
    path = shared_data / "instance-specs" / "instance_types-2026-08-21.csv"
    spelled = {"amd64": Architecture.X86_64, "arm64": Architecture.ARM64}
    with path.open() as file:
        wrong = [
            row["instance_type"]
            for row in csv.DictReader(file)
            if parse_type(row["instance_type"]).architecture is not spelled[row["arch"]]
        ]
    assert wrong == []
