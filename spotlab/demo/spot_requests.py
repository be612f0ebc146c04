"""Spot requests that RunInstances makes; moto makes none.

A one-time request ends with its instance.
Source: EC2 User Guide, "Spot request status"; API reference, CancelSpotInstanceRequests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.spot_requests import SpotInstanceRequest, SpotRequestBackend

from spotlab.demo.patcher import Patches

_ONE_TIME: Final = "one-time"


class LaunchedRequest(SpotInstanceRequest):
    """The request of an instance that RunInstances has launched.

    Args:
        instance: launched already.
        request_id: its id.
        max_usd_per_hour: the price limit as text; AWS's default is the on-demand price.
        options: SpotOptions of the call.
        tags: of the request itself.
        at: when it was made, aware UTC.
    """

    def __init__(
        self,
        instance: Any,
        request_id: str,
        max_usd_per_hour: str,
        options: Mapping[str, Any],
        tags: Mapping[str, str],
        at: datetime,
    ) -> None:
        self._launched, self._at = instance, at
        super().__init__(
            instance.ec2_backend,
            request_id,
            max_usd_per_hour,
            instance.image_id,
            options.get("SpotInstanceType", _ONE_TIME),
            None,
            None,
            None,
            None,
            instance.key_name,
            [],
            None,
            instance.instance_type,
            instance._placement.zone,
            None,
            None,
            False,
            instance.subnet_id,
            {"spot-instances-request": dict(tags)},
            None,
            options.get("InstanceInterruptionBehavior"),
        )

    def launch_instance(self) -> Any:
        """The instance, which runs already."""
        return self._launched

    @property
    def launched_availability_zone(self) -> str:
        """The zone of the instance."""
        return str(self._launched._placement.zone)

    @property
    def create_time(self) -> str:
        """When it was made."""
        return f"{self._at:%Y-%m-%dT%H:%M:%S.000Z}"

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        """A value to filter by; moto lacks the instance's id."""
        if filter_name == "instance-id":
            return self.instance_id
        return super().get_filter_value(filter_name, method_name)

    def set_status(self, state: str, code: str) -> None:
        """Change its state, such as "closed", and status, such as "fulfilled"."""
        self.state, self._status_code = state, code


def add_request(
    instance: Any,
    request_id: str,
    max_usd_per_hour: str,
    options: Mapping[str, Any],
    tags: Mapping[str, str],
    at: datetime,
) -> None:
    """Add the request of a launched instance; see `LaunchedRequest` for the arguments."""
    instance.spot_instance_request_id = request_id
    request = LaunchedRequest(instance, request_id, max_usd_per_hour, options, tags, at)
    instance.ec2_backend.spot_instance_requests[request_id] = request


def is_one_time(instance: Any) -> bool:
    """Whether an instance's request is one-time; without a request it is."""
    request = _request_of(instance)
    return request is None or request.type == _ONE_TIME


def close_request(instance: Any, *, reclaimed: bool) -> None:
    """End the request of an instance that ends, if it is one-time."""
    request = _request_of(instance)
    if request is None or request.state != "active" or request.type != _ONE_TIME:
        return
    code = "instance-terminated-no-capacity" if reclaimed else "instance-terminated-by-user"
    request.set_status("closed", code)


def patch_spot_requests(patches: Patches) -> None:
    """Keep cancelled requests in the list, and refuse ids that do not exist."""
    describe = SpotRequestBackend.describe_spot_instance_requests

    def cancel(self: Any, request_ids: list[str]) -> list[Any]:
        requests = [_known(self, each) for each in request_ids]
        for request in requests:
            if request.state in {"active", "open"}:
                running = request.instance._state.name in {"pending", "running"}
                code = (
                    "request-canceled-and-instance-running"
                    if running
                    else "canceled-before-fulfillment"
                )
                request.state, request._status_code = "cancelled", code
        return requests

    def describe_known(
        self: Any, filters: Any = None, spot_instance_ids: list[str] | None = None
    ) -> list[Any]:
        for each in spot_instance_ids or []:
            _known(self, each)
        return list(describe(self, filters, spot_instance_ids))

    patches.attribute(SpotRequestBackend, "cancel_spot_instance_requests", cancel)
    patches.attribute(SpotRequestBackend, "describe_spot_instance_requests", describe_known)


def _request_of(instance: Any) -> Any:
    request_id = getattr(instance, "spot_instance_request_id", None)
    return instance.ec2_backend.spot_instance_requests.get(request_id)


def _known(backend: Any, request_id: str) -> Any:
    request = backend.spot_instance_requests.get(request_id)
    if request is None:
        raise EC2ClientError(
            "InvalidSpotInstanceRequestID.NotFound",
            f"The spot instance request ID '{request_id}' does not exist",
        )
    return request
