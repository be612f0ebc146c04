"""The client, with one attribute per resource."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec

from spotlab.client import account_schemas, decision_schemas, monitoring_schemas, schemas
from spotlab.client.monitoring import Alerts, Audit, Logs, Market
from spotlab.client.policies import Policies
from spotlab.client.spot_events import Events
from spotlab.client.switches import Switches
from spotlab.client.throughputs import Throughputs
from spotlab.client.transport import ANY_STATE, Resource, Transport, path_segment
from spotlab.client.workloads import Workloads


class SpotLab:
    """Client of a SpotLab server.

    Methods raise the errors of `spotlab.errors` that the server reports. Requests that the server
    asks to repeat later are repeated, and a write is executed only once.

    Args:
        url: URL of the server, such as "http://127.0.0.1:8501".
        token: API token.
        timeout_s: longest wait for a response.
        attempts: maximum number of times that a request is sent.
        verify: certificates to trust, as in httpx.
        transport: replacement of the network, for tests.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_s: float = 30.0,
        attempts: int = 4,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout_s,
            verify=verify,
            transport=transport,
        )
        self._transport = Transport(self._http, attempts)
        self.accounts = Accounts(self._transport)
        self.instances = Instances(self._transport)
        self.experiments = Experiments(self._transport)
        self.models = Models(self._transport)
        self.policies = Policies(self._transport)
        self.jobs = Jobs(self._transport)
        self.logs = Logs(self._transport)
        self.alerts = Alerts(self._transport)
        self.audit = Audit(self._transport)
        self.market = Market(self._transport)
        self.events = Events(self._transport)
        self.switches = Switches(self._transport)
        self.throughputs = Throughputs(self._transport)
        self.workloads = Workloads(self._transport)

    def me(self) -> schemas.Me:
        """The signed-in user."""
        return self._transport.get("/me", schemas.Me)

    def health(self) -> Iterator[schemas.Component]:
        """The current state of each component."""
        return self._transport.pages("/health/components", schemas.Component)

    def uptime(self) -> Iterator[monitoring_schemas.Uptime]:
        """Uptime, rates and latencies of each component over 24 hours."""
        return self._transport.pages("/health/uptime", monitoring_schemas.Uptime)

    def day(self, key: str) -> Iterator[monitoring_schemas.Probe]:
        """The probes of one component over 24 hours; `key` is from `uptime`."""
        return self._transport.pages(
            f"/health/components/{path_segment(key)}/day", monitoring_schemas.Probe
        )

    def candidates(self, **filters: Any) -> Iterator[schemas.Candidate]:
        """The pools that meet the requirements, lowest expected cost first.

        Args:
            filters: region, zone, family (one or a list), vcpu_min, memory_gb_min, architecture
                and the other parameters of the API; or instance_id alone.
        """
        return self._transport.pages("/candidates", schemas.Candidate, **filters)

    def explain(
        self, pool: str, *, model: str | None = None, horizon_h: float = 24.0
    ) -> schemas.Explanation:
        """Explanation of the current risk of a pool."""
        query = {"pool": pool, "model": model, "horizon_h": horizon_h}
        return self._transport.get("/explanation", schemas.Explanation, **query)

    def what_if(
        self, instance_ids: Sequence[str] | None = None, **changes: float | bool
    ) -> decision_schemas.WhatIf:
        """Decisions with changes to today's settings; nothing is recorded.

        Args:
            instance_ids: at most 100; None for all active ones whose pipeline is on.
            changes: risk_ceiling, min_saving_fraction, interruption_usd, memory_tolerance,
                allow_burstable and the other changes of the API.
        """
        ids = None if instance_ids is None else [*instance_ids]
        body = {"instance_ids": ids, "changes": changes}
        return self._transport.write("POST", "/what-if", decision_schemas.WhatIf, body)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> SpotLab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Accounts(Resource):
    """AWS accounts."""

    def list(self) -> Iterator[account_schemas.Account]:
        """Accounts that you may see."""
        return self._transport.pages("/accounts", account_schemas.Account)

    def get(self, name: str) -> account_schemas.Account:
        """One account."""
        return self._transport.get(f"/accounts/{path_segment(name)}", account_schemas.Account)

    def create(
        self,
        name: str,
        aws_account_id: str,
        regions: Sequence[str],
        *,
        role_arn: str = "",
        external_id: str = "",
        reason: str = "",
    ) -> account_schemas.Account:
        """Add an account."""
        body = {
            "name": name,
            "aws_account_id": aws_account_id,
            "regions": [*regions],
            "role_arn": role_arn,
            "external_id": external_id,
            "reason": reason,
        }
        return self._transport.write("POST", "/accounts", account_schemas.Account, body)

    def change(self, name: str, *, reason: str = "", **changes: Any) -> account_schemas.Account:
        """Change aws_account_id, role_arn, external_id, regions or active."""
        path = f"/accounts/{path_segment(name)}"
        body = changes | {"reason": reason}
        return self._transport.write(
            "PATCH", path, account_schemas.Account, body, headers=ANY_STATE
        )

    def remove(self, name: str, reason: str = "") -> account_schemas.Account:
        """Remove the account and its external ids, and return it as it was."""
        path, query = f"/accounts/{path_segment(name)}", {"reason": reason}
        return self._transport.write("DELETE", path, account_schemas.Account, query=query)

    def validate(self, name: str, access: str = "") -> account_schemas.Validation:
        """Check access to the account, and each permission of an access (read-only, switching)."""
        path = f"/accounts/{path_segment(name)}/validation"
        query = f"?access={access}" if access else ""
        return self._transport.write("POST", f"{path}{query}", account_schemas.Validation)

    def listing(self, name: str) -> account_schemas.AccountListing:
        """When each region was last listed, and why a region could not be listed."""
        path = f"/accounts/{path_segment(name)}/listing"
        return self._transport.get(path, account_schemas.AccountListing)

    def role(
        self, name: str, access: str = "read-only", principal: str = ""
    ) -> account_schemas.AccountRole:
        """The role that the account must create: policy, trust policy, CloudFormation, Terraform.

        Args:
            name: of the account.
            access: read-only or switching.
            principal: ARN of the identity that the server runs as; "": the server asks AWS.
        """
        path = f"/accounts/{path_segment(name)}/role"
        query = {"access": access, "principal": principal or None}
        return self._transport.get(path, account_schemas.AccountRole, **query)


