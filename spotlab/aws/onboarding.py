"""The role that an account gives SpotLab, as policies, CloudFormation and Terraform.

The templates do not contain the external id: it is a parameter, which the person who applies them
fills in.

Source: IAM User Guide, "Access to AWS accounts owned by third parties"; CloudFormation User Guide,
AWS::IAM::Role; Terraform AWS provider, aws_iam_role.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from spotlab.aws.permissions import Access, explanation, policy
from spotlab.aws.policy_statements import EVENT_QUEUE
from spotlab.aws.regions import PARTITIONS, Partition
from spotlab.errors import InvalidInput

ROLE_NAME: Final = "SpotLab"
PARAMETER: Final = "EXTERNAL_ID"
"""Stands for the external id in the trust policy."""
_PRINCIPAL: Final = re.compile(
    r"arn:(aws[a-z-]*):iam::([0-9]{12}):(root|(?:role|user)/[\w+=,.@/-]{1,512})", re.ASCII
)
_ASSUMED: Final = re.compile(
    r"arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([\w+=,.@-]+)/.+", re.ASCII
)
_TEMPORARY: Final = re.compile(r"arn:(aws[a-z-]*):sts::([0-9]{12}):[\w-]+/.+", re.ASCII)
_PLAIN_SCALAR: Final = re.compile(r"[A-Za-z][\w:./-]*", re.ASCII)
_YAML_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def new_external_id() -> str:
    """A random external id: 43 letters, digits, hyphens and underscores (256 bits)."""
    return secrets.token_urlsafe(32)


def role_arn(partition: Partition, account_id: str) -> str:
    """The ARN of the role that the templates create."""
    return f"arn:{partition.name}:iam::{account_id}:role/{ROLE_NAME}"


def principal_of(identity_arn: str) -> str:
    """The principal that a trust policy must name for an identity to assume the role.

    A session of a role is named by its role. The ARN of a session has no path: if the role has one,
    the principal must be given instead. For other temporary identities, it is their account.

    >>> principal_of("arn:aws:sts::123456789012:assumed-role/spotlab-server/i-0abc")
    'arn:aws:iam::123456789012:role/spotlab-server'
    """
    assumed = _ASSUMED.fullmatch(identity_arn)
    if assumed is None:
        other = _TEMPORARY.fullmatch(identity_arn)
        return f"arn:{other[1]}:iam::{other[2]}:root" if other else identity_arn
    partition, account_id, role = assumed.groups()
    return f"arn:{partition}:iam::{account_id}:role/{role}"


@dataclass(frozen=True, slots=True)
class RoleTemplate:
    """The role of one account.

    Args:
        access: read-only, or with switching.
        partition: of the account.
        account_id: 12 digits.
        principal: ARN of the identity that SpotLab runs as.
        queue: name of the queue of events.
    Raises:
        InvalidInput: the principal is not an ARN of an identity in this partition.
    """

    access: Access
    partition: Partition
    account_id: str
    principal: str
    queue: str = EVENT_QUEUE

    def __post_init__(self) -> None:
        """Check the principal."""
        match = _PRINCIPAL.fullmatch(self.principal)
        if match is None:
            raise InvalidInput(
                f"{self.principal!r} is not an identity that a trust policy can name.",
                remedy="Enter the ARN of the role or user that SpotLab runs as, such as "
                "arn:aws:iam::123456789012:role/spotlab-server.",
                field="principal",
            )
        if match[1] != self.partition.name:
            known = {each.name for each in PARTITIONS}
            raise InvalidInput(
                f"{self.principal!r} is in the partition {match[1]}, and the account is in "
                f"{self.partition.name}: AWS does not let it assume a role there.",
                remedy="Run SpotLab with an identity of that partition."
                if match[1] in known
                else f"Partitions: {', '.join(sorted(known))}.",
                field="principal",
            )

    @property
    def role_arn(self) -> str:
        """The ARN that the role will have."""
        return role_arn(self.partition, self.account_id)

    def policy(self) -> dict[str, Any]:
        """The role's policy: what SpotLab may do."""
        return policy(self.access, self.partition, self.account_id, self.queue)

    def trust_policy(self, external_id: object = PARAMETER) -> dict[str, Any]:
        """The role's trust policy: only SpotLab, and only with the external id.

        Args:
            external_id: the value, or what stands for it.
        """
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": self.principal},
                    "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
                }
            ],
        }

    def caller_policy(self) -> dict[str, Any]:
        """The policy that SpotLab's own identity needs, to assume the role."""
        return {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": self.role_arn}
            ],
        }

    def explanation(self) -> list[str]:
        """What each statement of the policy allows, one sentence a statement."""
        return [
            f"{statement.sid}: {statement.allows}"
            for statement, _actions in explanation(self.access)
        ]

    def cloudformation(self) -> str:
        """A CloudFormation template in YAML; the external id is its parameter ExternalId."""
        template = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": f"Role for SpotLab in account {self.account_id}, {self.access.value}",
            "Parameters": {
                "ExternalId": {
                    "Type": "String",
                    "NoEcho": True,
                    "MinLength": 2,
                    "MaxLength": 1224,
                    "AllowedPattern": "[\\w+=,.@:/-]*",
                    "Description": "The external id that SpotLab has shown",
                }
            },
            "Resources": {
                "SpotLabRole": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {
                        "RoleName": ROLE_NAME,
                        "Description": f"Lets SpotLab manage spot instances, {self.access.value}",
                        "MaxSessionDuration": 3600,
                        "AssumeRolePolicyDocument": self.trust_policy({"Ref": "ExternalId"}),
                        "Policies": [{"PolicyName": ROLE_NAME, "PolicyDocument": self.policy()}],
                    },
                }
            },
            "Outputs": {
                "RoleArn": {
                    "Description": "Enter this in SpotLab",
                    "Value": {"Fn::GetAtt": ["SpotLabRole", "Arn"]},
                }
            },
        }
        comments = "".join(f"# {line}\n" for line in self.explanation())
        return f"{comments}{to_yaml(template)}"

    def terraform(self) -> str:
        """Terraform resources; the external id is the variable spotlab_external_id."""
        trust = _pretty(self.trust_policy()).replace(
            json.dumps(PARAMETER), "var.spotlab_external_id"
        )
        comments = "".join(f"# {line}\n" for line in self.explanation())
        return (
            f"{comments}"
            'variable "spotlab_external_id" {\n'
            "  type      = string\n"
            "  sensitive = true\n"
            "}\n\n"
            'resource "aws_iam_role" "spotlab" {\n'
            f'  name                 = "{ROLE_NAME}"\n'
            "  max_session_duration = 3600\n"
            f"  assume_role_policy   = jsonencode({_indented(trust)})\n"
            "}\n\n"
            'resource "aws_iam_role_policy" "spotlab" {\n'
            f'  name   = "{ROLE_NAME}"\n'
            "  role   = aws_iam_role.spotlab.id\n"
            f"  policy = jsonencode({_indented(_pretty(self.policy()))})\n"
            "}\n\n"
            'output "spotlab_role_arn" {\n'
            "  value = aws_iam_role.spotlab.arn\n"
            "}\n"
        )


