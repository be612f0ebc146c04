"""The client: a part for each resource."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from spotlab.client import monitoring_schemas, schemas
from spotlab.client.monitoring import Alerts, Audit, Logs, Market
from spotlab.client.transport import ANY_STATE, Resource, Transport, path_segment


class SpotLab:
    """A SpotLab server.

    Every method raises the errors of `spotlab.errors`, as the server raised them; whatever is told
    to wait is sent again, and a write is carried out once.

    Args:
        url: such as "http://127.0.0.1:8501".
        token: an API token.
        timeout_s: longest wait for an answer.
        attempts: how often a request is sent at most.
        verify: which certificates are believed, as httpx takes it.
        transport: another way to the server than the network, for tests.
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
        asking = Transport(self._http, attempts)
        self._transport = asking
        self.accounts = Accounts(asking)
        self.instances = Instances(asking)
        self.experiments = Experiments(asking)
        self.models = Models(asking)
        self.jobs = Jobs(asking)
        self.logs = Logs(asking)
        self.alerts = Alerts(asking)
        self.audit = Audit(asking)
        self.market = Market(asking)

    def me(self) -> schemas.Me:
        """Who asks."""
        return self._transport.get("/me", schemas.Me)

    def health(self) -> Iterator[schemas.Component]:
        """Each part's state."""
        return self._transport.pages("/health/components", schemas.Component)

    def uptime(self) -> Iterator[monitoring_schemas.Uptime]:
        """Each part's last 24 hours: uptime, rates and latencies."""
        return self._transport.pages("/health/uptime", monitoring_schemas.Uptime)

    def day(self, key: str) -> Iterator[monitoring_schemas.Probe]:
        """One part's last 24 hours, probe by probe; `key` as in `uptime`."""
        return self._transport.pages(
            f"/health/components/{path_segment(key)}/day", monitoring_schemas.Probe
        )

    def candidates(self, **asked: Any) -> Iterator[schemas.Candidate]:
        """The pools that meet requirements, cheapest expected cost first.

        Args:
            asked: region, zone, family (one or a list), vcpu_min, memory_gb_min, architecture, …
                as the API's filters; or instance_id alone.
        """
        return self._transport.pages("/candidates", schemas.Candidate, **asked)

    def explain(
        self, pool: str, *, model: str | None = None, horizon_h: float = 24.0
    ) -> schemas.Explanation:
        """Why a pool's risk is what it is now."""
        asked = {"pool": pool, "model": model, "horizon_h": horizon_h}
        return self._transport.get("/explanation", schemas.Explanation, **asked)

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def __enter__(self) -> SpotLab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Accounts(Resource):
    """AWS accounts."""

    def list(self) -> Iterator[schemas.Account]:
        """Those that you see."""
        return self._transport.pages("/accounts", schemas.Account)

    def get(self, name: str) -> schemas.Account:
        """One of them."""
        return self._transport.get(f"/accounts/{path_segment(name)}", schemas.Account)

    def create(
        self,
        name: str,
        aws_account_id: str,
        regions: Sequence[str],
        *,
        role_arn: str = "",
        external_id: str = "",
        reason: str = "",
    ) -> schemas.Account:
        """Look after one more."""
        body = {
            "name": name,
            "aws_account_id": aws_account_id,
            "regions": [*regions],
            "role_arn": role_arn,
            "external_id": external_id,
            "reason": reason,
        }
        return self._transport.write("POST", "/accounts", schemas.Account, body)

    def change(self, name: str, *, reason: str = "", **given: Any) -> schemas.Account:
        """Change aws_account_id, role_arn, external_id, regions or active; the rest stays."""
        path = f"/accounts/{path_segment(name)}"
        body = given | {"reason": reason}
        return self._transport.write("PATCH", path, schemas.Account, body, headers=ANY_STATE)

    def validate(self, name: str) -> schemas.Validation:
        """Try whether it can be managed."""
        path = f"/accounts/{path_segment(name)}/validation"
        return self._transport.write("POST", path, schemas.Validation)


