"""Patches that bring moto closer to AWS.

The reason for each replacement is stated next to it, here and in the ec2_*.py modules. moto's
internals are not a public interface, so its version is pinned and checked before patching.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import Any, Final

from moto import settings
from moto.core import errors
from moto.ec2 import utils as ec2_utils
from moto.ec2.responses import EC2Response
from moto.moto_api._internal import mock_random
from moto.moto_server import werkzeug_app
from moto.sts.exceptions import STSClientError
from moto.sts.models import STSBackend

from spotlab.demo.account_services import (
    add_account_services,
    clear_backends,
    patch_role_names,
)
from spotlab.demo.block_devices import patch_block_devices
from spotlab.demo.ec2_addresses import patch_addresses
from spotlab.demo.ec2_catalogue import patch_catalogue
from spotlab.demo.ec2_history import price_history
from spotlab.demo.ec2_images import patch_images
from spotlab.demo.ec2_launch import patch_launches
from spotlab.demo.ec2_placement import placement_scores
from spotlab.demo.event_bus import patch_event_bus
from spotlab.demo.fleet import seed_fleet
from spotlab.demo.fleet_details import add_fleet_details
from spotlab.demo.instance_states import patch_instance_states
from spotlab.demo.past_interruptions import add_past_interruptions
from spotlab.demo.patcher import Patches
from spotlab.demo.spot_requests import patch_spot_requests
from spotlab.demo.target_health import patch_target_health
from spotlab.demo.world import BASE_ACCOUNT_ID, World
from spotlab.errors import NotAvailable

MOTO_VERSION: Final = "5.2.1"


@contextmanager
def emulated(world: World) -> Iterator[None]:
    """Patch moto to emulate the world's AWS with its fleet; undone on exit.

    Raises:
        NotAvailable: the version of moto is not the one that these patches are made for.
    """
    if version("moto") != MOTO_VERSION:
        raise NotAvailable(
            f"The emulated AWS needs moto {MOTO_VERSION}, but {version('moto')} is installed.",
            remedy="Install the locked versions: make setup.",
        )
    with ExitStack() as stack:
        patches = Patches(stack)
        # a web page must not be able to use the emulated AWS
        patches.attribute(werkzeug_app, "DISABLE_GLOBAL_CORS", True)
        patches.attribute(STSBackend, "assume_role", _assume_role(world))
        # without it, moto warns that STS's model does not list the code
        codes = [*errors.COMMON_ERROR_CODES, "AccessDenied"]
        patches.attribute(errors, "COMMON_ERROR_CODES", codes)
        patches.attribute(EC2Response, "describe_spot_price_history", price_history(world))
        patches.attribute(EC2Response, "get_spot_placement_scores", placement_scores(world))
        patches.attribute(settings, "ENABLE_AMI_VALIDATION", True)
        patches.attribute(settings, "ec2_load_default_amis", lambda: False)
        patch_catalogue(patches)
        patch_role_names(patches)
        patch_event_bus(patches)
        stack.callback(clear_backends)
        clear_backends()
        seed_fleet(world)
        add_account_services(world)
        add_fleet_details(world)
        add_past_interruptions(world)
        # later ids are random: ids of an earlier run must not be reused
        mock_random.seed()
        # after the fleet, whose instances are running already
        _patch_filters(patches)
        patch_block_devices(patches, world)
        patch_launches(patches, world)
        patch_instance_states(patches, world)
        patch_spot_requests(patches)
        patch_images(patches, world)
        patch_addresses(patches)
        patch_target_health(patches, world)
        yield


def _patch_filters(patches: Patches) -> None:
    """Add filters of DescribeInstances that moto lacks."""
    for name, attribute in (
        ("client-token", "client_token"),
        ("instance-lifecycle", "lifecycle"),
        # moto compares the zone's name with the placement object
        ("availability-zone", "placement.zone"),
        ("spot-instance-request-id", "spot_instance_request_id"),
    ):
        patches.item(ec2_utils.filter_dict_attribute_mapping, name, attribute)


def _assume_role(world: World) -> Callable[..., Any]:
    """AssumeRole that checks the role and the ExternalId; moto allows any role to anyone."""
    assume = STSBackend.assume_role
    accounts = {account.role_arn: account for account in world.accounts}

    def assume_role(self: Any, *, role_arn: str, external_id: str, **kwargs: Any) -> Any:
        account = accounts.get(role_arn)
        if account is None or external_id != account.external_id:
            raise STSClientError(
                "AccessDenied",
                f"User: arn:aws:iam::{BASE_ACCOUNT_ID}:user/spotlab is not authorized to perform: "
                f"sts:AssumeRole on resource: {role_arn}",
            )
        role = assume(self, role_arn=role_arn, external_id=external_id, **kwargs)
        role.access_key_id = account.access_key_id
        return role

    return assume_role
