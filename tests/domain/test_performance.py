"""The performance index: measured throughputs, AWS's claims, and what is unknown."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from spotlab.domain.hardware import Hardware
from spotlab.domain.performance import (
    EQUAL,
    Basis,
    PerformanceIndex,
    read_fingerprint,
    sizes_of,
)
from spotlab.domain.performance_claims import CLAIMS, CLAIMS_VERSION, claim_paths
from spotlab.domain.throughputs import Throughput, ThroughputSet
from spotlab.errors import InvalidInput


def measured(workload: str = "training", unit: str = "images/s", **values: float) -> ThroughputSet:
    """A set of throughputs; "__" in a name stands for the dot."""
    throughputs = (Throughput(name.replace("__", "."), value) for name, value in values.items())
    return ThroughputSet(workload, 1, tuple(throughputs), unit)


def test_the_same_type_counts_as_one_and_needs_no_sentence() -> None:
    found = PerformanceIndex().relative("m6g.large", "m6g.large")
    assert (found.ratio, found.basis, found.sentence) == (1.0, Basis.SAME, "")


def test_what_is_unknown_counts_as_equal_and_the_sentence_says_so() -> None:
    found = PerformanceIndex().relative("m6i.large", "c6id.large")
    assert (found.ratio, found.basis) == (1.0, Basis.UNKNOWN)
    assert found.sentence == "Performance unknown: counted as equal to m6i.large."


def test_a_claim_is_shown_with_its_words_source_and_date_as_not_measured() -> None:
    found = PerformanceIndex().relative("m6g.large", "m7g.large")
    assert (found.ratio, found.basis) == (1.25, Basis.CLAIMED)
    assert found.sentence == (
        "Counted as 1.25 times as fast as m6g.large: AWS claims "
        '"up to 25% better performance over Graviton2-based instances" '
        "(EC2 API release: Introducing Amazon EC2 C7g, M7g and R7g instances, 2023-03-08), "
        "not measured."
    )


def test_claims_are_chained_along_a_line() -> None:
    index = PerformanceIndex()
    assert index.relative("m6g.large", "m8g.large").ratio == pytest.approx(1.25 * 1.3)
    assert index.relative("m6g.large", "m9g.large").ratio == pytest.approx(1.25 * 1.3 * 1.25)
    assert 'and "AWS Graviton4 processors' in index.relative("m6g.large", "m8g.large").sentence


def test_claims_are_never_chained_up_and_down_again() -> None:
    """G5 and G6 are both compared with G4dn, but not with each other."""
    found = PerformanceIndex().relative("g5.xlarge", "g6.xlarge")
    assert (found.ratio, found.basis) == (1.0, Basis.UNKNOWN)


def test_claims_about_different_work_are_not_chained() -> None:
    """ "3x for inference" (G5) times "2.5x" (G6e) is a figure that nobody claims."""
    index = PerformanceIndex()
    assert index.relative("g4dn.xlarge", "g5.xlarge").ratio == 3.0
    assert index.relative("g5.xlarge", "g6e.xlarge").ratio == 2.5
    assert index.relative("g4dn.xlarge", "g6e.xlarge").basis is Basis.UNKNOWN


def test_moving_there_and_back_by_claims_gains_nothing() -> None:
    """Otherwise two types could replace each other in turn, each time with a saving."""
    index = PerformanceIndex()
    families = sorted({name for claim in CLAIMS for name in (*claim.slower, *claim.faster)})
    for one, other in itertools.combinations(families, 2):
        there = index.relative(f"{one}.xlarge", f"{other}.xlarge").ratio
        back = index.relative(f"{other}.xlarge", f"{one}.xlarge").ratio
        assert there * back == pytest.approx(1.0)


def test_price_performance_is_no_performance() -> None:
    """AWS states "up to 15% better price performance" of M6i over M5: it is not used."""
    assert PerformanceIndex().relative("m5.large", "m6i.large").basis is Basis.UNKNOWN
    assert not [claim for claim in CLAIMS if "price" in claim.statement]


def test_every_claim_names_its_source_and_states_its_ratio() -> None:
    for claim in CLAIMS:
        assert claim.url.startswith("https://")
        assert claim.title
        assert claim.published[:4].isdecimal()
        percent, times = f"{100 * (claim.ratio - 1):.0f}%", f"{claim.ratio:g}x"
        assert percent in claim.statement or times in claim.statement, claim
    assert len({(name, each) for c in CLAIMS for name in c.slower for each in c.faster}) == sum(
        len(claim.slower) * len(claim.faster) for claim in CLAIMS
    ), "two claims about one pair"


def test_without_claims_everything_counts_as_equal() -> None:
    assert EQUAL.relative("m6g.large", "m7g.large").basis is Basis.UNKNOWN
    assert claim_paths("m6g", 0) == {}


def test_a_larger_size_of_the_same_family_does_not_count_as_faster() -> None:
    found = PerformanceIndex().relative("m6g.large", "m6g.4xlarge")
    assert (found.ratio, found.basis) == (1.0, Basis.SAME)
    assert found.sentence == "Same family as m6g.large: counted as equally fast."
    assert PerformanceIndex().relative("m6g.large", "m7g.4xlarge").ratio == 1.25


def test_measured_types_win_over_claims() -> None:
    index = PerformanceIndex((measured(m6g__large=1000, m7g__large=1180),))
    found = index.relative("m6g.large", "m7g.large")
    assert (found.ratio, found.basis) == (1.18, Basis.MEASURED)
    assert found.sentence == (
        "Counted as 1.18 times as fast as m6g.large: measured, 1,180 against 1,000 images/s "
        "(throughputs of training, version 1)."
    )


def test_measured_size_counts() -> None:
    """The user measured the larger type: their figure says that it does more work."""
    index = PerformanceIndex((measured(m6g__large=1000, m6g__xlarge=1900),))
    assert index.relative("m6g.large", "m6g.xlarge").ratio == 1.9


def test_a_measured_type_may_be_slower() -> None:
    index = PerformanceIndex((measured(m6g__large=1000, m7g__large=900),))
    assert index.relative("m6g.large", "m7g.large").ratio == 0.9


def test_families_are_compared_at_the_instances_own_size() -> None:
    index = PerformanceIndex((measured(m6g=500, m7g=600),))
    found = index.relative("m6g.large", "m7g.4xlarge")
    assert (found.ratio, found.basis) == (1.2, Basis.MEASURED)
    assert "600 against 500 images/s per vCPU or GPU" in found.sentence
    assert index.relative("m6g.large", "m6g.4xlarge").ratio == 1.0


def test_a_family_and_a_type_are_compared_by_the_instances_vcpus() -> None:
    hardware = {"m6g.large": Hardware("m6g.large", 2, 8), "m7g.large": Hardware("m7g.large", 2, 8)}
    figures = measured(m6g__large=1000, m7g=600)
    index = PerformanceIndex((figures,)).with_sizes(hardware)
    assert index.relative("m6g.large", "m7g.large").ratio == pytest.approx(1.2)
    assert index.relative("m7g.large", "m6g.large").ratio == pytest.approx(1 / 1.2)
    unsized = PerformanceIndex((figures,)).relative("m6g.large", "m7g.large")
    assert unsized.basis is Basis.CLAIMED, "without its size, the family's figure says nothing"


def test_the_size_of_a_gpu_type_is_its_number_of_gpus() -> None:
    hardware = {
        "g5.12xlarge": Hardware("g5.12xlarge", 48, 192, gpu_model="a10g", gpu_count=4),
        "inf2.24xlarge": Hardware("inf2.24xlarge", 96, 384, accelerator_count=6),
        "g5.xlarge": Hardware("g5.xlarge", 4, 16),
        "m5.large": Hardware("m5.large", 2, 8, gpu_count=0),
    }
    assert sizes_of(hardware) == {"g5.12xlarge": 4, "inf2.24xlarge": 6, "m5.large": 2}


def test_a_workloads_own_throughputs_win_over_those_of_all_workloads() -> None:
    own = measured(m6g__large=1000, m7g__large=1180)
    everyone = measured("", "requests/s", m6g__large=10, m7g__large=20, m7a__large=30)
    index = PerformanceIndex((own, everyone))
    assert index.relative("m6g.large", "m7g.large").ratio == 1.18
    fallback = index.relative("m6g.large", "m7a.large")
    assert fallback.ratio == 3.0
    assert "throughputs of all workloads, version 1" in fallback.sentence


def test_figures_of_two_sets_are_never_divided_by_each_other() -> None:
    """They may have other units."""
    index = PerformanceIndex((measured(m6g__large=1000), measured("", "requests/s", m7a__large=30)))
    assert index.relative("m6g.large", "m7a.large").basis is Basis.UNKNOWN


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_throughput_is_above_zero_and_finite(value: float) -> None:
    with pytest.raises(InvalidInput, match=r"The throughput of m6g\.large is"):
        Throughput("m6g.large", value)


def test_the_fingerprint_names_sets_and_claims_and_is_read_back() -> None:
    index = PerformanceIndex((measured(m6g=1), measured("", m6g=1)))
    assert index.fingerprint == f"training@1+*@1+claims@{CLAIMS_VERSION}"
    assert read_fingerprint(index.fingerprint) == (
        (("training", 1), ("", 1)),
        CLAIMS_VERSION,
    )
    assert read_fingerprint(EQUAL.fingerprint) == read_fingerprint("") == ((), 0)


@pytest.mark.parametrize("text", ["x", "training@3", "a@b+claims@1", "claims@1+a@1", "+claims@1"])
def test_another_text_is_no_fingerprint(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not the fingerprint"):
        read_fingerprint(text)


def test_ratios_are_those_of_each_pair_and_fast() -> None:
    """15,341 pools of about 1,000 types, for 24 instances: at most 1 ms each once known."""
    sizes = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge")
    series = ("m", "c", "r", "i", "x", "g", "p")
    types = [f"{s}{n}{o}.{z}" for s in series for n in range(5, 10) for o in "gai" for z in sizes]
    pools = tuple(types[i % len(types)] for i in range(15_341))
    index = PerformanceIndex((measured(m6g=500, m7g=600),))
    owns = types[:24]
    for own in owns:
        ratios = index.ratios(own, pools)
        assert ratios.shape == (15_341,)
        assert ratios.dtype == np.float64
        assert ratios[100] == index.relative(own, pools[100]).ratio
    for each in (index, PerformanceIndex()):
        expected = [each.relative(owns[7], other).ratio for other in types]
        assert each.ratios(owns[7], types).tolist() == expected
    started = time.perf_counter()
    for own in owns:
        index.ratios(own, pools)
    assert (time.perf_counter() - started) / len(owns) < 0.01
