"""The workloads that every installation has; each says in words what it assumes."""

from __future__ import annotations

from typing import Final

from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.workload import DEFAULT_WORKLOAD, Workload

PRESETS: Final[tuple[Workload, ...]] = (
    DEFAULT_WORKLOAD,
    Workload(
        "stateless-service",
        1,
        "A replica behind a load balancer: no work is lost, capacity is missing for 3 minutes, and "
        "at most half of the group shares a pool. 7 % less memory is acceptable.",
        work_lost_h=0.0,
        recovery_h=0.05,
        max_pool_share=0.5,
        hardware=HardwareRule(memory_tolerance=0.07),
    ),
    Workload(
        "queue-worker",
        1,
        "Takes jobs of about half an hour from a queue: the job in hand starts again, so that 15 "
        "minutes are lost on average; a new worker is ready after 3 minutes.",
        work_lost_h=0.25,
        recovery_h=0.05,
        max_pool_share=0.75,
        hardware=HardwareRule(memory_tolerance=0.07),
    ),
    Workload(
        "checkpointed-training",
        1,
        "Writes a checkpoint every hour: 30 minutes are lost on average, and loading data and "
        "checkpoint takes 15 minutes. The same GPU or a better one.",
        work_lost_h=0.5,
        recovery_h=0.25,
        checkpoint_interval_h=1.0,
    ),
    Workload(
        "stateful-server",
        1,
        "A database or cache: an interruption takes an hour to repair and 20 USD of somebody's "
        "time. Local storage and bandwidth are used; the horizon is a week.",
        work_lost_h=0.0,
        recovery_h=1.0,
        fixed_usd=20.0,
        horizon_h=168.0,
        max_pool_share=0.34,
        hardware=HardwareRule(uses_local_storage=True, keeps_bandwidth=True),
    ),
    Workload(
        "development-box",
        1,
        "Somebody works on it: an interruption costs about half an hour of work and of attention, "
        "20 USD. Burstable and older hardware is acceptable.",
        work_lost_h=0.25,
        recovery_h=0.25,
        fixed_usd=20.0,
        hardware=HardwareRule(
            memory_tolerance=0.07, allow_older_generation=True, allow_burstable=True
        ),
    ),
)
"""Workloads that every installation has; each says in words what it assumes."""
