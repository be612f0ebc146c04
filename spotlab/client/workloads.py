"""Client resource for workloads and the rules that assign them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from spotlab.client import schemas
from spotlab.client.transport import Resource, path_segment


class Workloads(Resource):
    """Workloads: what an interruption costs, and what counts as equal hardware."""

    def list(self) -> Iterator[schemas.Workload]:
        """The newest version of each."""
        return self._transport.pages("/workloads", schemas.Workload)

    def get(self, name: str, version: int | None = None) -> schemas.Workload:
        """A version of a workload; None: the newest one."""
        return self._transport.get(_workload(name), schemas.Workload, version=version)

    def versions(self, name: str) -> Iterator[schemas.Workload]:
        """Every version of a workload, newest first."""
        return self._transport.pages(f"{_workload(name)}/versions", schemas.Workload)

    def save(
        self, name: str, expected_version: int | None = None, reason: str = "", **values: Any
    ) -> schemas.Workload:
        """Save a new workload, or the next version of one.

        Args:
            name: of the workload.
            expected_version: the newest version when the change was prepared, 0 for a new name;
                None: any. If it is another, the server reports Conflict.
            reason: reason, for the audit log.
            values: every field of the version: description, work_lost_h, recovery_h, …; omitted
                ones have their default.
        """
        body = values | {"expected_version": expected_version, "reason": reason}
        return self._transport.write("PUT", _workload(name), schemas.Workload, body)

    def assignments(self) -> Iterator[schemas.WorkloadAssignment]:
        """The rules that you may see."""
        return self._transport.pages("/workload-assignments", schemas.WorkloadAssignment)

    def assign(
        self,
        scope: Literal["instance", "tag", "account"],
        key: str,
        workload: str,
        reason: str = "",
    ) -> schemas.WorkloadAssignment:
        """Assign a workload to an instance, to a tag ("name=value") or to an account."""
        body = {"scope": scope, "key": key, "workload": workload, "reason": reason}
        return self._transport.write(
            "PUT", "/workload-assignments", schemas.WorkloadAssignment, body
        )

    def unassign(
        self, scope: Literal["instance", "tag", "account"], key: str, reason: str = ""
    ) -> schemas.WorkloadAssignment:
        """Remove a rule and return it."""
        return self._transport.write(
            "DELETE",
            "/workload-assignments",
            schemas.WorkloadAssignment,
            query={"scope": scope, "key": key, "reason": reason},
        )

    def of_instance(self, instance_id: str) -> schemas.AppliedWorkload:
        """The workload of an instance, and the rule that chose it."""
        path = f"/instances/{path_segment(instance_id)}/workload"
        return self._transport.get(path, schemas.AppliedWorkload)


def _workload(name: str) -> str:
    return f"/workloads/{path_segment(name)}"