class Instances(Resource):
    """Instances."""

    def list(self, **where: Any) -> Iterator[schemas.Instance]:
        """Those that you see; filters: account, region, instance_type, lifecycle, mode, shadow,
        model, active."""
        return self._transport.pages("/instances", schemas.Instance, **where)

    def get(self, instance_id: str) -> schemas.Instance:
        """One of them."""
        return self._transport.get(_instance(instance_id), schemas.Instance)

    def pipeline(self, instance_id: str) -> schemas.Pipeline:
        """How its evaluation stands."""
        return self._transport.get(f"{_instance(instance_id)}/pipeline", schemas.Pipeline)

    def requirements(self, instance_id: str) -> schemas.Requirements:
        """What a replacement must offer."""
        return self._transport.get(f"{_instance(instance_id)}/requirements", schemas.Requirements)

    def evaluate(self, instance_id: str) -> schemas.Decision:
        """Decide about it now."""
        path = f"{_instance(instance_id)}/evaluations"
        return self._transport.write("POST", path, schemas.Decision)

    def evaluate_many(self, instance_ids: Sequence[str] | None = None) -> schemas.Evaluations:
        """Decide about several, at most 100; None: every one that you see."""
        ids = None if instance_ids is None else [*instance_ids]
        return self._transport.write(
            "POST", "/evaluations", schemas.Evaluations, {"instance_ids": ids}
        )

    def set_shadow(self, instance_id: str, shadow: bool, reason: str = "") -> schemas.Instance:
        """Record only, or not."""
        return self._set(instance_id, "shadow", {"shadow": shadow, "reason": reason})

    def set_mode(self, instance_id: str, mode: str, reason: str = "") -> schemas.Instance:
        """ "linear" or "off"."""
        return self._set(instance_id, "mode", {"mode": mode, "reason": reason})

    def assign(self, instance_id: str, model: str | None, reason: str = "") -> schemas.Instance:
        """By which model it is evaluated; None: the champion."""
        return self._set(instance_id, "model", {"model": model, "reason": reason})

    def set_requirements(
        self, instance_id: str, requirements: Mapping[str, Any] | None, reason: str = ""
    ) -> schemas.Instance:
        """What a replacement must offer; None: derived from its own type."""
        return self._set(
            instance_id, "requirements", {"requirements": requirements, "reason": reason}
        )

    def _set(self, instance_id: str, what: str, body: Mapping[str, Any]) -> schemas.Instance:
        path = f"{_instance(instance_id)}/{what}"
        return self._transport.write("PUT", path, schemas.Instance, body, headers=ANY_STATE)


class Experiments(Resource):
    """Decisions."""

    def list(self, **where: Any) -> Iterator[schemas.Decision]:
        """Newest first; filters: instance_id, account, model, decision, since, until, shadow,
        degraded, failed."""
        return self._transport.pages("/experiments", schemas.Decision, **where)

    def get(
        self, experiment_id: int, *, candidates: int = 20, features: bool = False
    ) -> schemas.Experiment:
        """One, whole."""
        asked = {"candidates": candidates, "features": features}
        return self._transport.get(f"/experiments/{experiment_id}", schemas.Experiment, **asked)

    def candidates(
        self, experiment_id: int, *, features: bool = False
    ) -> Iterator[schemas.Candidate]:
        """Every pool that it scored."""
        path = f"/experiments/{experiment_id}/candidates"
        return self._transport.pages(path, schemas.Candidate, features=features)

    def explain(self, experiment_id: int, pool: str) -> schemas.Explanation:
        """Why a pool's risk was what it was."""
        path = f"/experiments/{experiment_id}/explanation"
        return self._transport.get(path, schemas.Explanation, pool=pool)


class Models(Resource):
    """Model versions."""

    def list(self, **where: Any) -> Iterator[schemas.Model]:
        """Every version; filters: task, name, state, enabled."""
        return self._transport.pages("/models", schemas.Model, **where)

    def get(self, reference: str) -> schemas.Model:
        """One, with its card."""
        return self._transport.get(f"/models/{path_segment(reference)}", schemas.Model)

    def upload(self, source: Path | bytes, reason: str = "") -> schemas.Upload:
        """Upload a zip as a candidate."""
        body = source.read_bytes() if isinstance(source, Path) else source
        asked = {"reason": reason}
        return self._transport.write("POST", "/models", schemas.Upload, body, asked=asked)

    def decide(self, step: str, reference: str, reason: str = "") -> schemas.Model:
        """accept, graduate, enable, disable, activate, reject or archive."""
        path = f"/models/{path_segment(reference)}/{path_segment(step)}"
        return self._transport.write("POST", path, schemas.Model, {"reason": reason})

    def history(self, reference: str) -> Iterator[schemas.ModelEvent]:
        """Its changes, newest first."""
        return self._transport.pages(
            f"/models/{path_segment(reference)}/history", schemas.ModelEvent
        )

    def performance(self, reference: str) -> schemas.Performance:
        """How its predictions did."""
        path = f"/models/{path_segment(reference)}/performance"
        return self._transport.get(path, schemas.Performance)


class Jobs(Resource):
    """Scheduled jobs."""

    def list(self) -> Iterator[schemas.Job]:
        """All of them."""
        return self._transport.pages("/jobs", schemas.Job)

    def run(self, name: str, reason: str = "") -> None:
        """Have it run now."""
        self._transport.write("POST", f"/jobs/{path_segment(name)}/runs", dict, {"reason": reason})

    def pause(self, name: str, paused: bool = True, reason: str = "") -> schemas.Job:
        """Have it run only when asked, or by its schedule again."""
        body = {"paused": paused, "reason": reason}
        return self._transport.write("PATCH", f"/jobs/{path_segment(name)}", schemas.Job, body)

    def history(self, name: str) -> Iterator[schemas.Run]:
        """Its runs, newest first."""
        return self._transport.pages(f"/jobs/{path_segment(name)}/runs", schemas.Run)


def _instance(instance_id: str) -> str:
    return f"/instances/{path_segment(instance_id)}"
