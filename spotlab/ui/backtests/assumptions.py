"""What a sweep's figures rest on, in plain words."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.ui.backtests import labels
from spotlab.ui.common import formatting, tables
from spotlab.ui.common.tables import Column


def assumptions(record: SweepRecord) -> None:
    """What was not measured, and what was left out."""
    config = record.config
    left_out = [
        f"{labels.policy(name, {})} was left out: {reason}"
        for name, reason in config["left_out"].items()
    ]
    st.header("What do the figures rest on?", anchor=False)
    st.markdown("\n".join(f"- {formatting.plain(told)}" for told in told_of(config) + left_out))
    with st.expander(formatting.plain(f"Traces and their sources: {labels.zones(config)}")):
        st.caption(formatting.plain(f"Read from {config['trace_dir']}."))
        rows = [
            {"trace": name, "source": source, "spot": price}
            for (name, source), price in zip(
                config["sources"].items(), config["spot_usd_per_hour"], strict=True
            )
        ]
        columns = {
            "trace": Column("trace", width="small"),
            "spot": Column("spot price (USD/h)", lambda price: f"{price:.4f}", number=True),
            "source": Column("source, and what a record of it means", width="large"),
        }
        tables.show(pd.DataFrame(rows), columns, name="Sources", key="backtest-sources")


def told_of(config: Any) -> list[str]:
    """Prices, workload and traces in sentences."""
    asked = config["workloads"]
    told = [
        *config["assumptions"],
        f"On-demand costs {config['on_demand_usd_per_hour']:.4f} USD/h wherever it is started, and "
        "can always be had.",
        f"A tick is {config['gap_s']:g} s; every window draws its changeover from "
        f"{labels.span(asked['changeovers_h'])} h, with seed {config['seed']}.",
    ]
    if asked["kind"] == "Services":
        told.append(f"An hour of downtime is worth {asked['downtime_usd_per_hour']:g} USD.")
    elif asked["checkpoint_h"]:
        told.append(
            f"A checkpoint is written every {asked['checkpoint_h']:g} h of work; an interruption "
            "loses what came after it."
        )
    else:
        told.append("An interruption loses no work beside its changeover.")
    polarity = config["read_as"][1]
    if polarity is not None:
        told.append(f"In the traces 1 was declared to mean {polarity}.")
    return told