class Instances(Resource):
    """Instances."""

    def list(self, **filters: Any) -> Iterator[schemas.Instance]:
        """Instances that you may see; filters: account, region, instance_type, lifecycle, mode,
        shadow, model, active."""
        return self._transport.pages("/instances", schemas.Instance, **filters)

    def get(self, instance_id: str) -> schemas.Instance:
        """One instance."""
        return self._transport.get(_instance(instance_id), schemas.Instance)

    def pipeline(self, instance_id: str) -> schemas.Pipeline:
        """Pipeline status of the instance."""
        return self._transport.get(f"{_instance(instance_id)}/pipeline", schemas.Pipeline)

    def requirements(self, instance_id: str) -> schemas.Requirements:
        """Active requirements for a replacement."""
        return self._transport.get(f"{_instance(instance_id)}/requirements", schemas.Requirements)

    def evaluate(self, instance_id: str) -> schemas.Decision:
        """Evaluate the instance now."""
        path = f"{_instance(instance_id)}/evaluations"
        return self._transport.write("POST", path, schemas.Decision)

    def evaluate_many(self, instance_ids: Sequence[str] | None = None) -> schemas.Evaluations:
        """Evaluate at most 100 instances; None for all active ones whose pipeline is on."""
        ids = None if instance_ids is None else [*instance_ids]
        return self._transport.write(
            "POST", "/evaluations", schemas.Evaluations, {"instance_ids": ids}
        )

    def set_shadow(self, instance_id: str, shadow: bool, reason: str = "") -> schemas.Instance:
        """Turn shadow mode on or off."""
        return self._set(instance_id, "shadow", {"shadow": shadow, "reason": reason})

    def set_mode(self, instance_id: str, mode: str, reason: str = "") -> schemas.Instance:
        """Set the pipeline to "linear" or "off"."""
        return self._set(instance_id, "mode", {"mode": mode, "reason": reason})

    def assign(self, instance_id: str, model: str | None, reason: str = "") -> schemas.Instance:
        """Assign a model; None for the champion."""
        return self._set(instance_id, "model", {"model": model, "reason": reason})

    def set_requirements(
        self, instance_id: str, requirements: Mapping[str, Any] | None, reason: str = ""
    ) -> schemas.Instance:
        """Set the requirements; None to derive them from the instance's type."""
        return self._set(
            instance_id, "requirements", {"requirements": requirements, "reason": reason}
        )

    def _set(self, instance_id: str, setting: str, body: Mapping[str, Any]) -> schemas.Instance:
        path = f"{_instance(instance_id)}/{setting}"
        return self._transport.write("PUT", path, schemas.Instance, body, headers=ANY_STATE)


