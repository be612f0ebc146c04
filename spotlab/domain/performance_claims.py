"""AWS's published statements about the performance of one generation over another.

Only statements about performance are here. Most of AWS's figures are about *price performance*
("up to 15 % better price performance than M5"): they contain AWS's own on-demand prices, which say
nothing about a spot pool, and are left out. "Up to" is an upper bound for the workloads that AWS
chose; what a user measures always wins.

The list only grows. A claim that is corrected gets `until`, and the corrected one is added with
the next `CLAIMS_VERSION`, so that a recorded decision can be computed again from its version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

CLAIMS_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Claim:
    """What AWS states of some families compared with others, at the same size.

    Args:
        slower, faster: families that the statement compares.
        ratio: performance of `faster` relative to `slower`, as stated.
        statement: AWS's words.
        title: of the announcement.
        published: its date, as much of year-month-day as is certain.
        url: where it is, or where such announcements are.
        work: the work that the statement is about; "": any. Only claims about the same work are
            chained.
        since, until: first and last `CLAIMS_VERSION` that contains it; until None: still does.
    """

    slower: tuple[str, ...]
    faster: tuple[str, ...]
    ratio: float
    statement: str
    title: str
    published: str
    url: str
    work: str = ""
    since: int = 1
    until: int | None = None

    @property
    def source(self) -> str:
        """Title and date."""
        return f"{self.title}, {self.published}"

    def is_in(self, version: int) -> bool:
        """Whether a version of the claims contains it."""
        return self.since <= version and (self.until is None or version <= self.until)


_NEWS: Final = "https://aws.amazon.com/about-aws/whats-new/"
_BLOG: Final = "https://aws.amazon.com/blogs/aws/"
_PRODUCTS: Final = "https://aws.amazon.com/ec2/instance-types/"
_EC2_API: Final = "https://github.com/aws/aws-sdk-go-v2/blob/main/service/ec2/CHANGELOG.md"

_GRAVITON2: Final = ("m6g", "m6gd", "c6g", "c6gd", "c6gn", "r6g", "r6gd")
_GRAVITON3: Final = ("m7g", "m7gd", "c7g", "c7gd", "r7g", "r7gd")
_GRAVITON4: Final = ("m8g", "m8gd", "c8g", "c8gd", "r8g", "r8gd")

CLAIMS: Final[tuple[Claim, ...]] = (
    # Graviton: AWS compares processors, so every family with the one is compared with the other
    Claim(
        _GRAVITON2,
        ("m7g", "c7g", "r7g"),
        1.25,
        "up to 25% better performance over Graviton2-based instances",
        "EC2 API release: Introducing Amazon EC2 C7g, M7g and R7g instances",
        "2023-03-08",
        _EC2_API,
    ),
    Claim(
        _GRAVITON2,
        ("m7gd", "c7gd", "r7gd"),
        1.25,
        "up to 25% better performance over Graviton2-based instances",
        "EC2 API release: Introducing Amazon EC2 C7gd, M7gd, and R7gd Instances",
        "2023-09-05",
        _EC2_API,
    ),
    Claim(
        _GRAVITON3,
        _GRAVITON4,
        1.3,
        "AWS Graviton4 processors deliver up to 30% better compute performance than Graviton3 "
        "processors",
        "Amazon EC2 M8g instances",
        "2024-09",
        _PRODUCTS + "m8g/",
    ),
    Claim(
        ("c7gn",),
        ("c8gn",),
        1.3,
        "up to 30% higher compute performance compared to Graviton3-based C7gn instances",
        "Amazon EC2 C8gn instances",
        "2025-06-30",
        _PRODUCTS + "c8g/",
    ),
    Claim(
        _GRAVITON4,
        ("m9g", "m9gd"),
        1.25,
        "up to 25% better compute performance compared to Graviton4-based instances",
        "Now available: Amazon EC2 M9g and M9gd instances powered by new AWS Graviton5 processors",
        "2026-06-10",
        _BLOG + "now-available-amazon-ec2-m9g-and-m9gd-instances-powered-by-new-aws-graviton5-"
        "processors/",
    ),
    Claim(
        _GRAVITON4,
        ("c9g", "c9gd"),
        1.25,
        "up to 25% better compute performance than Graviton4-based instances",
        "Amazon EC2 C9g and C9gd instances powered by AWS Graviton5 processors",
        "2026-06-30",
        _PRODUCTS + "c9g/",
    ),
    Claim(
        ("r8g", "r8gd"),
        ("r9g", "r9gd"),
        1.25,
        "up to 25% better compute performance compared to AWS Graviton4-based R8g and R8gd "
        "instances",
        "Amazon EC2 R9g and R9gd memory-optimized instances",
        "2026",
        _PRODUCTS + "r9g/",
    ),
    Claim(
        ("x2gd",),
        ("x8g",),
        1.6,
        "up to 60% better performance than X2gd instances",
        "Now available: Graviton4-powered memory-optimized Amazon EC2 X8g instances",
        "2024-09-18",
        _BLOG + "now-available-graviton4-powered-memory-optimized-amazon-ec2-x8g-instances/",
    ),
    Claim(
        ("i4g",),
        ("i8g",),
        1.6,
        "up to 60% better compute performance",
        "Introducing storage optimized Amazon EC2 I8g instances powered by AWS Graviton4 "
        "processors and 3rd gen AWS Nitro SSDs",
        "2024-12",
        _BLOG + "introducing-storage-optimized-amazon-ec2-i8g-instances-powered-by-aws-graviton4-"
        "processors-and-3rd-gen-aws-nitro-ssds/",
    ),
    # AMD
    Claim(
        ("m6a",),
        ("m7a",),
        1.5,
        "up to 50% higher performance compared to M6a instances",
        "EC2 API release: Amazon EC2 M7a instances",
        "2023-08-24",
        _EC2_API,
    ),
    Claim(
        ("c6a",),
        ("c7a",),
        1.5,
        "up to 50% higher performance compared to C6a instances",
        "Amazon EC2 C7a instances",
        "2023-10",
        _NEWS + "2023/10/compute-optimized-amazon-ec2-c7a-instances/",
    ),
    Claim(
        ("r6a",),
        ("r7a",),
        1.5,
        "up to 50% higher performance compared to R6a instances",
        "Amazon EC2 R7a instances",
        "2023-09",
        _NEWS + "2023/09/memory-optimized-amazon-ec2-r7a-instances/",
    ),
    Claim(
        ("m7a",),
        ("m8a",),
        1.3,
        "up to 30% better performance per vCPU compared to M7a instances",
        "New general-purpose Amazon EC2 M8a instances are now available",
        "2025-10-08",
        _BLOG + "new-general-purpose-amazon-ec2-m8a-instances-are-now-available/",
    ),
    Claim(
        ("c7a",),
        ("c8a",),
        1.3,
        "up to 30% higher performance compared to C7a instances",
        "Amazon EC2 C8a instances",
        "2025-10",
        _PRODUCTS + "c8a/",
    ),
    Claim(
        ("r7a",),
        ("r8a",),
        1.3,
        "up to 30% higher performance compared to R7a instances",
        "Amazon EC2 R8a instances",
        "2025-11",
        _NEWS + "2025/11/memory-optimized-amazon-ec2-r8a-instances/",
    ),
    # Intel: of M5, M6i and M7i AWS states price performance only
    Claim(
        ("m7i",),
        ("m8i",),
        1.2,
        "up to 20% better performance than M7i and M7i-flex instances",
        "New General Purpose Amazon EC2 M8i and M8i-flex instances",
        "2025-08-28",
        _NEWS + "2025/08/amazon-ec2-m8i-and-m8i-flex-instances-generally-available/",
    ),
    Claim(
        ("m7i-flex",),
        ("m8i-flex",),
        1.2,
        "up to 20% better performance than M7i and M7i-flex instances",
        "New General Purpose Amazon EC2 M8i and M8i-flex instances",
        "2025-08-28",
        _NEWS + "2025/08/amazon-ec2-m8i-and-m8i-flex-instances-generally-available/",
    ),
    Claim(
        ("r7i",),
        ("r8i",),
        1.2,
        "20% better performance than R7i instances",
        "Best performance and fastest memory with the new Amazon EC2 R8i and R8i-flex instances",
        "2025-08",
        _BLOG
        + "best-performance-and-fastest-memory-with-the-new-amazon-ec2-r8i-and-r8i-flex-instances/",
    ),
    Claim(
        ("z1d",),
        ("r7iz",),
        1.2,
        "up to 20% better performance than previous generation z1d instances",
        "EC2 API release: Introducing Amazon EC2 R7iz instances",
        "2023-10-02",
        _EC2_API,
    ),
    Claim(
        ("i4i",),
        ("i7i",),
        1.23,
        "up to 23% better compute performance over I4i instances",
        "Amazon EC2 I7i high performance storage optimized instances",
        "2025-04-28",
        _PRODUCTS + "i7i/",
    ),
    # GPUs, at the same number of them
    Claim(
        ("p3",),
        ("p4d",),
        2.5,
        "an average of 2.5x better performance for deep learning models compared to previous "
        "generation P3 instances",
        "Amazon EC2 P4d instances",
        "2020-11-02",
        _PRODUCTS + "p4/",
        "deep learning",
    ),
    Claim(
        ("g4dn",),
        ("g5",),
        3.0,
        "up to 3x higher performance for machine learning inference compared to G4dn instances",
        "Amazon EC2 G5 instances",
        "2021-11-11",
        _PRODUCTS + "g5/",
        "machine learning inference",
    ),
    Claim(
        ("g4dn",),
        ("g6",),
        2.0,
        "up to 2x higher performance for deep learning inference and graphics workloads compared "
        "to G4dn instances",
        "Amazon EC2 G6 instances",
        "2024-04-04",
        _PRODUCTS + "g6/",
        "deep learning inference and graphics",
    ),
    Claim(
        ("g5",),
        ("g6e",),
        2.5,
        "up to 2.5x better performance compared to G5 instances",
        "Amazon EC2 G6e instances",
        "2024-08-15",
        _PRODUCTS + "g6e/",
    ),
)


@lru_cache(maxsize=4096)
def claim_paths(family: str, version: int) -> Mapping[str, tuple[Claim, ...]]:
    """The families that are claimed to be faster than one, each with the claims that lead there.

    Claims are chained upwards only: from Graviton2 to 3 and from 3 to 4, but never up and down
    again, which would compare two families that AWS did not compare; and only if they are about
    the same work. The shortest chain counts.

    Args:
        family: where the chains start.
        version: of the claims.
    """
    paths: dict[str, tuple[Claim, ...]] = {family: ()}
    reached = [family]
    for slower in reached:  # grows while it is read: breadth first
        for claim in CLAIMS:
            if slower not in claim.slower or not claim.is_in(version):
                continue
            if any(before.work != claim.work for before in paths[slower]):
                continue
            for faster in claim.faster:
                if faster not in paths:
                    paths[faster] = (*paths[slower], claim)
                    reached.append(faster)
    del paths[family]
    return MappingProxyType(paths)
