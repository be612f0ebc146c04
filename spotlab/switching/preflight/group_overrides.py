"""What to change in a group instead of replacing one of its instances, ready to copy.

Source: Amazon EC2 Auto Scaling API Reference, MixedInstancesPolicy; Terraform AWS provider,
aws_autoscaling_group and aws_eks_node_group; Amazon EC2 API Reference, ModifyFleet and
SpotFleetRequestConfigData; Karpenter documentation, NodePool.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from spotlab.domain.instance_facts import Owner, OwnerKind
from spotlab.domain.market import Pool
from spotlab.domain.switch_plan import Snippet

MAX_TYPES: Final = 40
"""Types that a mixed instances policy may list."""
MAX_TYPES_OF_NODE_GROUP: Final = 20
_STRATEGY: Final = "price-capacity-optimized"
_TEMPLATE: Final = "YOUR-LAUNCH-TEMPLATE"


def snippets_for(
    owner: Owner, candidates: Sequence[Pool], template_id: str | None
) -> tuple[Snippet, ...]:
    """The change to a group that lets it use the decision's pools.

    Args:
        owner: the group.
        candidates: the decision's pools, best first.
        template_id: launch template of the instance; None: unknown.
    Returns:
        Empty without candidates, or if the group cannot be changed.
    """
    types = instance_types(candidates)
    if not types:
        return ()
    template = template_id or _TEMPLATE
    match owner.kind:
        case OwnerKind.AUTO_SCALING_GROUP | OwnerKind.KUBERNETES:
            name = owner.name if owner.kind is OwnerKind.AUTO_SCALING_GROUP else "YOUR-GROUP"
            return _auto_scaling(name, types, template)
        case OwnerKind.EKS:
            return _eks(owner, types)
        case OwnerKind.KARPENTER:
            return (_karpenter(types, zones(candidates)),)
        case OwnerKind.EC2_FLEET:
            return (_ec2_fleet(owner.name, candidates, template),)
        case OwnerKind.SPOT_FLEET:
            return (_spot_fleet(candidates, template),)
        case _:
            return ()


def instance_types(candidates: Sequence[Pool]) -> list[str]:
    """The types of some pools, each once, best first."""
    return list(dict.fromkeys(pool.instance_type for pool in candidates))[:MAX_TYPES]


def zones(candidates: Sequence[Pool]) -> list[str]:
    """The zones of some pools, each once, by name."""
    return sorted({pool.availability_zone for pool in candidates if pool.availability_zone})


def _auto_scaling(name: str, types: Sequence[str], template: str) -> tuple[Snippet, ...]:
    policy = {
        "AutoScalingGroupName": name,
        "MixedInstancesPolicy": {
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {
                    "LaunchTemplateId": template,
                    "Version": "$Latest",
                },
                "Overrides": [{"InstanceType": each} for each in types],
            },
            "InstancesDistribution": {
                "OnDemandBaseCapacity": 0,
                "OnDemandPercentageAboveBaseCapacity": 0,
                "SpotAllocationStrategy": _STRATEGY,
            },
        },
        "CapacityRebalance": True,
    }
    overrides = "\n".join(
        f"      override {{\n        instance_type = {_quoted(each)}\n      }}" for each in types
    )
    block = f"""\
# in resource "aws_autoscaling_group"
capacity_rebalance = true

mixed_instances_policy {{
  instances_distribution {{
    on_demand_base_capacity                  = 0
    on_demand_percentage_above_base_capacity = 0
    spot_allocation_strategy                 = "{_STRATEGY}"
  }}

  launch_template {{
    launch_template_specification {{
      launch_template_id = {_quoted(template)}
      version            = "$Latest"
    }}
{_outdented(overrides)}
  }}
}}
"""
    command = "aws autoscaling update-auto-scaling-group --cli-input-json file://policy.json"
    return (
        Snippet(f"policy.json, for {command}", "json", _json(policy)),
        Snippet("Terraform", "hcl", block),
    )


def _eks(owner: Owner, types: Sequence[str]) -> tuple[Snippet, ...]:
    name = owner.name if owner.tag == "eks:cluster-name" else "YOUR-CLUSTER"
    types = types[:MAX_TYPES_OF_NODE_GROUP]
    request = {
        "clusterName": name,
        "nodegroupName": "YOUR-NODE-GROUP-spot",
        "capacityType": "SPOT",
        "instanceTypes": list(types),
        "subnets": ["YOUR-SUBNET"],
        "nodeRole": "YOUR-NODE-ROLE-ARN",
        "scalingConfig": {"minSize": 1, "maxSize": 10, "desiredSize": 1},
    }
    listed = ", ".join(map(_quoted, types))
    block = f"""\
# in a new resource "aws_eks_node_group": the types of a node group cannot be changed
capacity_type  = "SPOT"
instance_types = [{listed}]
"""
    command = "aws eks create-nodegroup --cli-input-json file://nodegroup.json"
    return (
        Snippet(f"nodegroup.json, for {command}", "json", _json(request)),
        Snippet("Terraform", "hcl", block),
    )


def _karpenter(types: Sequence[str], in_zones: Sequence[str]) -> Snippet:
    def requirement(key: str, values: Sequence[str]) -> str:
        listed = ", ".join(map(_quoted, values))
        return f"        - key: {key}\n          operator: In\n          values: [{listed}]\n"

    text = "# in the NodePool\nspec:\n  template:\n    spec:\n      requirements:\n"
    text += requirement("karpenter.sh/capacity-type", ["spot", "on-demand"])
    text += requirement("node.kubernetes.io/instance-type", types)
    if in_zones:
        text += requirement("topology.kubernetes.io/zone", in_zones)
    return Snippet("NodePool", "yaml", text)


def _fleet_overrides(candidates: Sequence[Pool]) -> list[dict[str, Any]]:
    return [
        {"InstanceType": pool.instance_type}
        | ({"AvailabilityZone": pool.availability_zone} if pool.availability_zone else {})
        for pool in candidates[:MAX_TYPES]
    ]


def _ec2_fleet(name: str, candidates: Sequence[Pool], template: str) -> Snippet:
    request = {
        "FleetId": name,
        "LaunchTemplateConfigs": [
            {
                "LaunchTemplateSpecification": {
                    "LaunchTemplateId": template,
                    "Version": "$Latest",
                },
                "Overrides": _fleet_overrides(candidates),
            }
        ],
    }
    command = "aws ec2 modify-fleet --cli-input-json file://fleet.json"
    return Snippet(f"fleet.json, for {command}", "json", _json(request))


def _spot_fleet(candidates: Sequence[Pool], template: str) -> Snippet:
    config = {
        "AllocationStrategy": "priceCapacityOptimized",
        "LaunchTemplateConfigs": [
            {
                "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "1"},
                "Overrides": _fleet_overrides(candidates),
            }
        ],
    }
    return Snippet("In SpotFleetRequestConfig of a new request", "json", _json(config))


def _json(value: object) -> str:
    return json.dumps(value, indent=2)


def _quoted(text: str) -> str:
    """A string of JSON, HCL and YAML; `${` and `%{` start a template in HCL."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")


def _outdented(text: str) -> str:
    return "\n".join(line.removeprefix("  ") for line in text.splitlines())
