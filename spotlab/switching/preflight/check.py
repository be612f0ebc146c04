"""The preflight: the plan of a switch, with all that forbids it, before anything is changed.

It only computes; what is known of AWS is passed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import InstanceFacts
from spotlab.domain.market import Pool
from spotlab.domain.switch_plan import Finding, Preflight, Strategy
from spotlab.domain.target_facts import RegionFacts, TypeFacts
from spotlab.domain.unknown import Unknown
from spotlab.domain.workload import AppliedWorkload
from spotlab.switching.preflight.account_findings import account_findings
from spotlab.switching.preflight.case import SwitchCase
from spotlab.switching.preflight.effects import effects_of
from spotlab.switching.preflight.group_findings import group_findings
from spotlab.switching.preflight.hardware_findings import hardware_findings
from spotlab.switching.preflight.network_findings import network_findings
from spotlab.switching.preflight.planned_calls import calls_of
from spotlab.switching.preflight.storage_findings import storage_findings
from spotlab.switching.preflight.strategies import choose
from spotlab.switching.preflight.template_findings import template_findings
from spotlab.switching.preflight.unknown_findings import unknown_findings


def check(
    facts: InstanceFacts,
    target: Pool,
    lifecycle: Lifecycle,
    applied: AppliedWorkload,
    source_type: TypeFacts | Unknown,
    target_type: TypeFacts | Unknown,
    region: RegionFacts,
    *,
    candidates: Sequence[Pool] = (),
    confirmed: Collection[str] = (),
    strategy: Strategy | None = None,
    shortfall: str = "",
) -> Preflight:
    """Plan a switch and find what forbids it.

    Args:
        facts: of the instance.
        target: pool to launch in.
        lifecycle: how the replacement is paid for.
        applied: the instance's workload, with the rule that chose it.
        source_type, target_type: facts of the instance's and the target's type.
        region: facts of the target's region for this instance and lifecycle.
        candidates: the decision's pools, best first, for what to change in a group.
        confirmed: codes of questions that a person confirmed, such as "reboot".
        strategy: what a person asked for; None: the preflight chooses.
        shortfall: see `SwitchCase`.
    Returns:
        The plan; `refused` says whether something forbids it. Findings that block come first.
    """
    case = SwitchCase(
        facts,
        target,
        lifecycle,
        applied,
        source_type,
        target_type,
        region,
        candidates,
        shortfall,
    )
    chosen, reason = choose(case, strategy)
    findings = [_answered(finding, confirmed) for finding in _findings(case, chosen)]
    effects = effects_of(case, chosen)
    subnet = case.subnet
    return Preflight(
        instance_id=facts.instance_id,
        account=facts.account,
        source=facts.pool,
        target=target,
        target_lifecycle=lifecycle,
        strategy=chosen,
        strategy_reason=reason,
        findings=tuple(sorted(findings, key=lambda each: (not each.blocks, each.question))),
        effects=effects,
        calls=calls_of(case, chosen, effects),
        subnet_id=subnet.subnet_id if subnet and not chosen.in_place else None,
    )


def _findings(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    yield from group_findings(case)
    yield from account_findings(case, strategy)
    yield from hardware_findings(case, strategy)
    yield from storage_findings(case, strategy)
    yield from template_findings(case, strategy)
    yield from network_findings(case, strategy)
    yield from unknown_findings(case, strategy)


def _answered(finding: Finding, confirmed: Collection[str]) -> Finding:
    """A question that a person confirmed does not block."""
    if finding.question and finding.code in confirmed:
        return replace(finding, blocks=False)
    return finding