def _pretty(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2)


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def to_yaml(value: object, depth: int = 0) -> str:
    """A document of mappings, lists, texts, numbers and truth values as YAML.

    >>> print(to_yaml({"Ids": ["a", "12"], "Empty": {}}), end="")
    Ids:
      - a
      - "12"
    Empty: {}
    """
    indent = "  " * depth
    if isinstance(value, Mapping) and value:
        return "".join(
            f"{indent}{_scalar(str(key))}:{_nested(each, depth + 1)}" for key, each in value.items()
        )
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return "".join(f"{indent}-{_item(each, depth + 1)}" for each in value)
    return f"{indent}{_scalar(value)}\n"


def _nested(value: object, depth: int) -> str:
    if isinstance(value, (Mapping, list, tuple)) and value:
        return f"\n{to_yaml(value, depth)}"
    return f" {_scalar(value)}\n"


def _item(value: object, depth: int) -> str:
    if isinstance(value, (Mapping, list, tuple)) and value:
        return " " + to_yaml(value, depth)[2 * depth :]
    return f" {_scalar(value)}\n"


def _scalar(value: object) -> str:
    plain = isinstance(value, str) and _PLAIN_SCALAR.fullmatch(value) and not value.endswith(":")
    return str(value) if plain and str(value).lower() not in _YAML_WORDS else json.dumps(value)
