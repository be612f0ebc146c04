"""The assumptions behind a sweep's figures."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.ui.backtests import labels
from spotlab.ui.common import formatting, tables
from spotlab.ui.common.tables import Column


def show(record: SweepRecord) -> None:
    """Shows the assumptions, the omitted policies, and the sources of the traces."""
    config = record.config
    omitted = [
        f"{labels.policy(name, {})} was omitted: {reason}"
        for name, reason in config["left_out"].items()
    ]
    st.header("Assumptions", anchor=False)
    st.markdown("\n".join(f"- {formatting.plain(line)}" for line in sentences(config) + omitted))
    with st.expander(formatting.plain(f"Traces and their sources: {labels.zones(config)}")):
        st.caption(formatting.plain(f"Folder: {config['trace_dir']}"))
        rows = [
            {"trace": name, "source": source, "spot": price}
            for (name, source), price in zip(
                config["sources"].items(), config["spot_usd_per_hour"], strict=True
            )
        ]
        columns = {
            "trace": Column("trace", width="small"),
            "spot": Column("spot price (USD/h)", lambda price: f"{price:.4f}", number=True),
            "source": Column("source, and the meaning of its records", width="large"),
        }
        tables.show(pd.DataFrame(rows), columns, name="Sources", key="backtest-sources")


def sentences(config: Any) -> list[str]:
    """Sentences about prices, workload and traces."""
    workloads = config["workloads"]
    lines = [
        *config["assumptions"],
        f"On-demand costs {config['on_demand_usd_per_hour']:.4f} USD/h in every zone, and is "
        "always available.",
        f"A tick is {config['gap_s']:g} s. The changeover of each window is drawn from "
        f"{labels.span(workloads['changeovers_h'])} h, with seed {config['seed']}.",
    ]
    if workloads["kind"] == "Services":
        lines.append(f"An hour of downtime costs {workloads['downtime_usd_per_hour']:g} USD.")
    elif workloads["checkpoint_h"]:
        lines.append(
            f"A checkpoint is written after every {workloads['checkpoint_h']:g} h of work; an "
            "interruption loses the work since the last one."
        )
    else:
        lines.append("An interruption costs a changeover, but loses no work.")
    polarity = config["read_as"][1]
    if polarity is not None:
        lines.append(f"In the traces, 1 was declared to mean {polarity}.")
    return lines