class Experiments(Resource):
    """Decisions."""

    def list(self, **filters: Any) -> Iterator[schemas.Decision]:
        """Newest first; filters: instance_id, account, model, decision, since, until, shadow,
        degraded, failed."""
        return self._transport.pages("/experiments", schemas.Decision, **filters)

    def get(
        self, experiment_id: int, *, candidates: int = 20, features: bool = False
    ) -> schemas.Experiment:
        """One decision with its inputs."""
        query = {"candidates": candidates, "features": features}
        return self._transport.get(f"/experiments/{experiment_id}", schemas.Experiment, **query)

    def candidates(
        self, experiment_id: int, *, features: bool = False
    ) -> Iterator[schemas.Candidate]:
        """All pools that the decision scored."""
        path = f"/experiments/{experiment_id}/candidates"
        return self._transport.pages(path, schemas.Candidate, features=features)

    def explain(self, experiment_id: int, pool: str) -> schemas.Explanation:
        """Explanation of a pool's risk in the decision."""
        path = f"/experiments/{experiment_id}/explanation"
        return self._transport.get(path, schemas.Explanation, pool=pool)

    def explain_decision(self, experiment_id: int) -> decision_schemas.DecisionExplanation:
        """The decision's margin, its runner-up, and what would change it."""
        path = f"/experiments/{experiment_id}/decision-explanation"
        return self._transport.get(path, decision_schemas.DecisionExplanation)

    def replay(
        self,
        experiment_id: int,
        *,
        model: str | None = None,
        policy: Mapping[str, float] | None = None,
        workload: str | None = None,
    ) -> decision_schemas.Replay:
        """The decision made again, as it was or with something else.

        Args:
            experiment_id: of the decision.
            model: "name" or "name@version".
            policy: parameters to change.
            workload: "name" or "name@version".
        """
        asked = {
            "model": model,
            "policy": None if policy is None else msgspec.json.encode(policy).decode(),
            "workload": workload,
        }
        query = {name: value for name, value in asked.items() if value is not None}
        return self._transport.get(
            f"/experiments/{experiment_id}/replay", decision_schemas.Replay, **query
        )


class Models(Resource):
    """Model versions."""

    def list(self, **filters: Any) -> Iterator[schemas.Model]:
        """Model versions; filters: task, name, state, enabled."""
        return self._transport.pages("/models", schemas.Model, **filters)

    def get(self, reference: str) -> schemas.Model:
        """One version with its card."""
        return self._transport.get(f"/models/{path_segment(reference)}", schemas.Model)

    def upload(self, source: Path | bytes, reason: str = "", **answers: Any) -> schemas.Upload:
        """Upload a zip file, or a bare LightGBM text model, as a candidate.

        Args:
            source: the file.
            reason: for the history.
            answers: of a bare model: label, name, version, summary, horizons_h.
        """
        body = source.read_bytes() if isinstance(source, Path) else source
        query = {"reason": reason, **answers}
        return self._transport.write("POST", "/models", schemas.Upload, body, query=query)

    def decide(self, step: str, reference: str, reason: str = "") -> schemas.Model:
        """Take a step: accept, graduate, enable, disable, activate, reject or archive."""
        path = f"/models/{path_segment(reference)}/{path_segment(step)}"
        return self._transport.write("POST", path, schemas.Model, {"reason": reason})

    def history(self, reference: str) -> Iterator[schemas.ModelEvent]:
        """Changes of the model, newest first."""
        return self._transport.pages(
            f"/models/{path_segment(reference)}/history", schemas.ModelEvent
        )

    def performance(self, reference: str) -> schemas.Performance:
        """Quality of the model's predictions."""
        path = f"/models/{path_segment(reference)}/performance"
        return self._transport.get(path, schemas.Performance)

    def online_weights(self) -> schemas.OnlineWeights:
        """Weights and running losses of live capacity forecasts."""
        return self._transport.get("/online-weights", schemas.OnlineWeights)


class Jobs(Resource):
    """Scheduled jobs."""

    def list(self) -> Iterator[schemas.Job]:
        """All jobs."""
        return self._transport.pages("/jobs", schemas.Job)

    def run(self, name: str, reason: str = "") -> None:
        """Run the job now."""
        self._transport.write("POST", f"/jobs/{path_segment(name)}/runs", dict, {"reason": reason})

    def pause(self, name: str, paused: bool = True, reason: str = "") -> schemas.Job:
        """Pause the job, or resume it with `paused=False`."""
        body = {"paused": paused, "reason": reason}
        return self._transport.write("PATCH", f"/jobs/{path_segment(name)}", schemas.Job, body)

    def history(self, name: str) -> Iterator[schemas.Run]:
        """Runs of the job, newest first."""
        return self._transport.pages(f"/jobs/{path_segment(name)}/runs", schemas.Run)


def _instance(instance_id: str) -> str:
    return f"/instances/{path_segment(instance_id)}"
