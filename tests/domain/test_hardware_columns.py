"""One type compared with all others at once gives the facts of the comparison in words."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spotlab.domain.coded_texts import Texts
from spotlab.domain.hardware import Hardware, HardwareTable, complete
from spotlab.domain.hardware_columns import FACTS, columns_of
from spotlab.domain.like_for_like import HardwareRule, has_gpu, shortfall

NAMES = tuple(
    f"{family}.{size}"
    for family, size in (
        *((each, "large") for each in ("m5", "m6i", "m6id", "m6g", "m7i-flex", "t3", "t4g", "c5")),
        *((each, "xlarge") for each in ("m6i", "c7a", "g5", "g4dn", "p3", "inf2", "trn1", "f1")),
        ("m6i", "metal"),
        ("mac2", "metal"),
        ("u-6tb1", "metal"),
    )
)


def some(*values: object) -> st.SearchStrategy[object]:
    return st.sampled_from((None, *values))


@st.composite
def hardware(draw: st.DrawFn, name: str) -> Hardware:
    facts = Hardware(
        name,
        vcpu=draw(some(1.0, 2.0, 4.0)),
        memory_gb=draw(some(7.5, 7.97, 8.0, 16.0)),
        architecture=draw(some("x86_64", "arm64")),
        gpu_count=draw(some(0.0, 1.0)),
        accelerator_count=draw(some(0.0, 1.0)),
        cpu_maker=draw(some("intel", "amd", "aws")),
        local_nvme_gb=draw(some(0.0, 118.0)),
        network_mbps=draw(some(1000.0, 12500.0)),
        ebs_mbps=draw(some(1000.0, 4750.0)),
    )
    return complete(facts)


RULES = st.builds(
    HardwareRule,
    memory_tolerance=st.sampled_from((0.0, 0.07)),
    allow_older_generation=st.booleans(),
    allow_burstable=st.booleans(),
    same_cpu_maker=st.booleans(),
    uses_local_storage=st.booleans(),
    keeps_bandwidth=st.booleans(),
)


@given(st.data(), RULES, st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), unique=True))
def test_all_at_once_is_like_one_by_one(
    data: st.DataObject, rule: HardwareRule, own_name: str, names: list[str]
) -> None:
    own = data.draw(hardware(own_name))
    table = HardwareTable({name: data.draw(hardware(name)) for name in names})
    asked = Texts(np.arange(len(names) + 1), (*names, "q9.unknown"))
    codes = columns_of(table, asked).worse_than(own, rule)
    if codes is None:
        assert own.name.accelerated or has_gpu(own)
        return
    for name, code in zip(asked.names, codes.tolist(), strict=True):
        found = shortfall(own, table[name], rule) if name in table else None
        assert (FACTS[code - 1] if code else None) == (found.fact if found else None), name
